"""New rows for a trained model: the same columns, the same kinds, what differs counted."""

from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding, Severity
from trainwright.data.canonical import canonical_column
from trainwright.data.dataset import Column, Kind, Schema, Target
from trainwright.data.parts import changes

if TYPE_CHECKING:
    import pandas as pd


def conform(frame: "pd.DataFrame", schema: Schema, target: Target) -> "tuple[pd.DataFrame, tuple[Finding, ...]]":
    """A raw frame to the canonical frame that `Features.transform` takes, in schema order, rows in order.

    The target, the weight and ignored columns may be absent. Values of another kind become missing and unseen
    categories stay as they are (features treat them as unknown); both are counted.

    Raises:
        DataRefused: feature columns are missing; the message names all of them.
    """
    import pandas as pd

    here = {str(name) for name in frame.columns}
    missing = [c.name for c in schema.features if c.name not in here]
    if missing:
        raise DataRefused(
            f"the {len(schema.features)} feature columns of training are required, and {len(missing)} are "
            f"missing: {', '.join(missing)}. Add them (empty cells are allowed)."
        )
    findings: list[Finding] = []
    extra = sorted(here - {c.name for c in schema.columns})
    if extra:
        findings.append(
            _note("data.extra_columns", "rows", f"{len(extra)} columns were ignored: {', '.join(extra[:20])}")
        )
    made: dict[str, pd.Series] = {}
    for column in schema.columns:
        if column.role in ("target", "weight") or column.name not in here:
            continue
        raw = frame[column.name].reset_index(drop=True)
        values = _as_spelled(raw, column) if column.kind is Kind.CATEGORICAL else canonical_column(raw, column)
        if column.role == "feature":
            findings += changes(raw, values, column, "given")
            findings += _unseen(values, column)
        made[column.name] = values
    return pd.DataFrame(made, index=pd.RangeIndex(len(frame)), copy=False), tuple(findings)


def _as_spelled(raw: "pd.Series", column: Column) -> "pd.Series":
    """Text as training spelled it: a file of only numbers reads 250 where the training file says "250.00"."""
    text = canonical_column(raw, column)
    if raw.dtype.kind not in "iuf":
        return text
    spelled: dict[str, str] = {}
    for category in column.categories:
        try:
            plain = canonical_column(_one_number(category), column).iloc[0]
        except ValueError:
            continue
        if plain not in column.categories:
            spelled.setdefault(plain, category)
    return text.replace(spelled) if spelled else text


def _one_number(text: str) -> "pd.Series":
    import pandas as pd

    return pd.Series([float(text)])


def _unseen(values: "pd.Series", column: Column) -> list[Finding]:
    if column.kind not in (Kind.CATEGORICAL, Kind.BOOLEAN):
        return []
    new = values[values.notna() & ~values.isin(column.categories)]
    if new.empty:
        return []
    shown = ", ".join(repr(v) for v in new.unique()[:5])
    return [
        Finding(
            code="data.unseen_categories",
            severity=Severity.WARNING,
            where=column.name,
            what=f"{len(new)} of {len(values)} values were never seen in training ({shown})",
            why="The model treats them as unknown.",
            evidence={"values": len(new), "rows": len(values), "examples": [str(v) for v in new.unique()[:20]]},
        )
    ]


def _note(code: str, where: str, what: str) -> Finding:
    return Finding(code=code, severity=Severity.INFO, where=where, what=what)
