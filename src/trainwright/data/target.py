"""The target column: what is predicted, the task it means, and its codes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding, Severity
from trainwright.core.tasks import Task
from trainwright.data.canonical import to_numbers, to_text
from trainwright.data.dataset import Target

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_MAX_INFERRED_CLASSES = 20  # assumption: more different whole numbers than this are quantities
_MAX_CLASSES = 1000  # assumption: with more classes than this, and few rows each, the target is an identifier
_ROWS_PER_CLASS = 10  # assumption: fewer rows a value than this, and whole numbers are quantities


def settle_target(
    values: "pd.Series", *, expression: str, value: str | None, task: str
) -> tuple[Target, tuple[Finding, ...]]:
    """Decide task and classes from the target values of all rows in the training file.

    ``value`` turns the column into a question: is it this one? ``task`` may be ``auto``, which is answered here and
    said in a finding.

    Raises:
        DataRefused: all missing, constant, one class, too many classes, numbers and text mixed, or not what
            ``task`` says.
    """
    name = str(values.name)
    present = values.dropna()
    if len(present) == 0:
        raise DataRefused(
            f"the target {name!r} must have values, and all {len(values)} rows are missing. "
            "Name another column under data.target, or fill it in."
        )
    if values.dtype.kind == "M":
        raise DataRefused(f"the target {name!r} must be classes or numbers, and it holds dates. Turn it into a number.")
    if value is not None:
        return _one_value(present, name, expression, value, task), ()
    findings: tuple[Finding, ...] = ()
    if task == "auto":
        task, why = _infer_task(present)
        findings = (_task_inferred(name, task, why),)
    if task == "regression":
        return _regression(present, name, expression), findings
    target = _classes(present, name, expression, task)
    return target, findings


def encode_target(values: "pd.Series", target: Target, *, value: str | None) -> "np.ndarray":
    """float64: the value, or the class code, or NaN where the target is missing. -1 marks a class nobody knows.

    Raises:
        DataRefused: a regression target with text in it.
    """
    import numpy as np
    import pandas as pd

    if target.task is Task.REGRESSION:
        _refuse_text(values.dropna(), target.name)
        return to_numbers(values).to_numpy()
    text = to_text(values)
    missing = text.isna().to_numpy()
    if value is not None:
        codes = (text == value).to_numpy(dtype=bool, na_value=False).astype("float64")
    else:
        codes = pd.Index(target.classes, dtype="str").get_indexer(pd.Index(text)).astype("float64")
    codes[missing] = np.nan
    return codes


def sort_classes(labels: Sequence[str]) -> tuple[str, ...]:
    """Labels in the order of their codes: by value where all are numbers, else as text."""
    try:
        return tuple(sorted(labels, key=lambda text: (float(text), text)))
    except ValueError:
        return tuple(sorted(labels))


def _infer_task(present: "pd.Series") -> tuple[str, str]:
    import numpy as np

    distinct = int(present.nunique())
    if present.dtype.kind not in "iuf":
        return ("binary" if distinct == 2 else "multiclass"), f"text of {distinct:,} different values"
    numbers = present.to_numpy(dtype="float64")
    if distinct == 2:
        return "binary", "numbers of two different values"
    whole = bool(np.all(np.isfinite(numbers)) and np.all(numbers == np.floor(numbers)))
    if not whole:
        return "regression", "numbers that are not all whole"
    dense = numbers.max() - numbers.min() + 1 == distinct
    if dense and distinct <= _MAX_INFERRED_CLASSES and len(numbers) >= _ROWS_PER_CLASS * distinct:
        return "multiclass", f"whole numbers of {distinct:,} different values without a gap"
    return "regression", f"whole numbers of {distinct:,} different values"


def _task_inferred(name: str, task: str, why: str) -> Finding:
    return Finding(
        code="data.task_inferred",
        severity=Severity.INFO,
        where=name,
        what=f"the task is {task}: the target holds {why}",
        fix="Write task: in the spec to decide it yourself",
        evidence={"task": task},
    )


def _one_value(present: "pd.Series", name: str, expression: str, value: str, task: str) -> Target:
    import difflib

    if task not in ("auto", "binary"):
        raise DataRefused(f"{expression} is a binary question, and the spec says task: {task}. Remove one of them.")
    counts = to_text(present).value_counts()
    known = [str(k) for k in counts.index]
    if value not in known or len(known) < 2:
        close = difflib.get_close_matches(value, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close and close[0] != value else ""
        raise DataRefused(
            f"{expression} must be true for some rows and false for others, and {name!r} holds only "
            f"{', '.join(map(repr, known[:10]))}.{hint}"
        )
    return Target(name=name, expression=expression, task=Task.BINARY, classes=(f"not {value}", value))


def _regression(present: "pd.Series", name: str, expression: str) -> Target:
    import numpy as np

    _refuse_text(present, name)
    numbers = to_numbers(present).dropna().to_numpy()
    if len(numbers) == 0 or numbers.min() == numbers.max():
        raise DataRefused(
            f"the target {name!r} must vary, and all rows hold {present.iloc[0]!r}. There is nothing to learn."
        )
    is_count = bool(numbers.min() >= 0 and np.all(numbers == np.floor(numbers)))
    return Target(name=name, expression=expression, task=Task.REGRESSION, classes=(), is_count=is_count)


def _refuse_text(present: "pd.Series", name: str) -> None:
    if present.dtype.kind in "iuf":
        return
    bad = present[to_numbers(present).isna()]
    if len(bad):
        examples = ", ".join(repr(str(v)) for v in bad.unique()[:5])
        raise DataRefused(
            f"the target {name!r} of a regression must be numbers, and {len(bad)} of {len(present)} cells are not: "
            f"{examples}. Correct them, or list them in data.missing_values."
        )


def _classes(present: "pd.Series", name: str, expression: str, task: str) -> Target:
    text = to_text(present)
    counts = text.value_counts()
    labels = sort_classes([str(k) for k in counts.index])
    if len(labels) == 1:
        raise DataRefused(
            f"the target {name!r} must have two classes at least, and all rows hold {labels[0]!r}. "
            "Name another column under data.target, or bring rows of another class."
        )
    _refuse_mixed(present, text, labels, name)
    if len(labels) > _MAX_CLASSES or (len(labels) > _MAX_INFERRED_CLASSES and len(labels) > len(text) / 2):
        raise DataRefused(
            f"the target {name!r} must be classes that repeat, and it has {len(labels)} different values in "
            f"{len(text)} rows: it looks like an identifier or a number. "
            "Name another target, or write task: regression."
        )
    if task == "binary" and len(labels) > 2:
        raise DataRefused(
            f"task: binary needs two classes, and {name!r} has {len(labels)}: {', '.join(labels[:10])}. "
            f"Write task: multiclass, or ask for one of them: target: '{name} == \"{labels[-1]}\"'."
        )
    kind = Task.BINARY if len(labels) == 2 else Task.MULTICLASS
    return Target(name=name, expression=expression, task=kind, classes=labels)


def _refuse_mixed(present: "pd.Series", text: "pd.Series", labels: Sequence[str], name: str) -> None:
    """A text target where nearly all cells are numbers is a number column with dirt in it."""
    if present.dtype.kind in "iuf" or len(labels) <= _MAX_INFERRED_CLASSES:
        return
    unique = text.drop_duplicates()
    bad = text[text.isin(unique[to_numbers(unique).isna()])]
    if 0 < len(bad) < len(text) / 10:  # assumption: one cell in ten is dirt, more is a class
        examples = ", ".join(repr(str(v)) for v in bad.unique()[:5])
        raise DataRefused(
            f"the target {name!r} mixes numbers and text: {len(bad)} of {len(text)} cells are no numbers ({examples}). "
            "Correct them, or list them in data.missing_values."
        )
