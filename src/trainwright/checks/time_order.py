"""Time leakage: a table of rows in time, its target alike from one row to the next, and a split that shuffles them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.checks.contract import CheckResult, leak_result
from trainwright.checks.rows import inputs, sample
from trainwright.core.findings import Finding, Severity
from trainwright.core.tasks import Task
from trainwright.data.canonical import time_numbers
from trainwright.data.dataset import Dataset, Kind

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NAME = "time_leakage"
ROWS = 200_000  # assumption: in such a sample, neighbours in time are still neighbours
MIN_ROWS = 50

# Correlation of a row's target with the mean of its neighbours in time. Measured: Beijing 0.92 (row by row and with
# half of the rows gone), shuffled data below 0.05.
LEAK, SUSPICION = 0.5, 0.3
_PARTS = {"year": (1900, 2100), "month": (1, 12), "day": (1, 31), "hour": (0, 24), "minute": (0, 59)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOrder:
    """How the rows are ordered in time.

    ``column`` is one column that sorts them by time (None: no single column does, ``parts`` together do). ``parts`` are
    the columns that hold the time, or its year, month, day and hour. ``alike`` is the correlation of a row's target
    with its neighbours' in time.
    """

    column: str | None
    parts: tuple[str, ...]
    alike: float

    @property
    def sentence(self) -> str:
        """The evidence in words."""
        return (
            f"{', '.join(self.parts)} say when a row was, and a row's target goes along with its neighbours' in "
            f"time (correlation {self.alike:.2f})"
        )


def check_time(dataset: Dataset) -> CheckResult:
    """Look for time in the columns, for a target that stays alike in time, and at the order of the parts."""
    order = find_time(dataset)
    if order is None:
        saw = f"None of {len(inputs(dataset))} columns holds a time (dates, or year with month and day)."
        return leak_result(NAME, saw, [])
    saw = f"{order.sentence}. The split is {dataset.split.strategy}"
    later, share = _later(dataset, order)
    saw += f"; {share:.0%} of the validation rows are later than every training row." if later is not None else "."
    return leak_result(NAME, saw, _judge(dataset, order, later=later, share=share))


def find_time(dataset: Dataset) -> TimeOrder | None:
    """The time order of the rows; None when no column says when a row was."""
    named = [c.name for c in inputs(dataset) if c.role == "time"]
    if not named and not _could_hold_time(dataset):
        return None
    rows = sample(dataset, ROWS, _time_columns(dataset))
    if len(rows) < MIN_ROWS:
        return None
    for name in named:
        return TimeOrder(
            column=name, parts=(name,), alike=_alike(time_numbers(rows.frame[name]), rows.y, dataset.target.task)
        )
    dates = [c.name for c in inputs(dataset) if c.kind is Kind.DATETIME and c.missing == 0]
    best: TimeOrder | None = None
    for name in dates:
        order = TimeOrder(
            column=name, parts=(name,), alike=_alike(time_numbers(rows.frame[name]), rows.y, dataset.target.task)
        )
        best = order if best is None or order.alike > best.alike else best
    parts = _calendar(dataset)
    if best is None and parts:
        stamp = _stamp(rows.frame, parts)
        single = _counter(dataset, rows.frame, stamp)
        best = TimeOrder(column=single, parts=parts, alike=_alike(stamp, rows.y, dataset.target.task))
    return best


def _time_columns(dataset: Dataset) -> list[str]:
    """The columns that `find_time` may ask for: numbers, dates, and digits in identifiers."""
    plain = {Kind.NUMERIC, Kind.DATETIME, Kind.IDENTIFIER}
    calendar = _calendar(dataset)
    return [c.name for c in inputs(dataset) if c.kind in plain or c.role == "time" or c.name in calendar]


def _could_hold_time(dataset: Dataset) -> bool:
    return any(c.kind is Kind.DATETIME for c in inputs(dataset)) or bool(_calendar(dataset))


def _calendar(dataset: Dataset) -> tuple[str, ...]:
    """Columns named like parts of a date with whole numbers of their range, year first; year and month at least."""
    import numpy as np

    found: dict[str, str] = {}
    for column in inputs(dataset):
        part = _part_named(column.name)
        values = dataset.train.frame[column.name]
        if part is None or part in found:
            continue
        numbers_here = time_numbers(values)
        low, high = _PARTS[part]
        whole = bool(np.all(numbers_here == np.floor(numbers_here)))
        if whole and numbers_here.min() >= low and numbers_here.max() <= high:
            found[part] = column.name
    return tuple(found[p] for p in _PARTS if p in found) if {"year", "month"} <= set(found) else ()


def _part_named(name: str) -> str | None:
    plain = name.lower().strip()
    words = {"yr": "year", "mnth": "month", "dayofmonth": "day", "day_of_month": "day", "hr": "hour"}
    word = words.get(plain, plain)
    return word if word in _PARTS else None


def _stamp(frame: "pd.DataFrame", parts: tuple[str, ...]) -> "np.ndarray":
    """One number per row that sorts as the time does."""
    import numpy as np

    stamp = np.zeros(len(frame))
    for name in parts:
        base = 100 if name != parts[0] else 1  # every part after the year has two digits
        stamp = stamp * base + time_numbers(frame[name])
    return stamp


def _counter(dataset: Dataset, frame: "pd.DataFrame", stamp: "np.ndarray") -> str | None:
    """A column of different whole numbers that counts up with time."""
    import numpy as np

    for column in inputs(dataset):
        if column.name not in frame.columns or column.kind is Kind.DATETIME or column.missing:
            continue
        values = time_numbers(frame[column.name])
        order = np.lexsort((values, stamp))
        if np.all(np.diff(values[order]) > 0) and np.all(values == np.floor(values)):
            return column.name
    return None


def _alike(times: "np.ndarray", y: "np.ndarray", task: Task) -> float:
    """Correlation of a row's target with the mean of its neighbours in time; equal times in random order."""
    import numpy as np

    shuffled = np.random.default_rng(0).permutation(len(y))
    order = shuffled[np.argsort(times[shuffled], kind="stable")]
    goals = np.eye(int(y.max()) + 1)[y] if task is Task.MULTICLASS else y.astype(np.float64)[:, None]
    goals = goals[order] - goals.mean(axis=0)
    middle, beside = goals[1:-1], (goals[:-2] + goals[2:]) / 2.0
    spread = float(np.sqrt((middle**2).sum() * (beside**2).sum()))
    return 0.0 if spread == 0 else float((middle * beside).sum()) / spread


def _later(dataset: Dataset, order: TimeOrder) -> tuple[bool | None, float]:
    """Whether validation is wholly later than training (None: cannot be told), and the share of its rows that are."""
    import numpy as np

    train, val = (_times(p.frame, order) for p in (dataset.train, dataset.val))
    train, val = train[~np.isnan(train)], val[~np.isnan(val)]
    if len(train) == 0 or len(val) == 0:
        return None, 0.0
    share = float((val >= train.max()).mean())
    return share == 1.0, share


def _times(frame: "pd.DataFrame", order: TimeOrder) -> "np.ndarray":
    return time_numbers(frame[order.column]) if order.column is not None else _stamp(frame, order.parts)


def _judge(dataset: Dataset, order: TimeOrder, *, later: bool | None, share: float) -> list[Finding]:
    strategy = dataset.split.strategy
    evidence: dict[str, float | str] = {
        "alike": round(order.alike, 4),
        "val_rows_later": round(share, 4),
        "strategy": strategy,
    }
    findings = []
    if strategy == "time" and later is False:
        what = f"the split is by time, yet only {share:.1%} of the validation rows are later than every training row"
        findings.append(_finding(order, Severity.ERROR, what, evidence))
    elif strategy != "time" and later is not True and order.alike >= SUSPICION:
        severity = Severity.ERROR if order.alike >= LEAK else Severity.WARNING
        what = f"the {strategy} split puts validation rows between training rows in time; {order.sentence}"
        findings.append(_finding(order, severity, what, evidence))
    test = _test_too_early(dataset, order)
    if test is not None and (strategy == "time" or order.alike >= LEAK):
        findings.append(_finding(order, Severity.ERROR, test, evidence))
    return findings


def _test_too_early(dataset: Dataset, order: TimeOrder) -> str | None:
    """What is wrong with the time of the test rows; None where nothing is, or where their time is not known."""
    import numpy as np

    named = any(c.role == "time" and c.name == order.column for c in inputs(dataset))
    if dataset.test is None or dataset.test.time_range is None or not named:
        return None
    last = float(np.nanmax(_times(dataset.train.frame, order)))
    first = dataset.test.time_range[0]
    return None if first >= last else f"test rows begin before the last training row ({first:.15g} before {last:.15g})"


def _finding(order: TimeOrder, severity: Severity, what: str, evidence: dict[str, float | str]) -> Finding:
    column = order.column or order.parts[0]
    named = f"data.columns.time: {column} and data.split.strategy: time"
    return Finding(
        code="leak.time",
        severity=severity,
        where=", ".join(order.parts),
        what=what,
        why="A row between two known neighbours is easily guessed; rows of the future are not.",
        fix=f"Set {named}, or lift the check with checks: {{{NAME}: false}}",
        evidence=evidence,
    )
