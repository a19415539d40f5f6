"""Columns that only exist after the fact: filled in (or left blank) because of what the target turned out to be."""

from typing import TYPE_CHECKING

from trainwright.checks.contract import CheckResult, leak_result, not_checked
from trainwright.checks.rows import OpenRows, is_constant, sample
from trainwright.checks.words import tells_an_outcome
from trainwright.core.findings import Finding, Severity
from trainwright.core.tasks import Task
from trainwright.data.dataset import Dataset

if TYPE_CHECKING:
    import numpy as np

NAME = "after_the_fact"
ROWS = 100_000  # assumption: purity of a class among 30 rows and more is known to a few percent
MIN_SIDE = 30  # rows on the filled and on the blank side

# Filled means one class: at least so purely, and it was not nearly always that class anyway (assumptions; titanic's
# `body` and `boat` are at 1.00 and 0.98, Cabin at 0.67, adult's blanks at 0.90 of a class that has 0.75).
PURE, PURE_NAMED = 0.97, 0.9
LIFT = 2.0  # times rarer that the other classes get
BOTH_SIDES = 0.99  # filled means one class and blank the other: the column is the target
EXPLAINED = 0.5  # share of a numeric target's variance told by the blanks alone (assumption)


def check_after_the_fact(dataset: Dataset) -> CheckResult:
    """Look for columns whose being filled or blank tells the target."""
    if dataset.target.task is Task.REGRESSION and is_constant(dataset.train.y):
        return not_checked(NAME, "data", "The target does not vary.")
    rows, gaps = _with_gaps(dataset)
    saw = (
        f"{len(gaps)} of {len(dataset.schema.features)} feature columns have at least {MIN_SIDE} blanks and as many "
        f"values; compared both with the target on {rows.described}."
    )
    return leak_result(NAME, saw, _told(dataset, rows, gaps))


def find_after_the_fact(dataset: Dataset) -> tuple[Finding, ...]:
    """The findings of `check_after_the_fact` alone."""
    return check_after_the_fact(dataset).findings


def _with_gaps(dataset: Dataset) -> tuple[OpenRows, list[str]]:
    names = [c.name for c in dataset.schema.features]
    rows = sample(dataset, ROWS, names)
    return rows, [n for n in names if MIN_SIDE <= int(rows.frame[n].isna().sum()) <= len(rows) - MIN_SIDE]


def _told(dataset: Dataset, rows: OpenRows, gaps: list[str]) -> list[Finding]:
    told = _number_told if dataset.target.task is Task.REGRESSION else _class_told
    found = (told(n, rows.frame[n].isna().to_numpy(), rows.y, dataset) for n in gaps)
    return [f for f in found if f is not None]


def _number_told(name: str, blank: "np.ndarray", y: "np.ndarray", dataset: Dataset) -> Finding | None:
    import numpy as np

    explained = float(np.corrcoef(blank, y)[0, 1] ** 2)
    if explained < EXPLAINED:
        return None
    what = f"being blank or not explains {explained:.0%} of {dataset.target.name}"
    return _finding(name, Severity.WARNING, what, explained)


def _class_told(name: str, blank: "np.ndarray", y: "np.ndarray", dataset: Dataset) -> Finding | None:
    import numpy as np

    size = dataset.target.num_classes
    base = np.bincount(y, minlength=size) / len(y)
    sides = {"filled": ~blank, "blank": blank}
    pure: dict[str, tuple[int, float]] = {}
    limit = PURE_NAMED if tells_an_outcome(name) else PURE
    for side, mask in sides.items():
        shares = np.bincount(y[mask], minlength=size) / mask.sum()
        top = int(shares.argmax())
        if shares[top] >= limit and (1 - base[top]) >= LIFT * (1 - shares[top]) and 1 - base[top] >= 0.05:
            pure[side] = (top, float(shares[top]))
    if not pure:
        return None
    told = "; ".join(
        f"where it is {side}, {share:.1%} of the rows are {dataset.target.classes[top]}"
        for side, (top, share) in pure.items()
    )
    both = len(pure) == 2 and min(share for _, share in pure.values()) >= BOTH_SIDES and size == 2
    return _finding(name, Severity.ERROR if both else Severity.WARNING, told, max(s for _, s in pure.values()))


def _finding(column: str, severity: Severity, told: str, share: float) -> Finding:
    return Finding(
        code="leak.after_the_fact" if severity is Severity.ERROR else "leak.after_the_fact_suspicion",
        severity=severity,
        where=column,
        what=f"may only be filled in after the target is known: {told}",
        why="A value that exists because of the outcome is not there when the outcome is to be predicted.",
        fix=f"Add {column} to data.columns.ignore if that is so, or lift the check with checks: {{{NAME}: false}}",
        evidence={"share": round(share, 4)},
    )
