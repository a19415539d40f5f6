"""Identifiers used as features: columns with another value in each row, that mean nothing to a new one."""

import re
from typing import TYPE_CHECKING

from trainwright.checks.contract import CheckResult, plain_result
from trainwright.checks.rows import inputs, sample
from trainwright.core.findings import Finding, Severity
from trainwright.data.canonical import time_numbers
from trainwright.data.dataset import OPAQUE, Column, Dataset, Kind

if TYPE_CHECKING:
    import pandas as pd

NAME = "identifiers"
ROWS = 50_000  # assumption: a column that repeats shows it in such a sample
MIN_ROWS = 30
UNIQUE = 0.99
_ID_NAME = re.compile(r"(^|[^a-z])(id|ids|nbr|uuid|guid|key|no|number|index|rowid|row|hash)($|[^a-z])|#", re.IGNORECASE)
_CAMEL_ID = re.compile(r"[a-z](ID|Id|No|Nr|Key|UUID)$")


def check_identifiers(dataset: Dataset) -> CheckResult:
    """Look for features that number the rows or name them."""
    found = find_identifiers(dataset)
    left_out = [c.name for c in inputs(dataset) if c.kind is Kind.IDENTIFIER and c.role != "feature"]
    features = {c.name for c in dataset.schema.features}
    findings = [_finding(name, why) for name, why in found if name in features]
    saw = f"Looked at {len(features)} feature columns for values that differ in every row"
    saw += f"; identifiers left out already: {', '.join(left_out)}." if left_out else "."
    return plain_result(NAME, "data", saw, findings)


def find_identifiers(dataset: Dataset) -> tuple[tuple[str, str], ...]:
    """Columns (of any role) that identify rows, each with the reason."""
    rows = sample(dataset, ROWS)
    if len(rows) < MIN_ROWS:
        return ()
    found = ((c.name, _identifies(c, rows.frame[c.name])) for c in inputs(dataset))
    return tuple((name, why) for name, why in found if why)


def _identifies(column: Column, values: "pd.Series") -> str:
    """Why the column identifies rows; empty when it does not."""
    import numpy as np

    present = values.dropna()
    if column.kind in (Kind.DATETIME, Kind.CONSTANT, Kind.BOOLEAN, *OPAQUE) or len(present) < MIN_ROWS:
        return ""
    distinct = present.nunique() / len(present)
    if distinct < UNIQUE:
        return ""
    named = bool(_ID_NAME.search(column.name) or _CAMEL_ID.search(column.name))
    x = time_numbers(present)
    if np.all(np.isfinite(x)):
        if not np.all(x == np.floor(x)) or distinct < 1.0:
            return ""
        counts = len(values) == len(present) and bool(np.all(np.diff(x) > 0))  # rows are in file order
        if counts:
            return f"counts the rows up ({int(x[0])}, {int(x[1])}, ... {int(x[-1])})"
        return "another whole number in every row, and named like a key" if named else ""
    spaced = present.head(1000).str.contains(r"\s", regex=True).mean()
    if spaced < 0.5 or named or column.kind is Kind.IDENTIFIER:  # words in a row are a text, not a key
        return f"{distinct:.1%} of its values occur once"
    return ""


def _finding(column: str, why: str) -> Finding:
    return Finding(
        code="data.identifier_feature",
        severity=Severity.WARNING,
        where=column,
        what=f"is an identifier used as a feature: {why}",
        why="What a model learns of it holds for the rows it has seen and no others.",
        fix=f"Add {column} to data.columns.ignore",
    )
