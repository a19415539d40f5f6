"""Canonical parts out of raw tables, and the seal on the test part."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding, Severity
from trainwright.data.canonical import canonical_column, column_hashes, row_hashes, time_numbers, to_numbers
from trainwright.data.dataset import Column, Kind, Part, Schema, SealedTest
from trainwright.data.named import Named

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A given table with its target: ``y`` is float64 (value or class code, NaN without one), ``kept`` the positions
    that have a target, ``first_row`` the id of its first row."""

    frame: "pd.DataFrame"
    first_row: int
    y: "np.ndarray"
    kept: "np.ndarray"


@dataclass(frozen=True, slots=True)
class PartRows:
    """Rows of one part: positions in one source."""

    source: str
    positions: "np.ndarray"


def make_parts(
    sources: Mapping[str, Source], rows: Mapping[str, PartRows], schema: Schema, named: Named
) -> tuple[dict[str, Part], dict[str, list[Finding]], list[Finding]]:
    """Build every part column by column, emptying the sources on the way: the peak stays near two tables.

    Returns the parts, what differs from the schema by part, and the other findings.

    Raises:
        DataRefused: a given table lacks a column, or a weight is not above zero.
    """
    import pandas as pd

    findings = _missing_and_extra(sources, schema)
    drift: dict[str, list[Finding]] = {part: [] for part in rows}
    columns: dict[str, dict[str, pd.Series]] = {part: {} for part in rows}
    weights: dict[str, np.ndarray | None] = dict.fromkeys(rows)
    for column in schema.columns:
        taken = {name: s.frame.pop(column.name) for name, s in sources.items() if column.name in s.frame.columns}
        for part, one in rows.items():
            if column.role == "target" or one.source not in taken:
                continue
            raw = taken[one.source].iloc[one.positions].reset_index(drop=True)
            values = canonical_column(raw, column)
            if column.role == "weight":
                weights[part] = _weights(values, part)
                continue
            drift[part] += changes(raw, values, column, part)
            columns[part][column.name] = values
    parts = {
        part: _part(part, one, sources[one.source], columns.pop(part), weights[part], schema, named)
        for part, one in rows.items()
    }
    return parts, drift, findings + drift.pop("train")


def seal(part: Part, schema: Schema, named: Named, differences: list[Finding]) -> SealedTest:
    """Close the test part; what leak checks need is computed now and stays readable."""
    import numpy as np

    times = None
    if named.time is not None and len(part):
        moments = time_numbers(part.frame[named.time])
        times = (float(np.nanmin(moments)), float(np.nanmax(moments))) if not np.isnan(moments).all() else None
    return SealedTest(
        num_rows=len(part),
        row_hashes=row_hashes(part.frame, [c.name for c in schema.features]),
        group_hashes=None if named.group is None else column_hashes(part.frame[named.group]),
        time_range=times,
        schema_differences=tuple(differences),
        _part=part,
    )


def changes(raw: "pd.Series", values: "pd.Series", column: Column, part: str) -> list[Finding]:
    """What the canonical form could not keep: cells that became missing, and infinities."""
    import numpy as np

    findings: list[Finding] = []
    if raw.dtype.kind == "f":
        infinite = int(np.isinf(raw.to_numpy()).sum())
        if infinite:
            findings.append(_infinite(column.name, part, infinite, len(raw)))
        return findings
    lost = int((values.isna() & raw.notna()).sum()) if column.kind in (Kind.NUMERIC, Kind.DATETIME) else 0
    if lost:
        bad = raw[(values.isna() & raw.notna()).to_numpy()]
        findings.append(_unreadable(column, part, lost, len(raw), [str(v) for v in bad.unique()[:3]]))
    return findings


def _part(
    part: str,
    one: PartRows,
    source: Source,
    columns: "dict[str, pd.Series]",
    weight: "np.ndarray | None",
    schema: Schema,
    named: Named,
) -> Part:
    import pandas as pd

    y = source.y[one.positions]
    classes = schema[named.target].kind is not Kind.NUMERIC
    return Part(
        name=part,
        rows=one.positions.astype("int64") + source.first_row,
        frame=pd.DataFrame(columns, index=pd.RangeIndex(len(y)), copy=False),
        y=y.astype("int64") if classes else y,
        weight=weight,
    )


def _weights(values: "pd.Series", part: str) -> "np.ndarray":
    import numpy as np

    weights = to_numbers(values).to_numpy()
    bad = np.flatnonzero(~(weights > 0))
    if len(bad):
        raise DataRefused(
            f"the weight column {values.name!r} must be above zero in every row, and {len(bad)} {part} rows are not "
            f"(first: {bad[0]}, value {weights[bad[0]]:g}). Drop these rows, or give them a weight."
        )
    return weights


def _missing_and_extra(sources: Mapping[str, Source], schema: Schema) -> list[Finding]:
    findings: list[Finding] = []
    known = [c.name for c in schema.columns]
    for name, source in sources.items():
        here = [str(c) for c in source.frame.columns]
        missing = [c.name for c in schema.columns if c.role != "ignored" and c.name not in here]
        if missing:
            raise DataRefused(
                f"the {name} table must have the columns of the training table, and {len(missing)} are missing: "
                f"{', '.join(missing[:20])}."
            )
        extra = [c for c in here if c not in known]
        if extra:
            findings.append(
                Finding(
                    code="data.extra_columns",
                    severity=Severity.WARNING,
                    where=name,
                    what=f"{len(extra)} columns that training does not have were left out: {', '.join(extra[:20])}",
                    evidence={"columns": extra[:100]},
                )
            )
    return findings


def _infinite(name: str, part: str, count: int, total: int) -> Finding:
    return Finding(
        code="data.infinite",
        severity=Severity.WARNING,
        where=name,
        what=f"{count} of {total} {part} values are infinite and are treated as missing",
        why="No model here can use an infinite number.",
        evidence={"values": count, "rows": total, "part": part},
    )


def _unreadable(column: Column, part: str, count: int, total: int, examples: list[str]) -> Finding:
    what = "numbers" if column.kind is Kind.NUMERIC else "dates"
    return Finding(
        code="data.kind_differs",
        severity=Severity.WARNING,
        where=column.name,
        what=f"{count} of {total} {part} values are not {what} and became missing ({', '.join(map(repr, examples))})",
        why=f"The column is {column.kind.value}: {column.why}.",
        fix="Correct the cells, or name the column under another kind in data.columns.",
        evidence={"values": count, "rows": total, "part": part, "examples": examples},
    )
