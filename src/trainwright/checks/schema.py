"""Schema drift: columns that are not the same in training, validation and test."""

from typing import TYPE_CHECKING

from trainwright.checks.contract import CheckResult, plain_result
from trainwright.checks.rows import codes, is_numeric, numbers
from trainwright.core.findings import Finding, Severity
from trainwright.data.dataset import OPAQUE, Column, Dataset
from trainwright.data.pixels import traits

if TYPE_CHECKING:
    import pandas as pd

NAME = "schema_drift"
ROWS = 50_000  # assumption: shares and ranges of each part are known to 1% from so many rows
UNSEEN = 0.05  # share of validation values that no training row has
MISSING = 0.2  # difference in the share of missing values
SHIFT = 0.3  # Kolmogorov-Smirnov distance of a numeric column (assumption; a tenth of it is chance at 500 rows)
MIN_ROWS = 100
FEW = 100  # categories up to which an unseen one is strange; above, new values are the nature of the column


def check_schema(dataset: Dataset) -> CheckResult:
    """Compare types, missing shares, categories and ranges of each feature between the parts."""
    findings = list(dataset.test.schema_differences) if dataset.test is not None else []
    train, val = _head(dataset.train.frame), _head(dataset.val.frame)
    for column in dataset.schema.features:
        if column.name not in val.columns:
            what = "is missing from the validation rows"
            findings.append(_finding("schema.missing_column", Severity.ERROR, column.name, what))
            continue
        before, after = train[column.name], val[column.name]
        if column.kind in OPAQUE:
            before, after = traits(before), traits(after)
        findings += _differences(dataset, column, before, after)
    saw = (
        f"Compared {len(dataset.schema.features)} feature columns of training and validation rows, "
        f"{dataset.split.strategy} split"
        f"{', and the test files column by column' if dataset.test is not None else ''}."
    )
    return plain_result(NAME, "data", saw, findings)


def _head(frame: "pd.DataFrame") -> "pd.DataFrame":
    return frame if len(frame) <= ROWS else frame.sample(ROWS, random_state=0)


def _differences(dataset: Dataset, column: Column, train: "pd.Series", val: "pd.Series") -> list[Finding]:
    name = column.name
    if _family(train) != _family(val):
        what = f"holds {_family(train)} in training and {_family(val)} in validation"
        return [_finding("schema.kind_differs", Severity.ERROR, name, what)]
    if dataset.split.strategy != "given" or len(val) < MIN_ROWS or len(train) < MIN_ROWS:
        return []  # our own split draws both parts from the same files; differences in time and group are meant
    before, after = float(train.isna().mean()), float(val.isna().mean())
    if abs(after - before) >= MISSING:
        what = f"is missing in {before:.0%} of the training and {after:.0%} of the validation rows"
        return [_finding("schema.missing_differs", Severity.WARNING, name, what)]
    if not (is_numeric(train) or train.dtype.kind == "M"):
        return _unseen(column, train, val)
    return _shifted(name, train, val)


def _family(values: "pd.Series") -> str:
    if is_numeric(values):
        return "numbers"
    return "dates" if values.dtype.kind == "M" else "text"


def _unseen(column: Column, train: "pd.Series", val: "pd.Series") -> list[Finding]:
    present = val.dropna()
    known = set(train.dropna().unique())
    new = ~present.isin(known)
    if not len(present) or new.mean() < UNSEEN or int(codes(train).max()) + 1 > FEW:
        return []
    examples = ", ".join(map(str, present[new].unique()[:3]))
    what = f"{new.mean():.0%} of the validation values never occur in training (such as {examples})"
    return [_finding("schema.unseen_values", Severity.WARNING, column.name, what)]


def _shifted(name: str, train: "pd.Series", val: "pd.Series") -> list[Finding]:
    import numpy as np
    from scipy.stats import ks_2samp

    a, b = numbers(train), numbers(val)
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    if min(len(a), len(b)) < MIN_ROWS:
        return []
    distance = float(ks_2samp(a, b, method="asymp").statistic)
    if distance < SHIFT:
        return []
    what = f"is shifted: its median is {np.median(a):g} in training, {np.median(b):g} in validation (KS {distance:.2f})"
    return [_finding("schema.shifted", Severity.WARNING, name, what)]


def _finding(code: str, severity: Severity, column: str, what: str) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        where=column,
        what=what,
        why="A model is judged on other data than it was trained on.",
        fix=f"Bring the files in line, or add {column} to data.columns.ignore",
    )
