"""Problems of the target: one class, rare classes, numbers taken for classes, a cap, imbalance, few rows."""

from typing import TYPE_CHECKING

from trainwright.checks.contract import CheckResult, plain_result
from trainwright.core.findings import Finding, Severity
from trainwright.core.tasks import Task
from trainwright.data.dataset import Dataset

if TYPE_CHECKING:
    import numpy as np

CAPPED = "target.capped"
TARGET, IMBALANCE, TINY = "target", "imbalance", "tiny_data"
RARE = 5  # rows of a class in training below which no model learns it and no fold holds it (assumption)
FEW_VALUES = 10  # a regression target with no more different whole values may be classes
MANY_CLASSES = 50  # as many classes that are all numbers may be a measure
CAP_SHARE, CAP_TIMES = (
    0.01,
    10,
)  # share of rows at the very end of the range, and times more than at the value beside it
IMBALANCED, EXTREME = 0.1, 0.01  # share of the rarest class against an even share
REFUSED, FEW = 20, 200  # training rows (assumptions: below the first nothing can be told, below the second little)
A_FEATURE = 5  # rows per feature below which a warning is given (assumption; the usual advice is 10)


def check_target(dataset: Dataset) -> CheckResult:
    """Look at the values of the target in training and validation."""
    if dataset.target.task is Task.REGRESSION:
        return _numbers(dataset)
    return _classes(dataset)


def check_imbalance(dataset: Dataset) -> CheckResult:
    """Compare the rarest class with an even share."""
    import numpy as np

    task = dataset.target.task
    if task is Task.REGRESSION:
        return plain_result(IMBALANCE, "data", "The target is a number: there are no classes to balance.")
    counts = np.bincount(dataset.train.y, minlength=dataset.target.num_classes)
    rarest, most = int(counts.argmin()), int(counts.argmax())
    share = float(counts[rarest] / max(counts.sum(), 1))
    classes = dataset.target.classes
    saw = (
        f"{len(classes)} classes in {int(counts.sum()):,} training rows, from {classes[most]} with "
        f"{int(counts[most]):,} to {classes[rarest]} with {int(counts[rarest]):,} ({share:.2%})."
    )
    relative = share * len(classes)
    if relative >= IMBALANCED * 2:
        return plain_result(IMBALANCE, "data", saw)
    finding = Finding(
        code="target.imbalance",
        severity=Severity.WARNING if relative < EXTREME * 2 else Severity.INFO,
        where=dataset.target.name,
        what=f"the class {classes[rarest]} has {share:.2%} of the training rows",
        why="Accuracy looks high for a model that never names it.",
        fix="Judge by roc_auc, average_precision or balanced_accuracy; training.class_weight: balanced weighs it up",
        evidence={"counts": {classes[i]: int(counts[i]) for i in range(len(classes))}},
    )
    return plain_result(IMBALANCE, "data", saw, [finding])


def check_tiny(dataset: Dataset) -> CheckResult:
    """Compare the number of rows with what can be learnt and judged from them."""
    rows, val, features = len(dataset.train), len(dataset.val), len(dataset.schema.features)
    saw = f"{rows:,} training rows, {val:,} validation rows, {features} features."
    findings = []
    if rows < REFUSED or val == 0:
        findings.append(
            _tiny(Severity.ERROR, f"{rows} training and {val} validation rows, at least {REFUSED} and 1 are required")
        )
    elif rows < FEW or val < FEW / 5:
        findings.append(_tiny(Severity.WARNING, f"only {rows} training and {val} validation rows"))
    if rows >= REFUSED and rows < A_FEATURE * features:
        findings.append(
            _tiny(Severity.WARNING, f"{rows} training rows for {features} features, under {A_FEATURE} each")
        )
    return plain_result(TINY, "data", saw, findings)


def _tiny(severity: Severity, what: str) -> Finding:
    return Finding(
        code="data.tiny",
        severity=severity,
        where="rows",
        what=what,
        why="Scores on so few rows swing widely from one split to the next.",
        fix="Bring more rows, or set cross_validation and read its spread",
    )


def _classes(dataset: Dataset) -> CheckResult:
    import numpy as np

    target = dataset.target
    train = np.bincount(dataset.train.y, minlength=target.num_classes)
    val = np.bincount(dataset.val.y, minlength=target.num_classes)
    rows = f"{len(dataset.train):,} training and {len(dataset.val):,} validation rows"
    saw = f"{target.num_classes} classes of {target.name} in {rows}."
    if int((train > 0).sum()) < 2:
        only = target.classes[int(train.argmax())] if target.classes else "none"
        what = f"has a single class in the training rows ({only}), two are required"
        return plain_result(
            TARGET,
            "data",
            saw,
            [_problem(dataset, "target.one_class", Severity.ERROR, what, "Check the target column and the split")],
        )
    findings = []
    absent = [target.classes[i] for i in np.flatnonzero((train == 0) & (val > 0))]
    if absent:
        what = f"validation rows have classes that no training row has: {_listed(absent)}"
        findings.append(
            _problem(
                dataset,
                "target.unseen_class",
                Severity.WARNING,
                what,
                "Split by data.split.strategy: stratified, or take those rows out",
            )
        )
    rare = [f"{target.classes[i]} ({train[i] + val[i]})" for i in np.flatnonzero((train + val) < RARE)]
    if rare:
        what = f"classes too rare to learn or to split: {_listed(rare)}"
        findings.append(
            _problem(
                dataset,
                "target.rare_class",
                Severity.WARNING,
                what,
                "Join them with another class, or take their rows out",
            )
        )
    if target.num_classes >= MANY_CLASSES and all(_is_number(c) for c in target.classes):
        what = f"its {target.num_classes} classes are all numbers: it looks like a measure"
        findings.append(
            _problem(dataset, "target.looks_numeric", Severity.WARNING, what, "Set task: regression if it is one")
        )
    unseen_in_val = int(((val == 0) & (train > 0)).sum())
    if unseen_in_val and target.task is Task.BINARY:
        what = "the validation rows have a single class: no ranking metric can be computed"
        findings.append(
            _problem(
                dataset, "target.one_class_val", Severity.ERROR, what, "Use a larger or stratified validation part"
            )
        )
    return plain_result(TARGET, "data", saw, findings)


def _numbers(dataset: Dataset) -> CheckResult:
    import numpy as np

    y = dataset.train.y
    saw = f"{len(y):,} training values of {dataset.target.name}"
    if len(y) == 0 or not np.all(np.isfinite(y)) or not np.all(np.isfinite(dataset.val.y)):
        bad = int((~np.isfinite(y)).sum() + (~np.isfinite(dataset.val.y)).sum())
        what = f"{bad} target values are missing or infinite" if len(y) else "there is no training value"
        return plain_result(
            TARGET,
            "data",
            saw + ".",
            [_problem(dataset, "target.not_finite", Severity.ERROR, what, "Take those rows out")],
        )
    values, counts = np.unique(y, return_counts=True)
    saw += f" from {values[0]:,.10g} to {values[-1]:,.10g}, {len(values):,} different."
    if len(values) == 1:
        what = f"is constant in the training rows ({values[0]:,.10g})"
        return plain_result(
            TARGET,
            "data",
            saw,
            [_problem(dataset, "target.constant", Severity.ERROR, what, "Check the target column and the split")],
        )
    findings = []
    if len(values) <= FEW_VALUES and np.all(values == np.floor(values)) and len(y) >= 10 * len(values):
        what = f"has only {len(values)} different whole values: it looks like classes"
        findings.append(
            _problem(
                dataset,
                "target.looks_categorical",
                Severity.WARNING,
                what,
                "Set task: multiclass or binary if they are classes",
            )
        )
    elif (cap := _cap(values, counts)) is not None:
        value, count = cap
        told = f"{count:,} rows ({count / len(y):.1%}) have the target at {value:,.10g}"
        what = f"{told}, the end of its range: it looks capped"
        findings.append(
            _problem(
                dataset,
                CAPPED,
                Severity.INFO,
                what,
                "Errors beyond the cap are not seen; say so where the model is used",
            )
        )
    return plain_result(TARGET, "data", saw, findings)


def _cap(values: "np.ndarray", counts: "np.ndarray") -> tuple[float, int] | None:
    """The maximum, or a minimum other than zero, when far more rows sit on it than on the values beside it."""
    import numpy as np

    if len(values) <= FEW_VALUES:
        return None
    for end, beside in ((-1, slice(-FEW_VALUES - 1, -1)), (0, slice(1, FEW_VALUES + 1))):
        piled = counts[end] >= CAP_SHARE * counts.sum() and counts[end] >= CAP_TIMES * np.median(counts[beside])
        if piled and values[end] != 0:
            return float(values[end]), int(counts[end])
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _problem(dataset: Dataset, code: str, severity: Severity, what: str, fix: str) -> Finding:
    return Finding(code=code, severity=severity, where=dataset.target.name, what=what, fix=fix)
