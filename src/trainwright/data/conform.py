"""New rows for a trained model: the same columns, the same kinds, what differs counted."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding, Severity
from trainwright.data.canonical import canonical_column
from trainwright.data.dataset import Column, Kind, Schema, Target
from trainwright.data.parts import changes

if TYPE_CHECKING:
    import pandas as pd

UNSEEN = "data.unseen_categories"
_MOST_NAMED = 10  # in a message: more are not read


def conform(frame: "pd.DataFrame", schema: Schema, target: Target) -> "tuple[pd.DataFrame, tuple[Finding, ...]]":
    """A raw frame to the canonical frame that `Features.transform` takes, in schema order, rows in order.

    The target, the weight and ignored columns may be absent. Values of another kind become missing and unseen
    categories stay as they are (features treat them as unknown); both are counted.

    Raises:
        DataRefused: feature columns are missing; the message names them, the first ten of many.
    """
    import pandas as pd

    here = {str(name) for name in frame.columns}
    missing = [c.name for c in schema.features if c.name not in here]
    if missing:
        raise DataRefused(
            f"the {len(schema.features)} feature columns of training are required, and {len(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing: {_named(missing)}. Add them (empty cells are allowed)."
        )
    findings: list[Finding] = []
    extra = sorted(here - {c.name for c in schema.columns})
    if extra:
        plural = f"{len(extra)} columns were" if len(extra) > 1 else "1 column was"
        findings.append(_note("data.extra_columns", "rows", f"{plural} ignored: {_named(extra)}"))
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


def check_agreement(frame: "pd.DataFrame", made: "pd.DataFrame", schema: Schema) -> tuple[Finding, ...]:
    """Whether a raw frame agrees with training: ``made`` is what `conform` made of it. Another order is only told.

    Raises:
        DataRefused: columns whose values could not be read at all, in half of the rows or more; the message names them.
    """
    wrong = []
    for column in schema.features:
        given = frame[column.name].reset_index(drop=True).dropna()
        if 2 * len(given) >= len(frame) and len(given) and made[column.name][given.index].isna().all():
            wrong.append(f"{column.name} (must be {column.kind.value}, got for example {str(given.iloc[0])!r:.40})")
    if wrong:
        raise DataRefused(
            f"columns must hold what they held in training, and nothing in these can be read so: {', '.join(wrong)}. "
            "Give them the same form, or leave the cells empty."
        )
    known = [c.name for c in schema.features]
    if [name for name in map(str, frame.columns) if name in set(known)] == known:
        return ()
    return (_note("data.reordered", "rows", "the columns come in another order, and were matched by name"),)


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
    return [unseen_finding(column.name, len(new), len(values), [str(v) for v in new.unique()[:20]])]


def unseen_finding(column: str, count: int, rows: int, examples: Sequence[str]) -> Finding:
    """So many of the values of a column were not among those of training."""
    shown = ", ".join(repr(v) for v in examples[:5])
    return Finding(
        code=UNSEEN,
        severity=Severity.WARNING,
        where=column,
        what=f"{count} of {rows} values were never seen in training ({shown})",
        why="The model treats them as unknown.",
        evidence={"values": count, "rows": rows, "examples": list(examples)},
    )


def _named(names: Sequence[str]) -> str:
    """``a, b, c``; of more than `_MOST_NAMED` the first, and how many more."""
    shown = ", ".join(names[:_MOST_NAMED])
    return f"{shown} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else shown


def _note(code: str, where: str, what: str) -> Finding:
    return Finding(code=code, severity=Severity.INFO, where=where, what=what)
