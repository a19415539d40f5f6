"""Columns computed from the future: in a time-ordered table, a column made of the target's later values."""

from typing import TYPE_CHECKING

from trainwright.checks.contract import CheckResult, leak_result, not_checked
from trainwright.checks.rows import is_numeric, stretch
from trainwright.checks.time_order import find_time
from trainwright.core.findings import Finding, Severity
from trainwright.core.tasks import Task
from trainwright.data.canonical import time_numbers
from trainwright.data.dataset import Dataset

if TYPE_CHECKING:
    import numpy as np

NAME = "future_values"
ROWS = 20_000  # assumption: enough neighbouring rows to fit 20 weights
MIN_ROWS = 200
STEPS = 6  # single steps looked ahead and back
WINDOWS = (12, 24, 48)  # longer means looked ahead and back; hours of a day and two are the usual ones (assumption)
EXPLAINED = 0.99  # share of the column that the target's values around it explain: it is made of them
NEEDED = 0.1  # of what the past leaves open, so much is left with the future: the later values are what was missing
EXACT = 1e-4  # less than this left open: the past says it all
LAG = 0.99  # the same for an honest column of past values


def check_future(dataset: Dataset) -> CheckResult:
    """Explain each numeric column by the target's past and present, then also by its future."""
    order = find_time(dataset)
    if order is None:
        return not_checked(
            NAME, "data", "No column says in which order the rows came, so there is no future to look for."
        )
    if dataset.target.task is Task.MULTICLASS:
        return not_checked(NAME, "data", "The target has more than two classes; only numbers and yes/no are compared.")
    columns = [c.name for c in dataset.schema.features if is_numeric(dataset.train.frame[c.name])]
    windows = _windows(dataset, columns, order.column)
    if windows is None:
        return not_checked(NAME, "data", f"Fewer than {MIN_ROWS} open rows stand beside their neighbours in time.")
    past, future, columns_at = windows
    findings = []
    for name in columns:
        values = columns_at[name]
        without, with_future = _explained(past, values), _explained(_beside(past, future), values)
        open_share = 1.0 - without
        made_of_future = open_share > EXACT and 1.0 - with_future <= NEEDED * open_share
        if with_future >= EXPLAINED and made_of_future:
            findings.append(_finding(name, without, with_future))
    saw = (
        f"Compared {len(columns)} numeric columns with the target up to {max(WINDOWS)} rows earlier and later, "
        f"on {len(past):,} rows."
    )
    return leak_result(NAME, saw, findings)


def find_future(dataset: Dataset) -> tuple[Finding, ...]:
    """The findings of `check_future` alone."""
    return check_future(dataset).findings


def is_past(dataset: Dataset, column: str) -> bool:
    """Whether a column of a time-ordered table is made of the target's earlier values: strong, and honest."""
    if dataset.target.task is Task.MULTICLASS or not is_numeric(dataset.train.frame[column]):
        return False
    order = find_time(dataset)
    windows = None if order is None else _windows(dataset, [column], order.column)
    return windows is not None and _explained(windows[0][:, 1:], windows[2][column]) >= LAG


def _windows(
    dataset: Dataset, columns: list[str], order: str | None
) -> "tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]] | None":
    """Target values at and before each row, those after it, and the columns, where all neighbours are open rows."""
    import numpy as np
    import pandas as pd

    rows = stretch(dataset, ROWS)
    frame, y, place = rows.frame, rows.y, rows.rows - rows.rows.min()
    by_time = np.arange(len(rows)) if order is None else np.argsort(time_numbers(frame[order]), kind="stable")
    if np.any(np.diff(by_time) != 1):  # the file is not in time order
        frame, y, place = frame.iloc[by_time], y[by_time], np.arange(len(y))
    at = np.full(int(place.max()) + 1, np.nan)
    at[place] = y
    line = pd.Series(at)
    # Rows of the sealed test part leave holes; in a random split long windows would never be whole, so holes are
    # bridged by the value before: 20% of holes blur a mean, they do not hide it.
    filled = line.ffill().bfill() if line.isna().any() else line
    back = [filled.shift(k) for k in range(STEPS + 1)] + [filled.rolling(w).mean() for w in WINDOWS]
    ahead = filled[::-1]
    later = [filled.shift(-k) for k in range(1, STEPS + 1)] + [ahead.rolling(w).mean()[::-1].shift(-1) for w in WINDOWS]
    past, future = np.column_stack(back)[place], np.column_stack(later)[place]
    holes = line.isna()
    near = holes.rolling(2 * STEPS + 1, center=True).sum().to_numpy()[place] == 0
    whole_rows = near & ~np.isnan(past).any(axis=1) & ~np.isnan(future).any(axis=1)
    if whole_rows.sum() < MIN_ROWS:
        return None
    return past[whole_rows], future[whole_rows], {c: frame[c].to_numpy(dtype=np.float64)[whole_rows] for c in columns}


def _beside(past: "np.ndarray", future: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.column_stack([past, future])


def _explained(X: "np.ndarray", values: "np.ndarray") -> float:
    """R2 of a linear fit, on rows where the column has a value."""
    import numpy as np

    present = ~np.isnan(values)
    if present.sum() < MIN_ROWS or values[present].std() == 0:
        return 0.0
    X, values = X[present] - X[present].mean(axis=0), values[present] - values[present].mean()
    weights, *_ = np.linalg.lstsq(X, values, rcond=None)
    return 1.0 - float(((values - X @ weights) ** 2).sum() / (values**2).sum())


def _finding(column: str, without: float, with_future: float) -> Finding:
    return Finding(
        code="leak.future",
        severity=Severity.ERROR,
        where=column,
        what=(
            f"is made of later values of the target: with them {with_future:.1%} of it is explained, "
            f"with the present and earlier ones {without:.1%}"
        ),
        why="When the model is used, those values do not exist yet.",
        fix=f"Add {column} to data.columns.ignore, or compute it from earlier rows only",
        evidence={"explained_by_past": round(without, 4), "explained_with_future": round(with_future, 4)},
    )
