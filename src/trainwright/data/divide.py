"""Put the split to work: which rows of which table make which part, and the schema that training rows show."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding, Severity
from trainwright.core.seeds import Seeds
from trainwright.data.canonical import column_hashes, row_hashes, time_numbers, to_datetimes, to_text
from trainwright.data.dataset import Column, Kind, Schema, SplitFacts, Target
from trainwright.data.kinds import infer_column, looks_like_identifier
from trainwright.data.named import Named
from trainwright.data.parts import PartRows, Source
from trainwright.data.split import SplitInputs, make_split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from trainwright.spec.models import Data

_MERGING = ("random", "stratified")


@dataclass(frozen=True, slots=True)
class _Division:
    rows: Mapping[str, PartRows]
    facts: SplitFacts
    findings: tuple[Finding, ...]


def divide(
    sources: Mapping[str, Source], data: "Data", named: Named, target: Target, seeds: Seeds
) -> tuple[Schema, dict[str, PartRows], SplitFacts, list[Finding]]:
    """Split the training table into the parts that no file gives, and infer the schema from training rows.

    Equal rows are found over the feature columns, which depend on the training rows, which depend on the split: a first
    guess is corrected once where it was wrong.

    Raises:
        DataRefused: a part would be empty.
    """
    frame = sources["train"].frame
    guess = [str(c) for c in frame.columns if named.role(str(c)) == "feature" and not _id_like(frame[c], named)]
    division = _divide(sources, data, named, target, seeds, guess)
    schema = _schema(frame, division.rows["train"].positions, named, target)
    features = [c.name for c in schema.features]
    constant = {c.name for c in schema.columns if c.kind is Kind.CONSTANT}  # a constant makes no row different
    if (
        features != [name for name in guess if name not in constant]
        and division.facts.strategy in _MERGING
        and _together(data)
    ):
        division = _divide(sources, data, named, target, seeds, features)
        schema = _schema(frame, division.rows["train"].positions, named, target)
    rows, findings = _without_unseen_classes(division.rows, sources, target)
    sizes = {part: len(one.positions) for part, one in rows.items()}
    facts = SplitFacts(
        strategy=division.facts.strategy, column=division.facts.column, sizes=sizes, why=division.facts.why
    )
    return schema, rows, facts, [*division.findings, *findings]


def _id_like(values: "pd.Series", named: Named) -> bool:
    decided = {*named.kinds, *named.known}
    return str(values.name) not in decided and looks_like_identifier(values)


def _together(data: "Data") -> bool:
    return data.holdout is not None and data.holdout.duplicates == "together"


def _divide(
    sources: Mapping[str, Source], data: "Data", named: Named, target: Target, seeds: Seeds, compared: list[str]
) -> _Division:
    train = sources["train"]
    given = {part: PartRows(part, source.kept) for part, source in sources.items() if part != "train"}
    holdout = data.holdout
    fractions: dict[str, float] = {}
    if holdout is not None:
        wanted = {"test": holdout.test, "val": holdout.val}
        fractions = {part: share for part, share in wanted.items() if share > 0 and part not in sources}
    if "val" not in sources and "val" not in fractions:
        raise DataRefused("validation rows are required. Give data.val_path or data.split.val above 0.")
    if not fractions or holdout is None:
        facts = SplitFacts(strategy="given", column=None, sizes={}, why="the spec names a file for each part")
        return _Division({"train": PartRows("train", train.kept), **given}, facts, ())
    inputs = _inputs(train, named, target, compared if holdout.duplicates == "together" else None, holdout.strategy)
    result = make_split(inputs, fractions, strategy=holdout.strategy, seeds=seeds)
    column = {"group": named.group, "time": named.time}.get(result.strategy)
    facts = SplitFacts(strategy=result.strategy, column=column, sizes={}, why=result.why)
    rows = {part: PartRows("train", train.kept[at]) for part, at in result.parts.items()}
    order = [part for part in ("train", "val", "test") if part in rows or part in given]
    return _Division({part: rows[part] if part in rows else given[part] for part in order}, facts, result.findings)


def _inputs(train: Source, named: Named, target: Target, compared: list[str] | None, strategy: str) -> SplitInputs:
    kept, frame = train.kept, train.frame
    merging = strategy in _MERGING or (strategy == "auto" and named.group is None and named.time is None)
    return SplitInputs(
        rows=len(kept),
        classes=train.y[kept].astype("int64") if target.task.is_classification else None,
        groups=None if named.group is None else _group_keys(frame[named.group])[kept],
        times=None if named.time is None else _times(frame[named.time])[kept],
        duplicates=row_hashes(frame, compared)[kept] if compared and merging else None,
        class_names=target.classes,
    )


def _group_keys(values: "pd.Series") -> "np.ndarray":
    """A key per group; a row without a group is a group of its own."""
    import numpy as np

    keys = column_hashes(values).copy()
    missing = np.flatnonzero(values.isna().to_numpy())
    keys[missing] = np.arange(len(missing), dtype="uint64") + np.uint64(1)
    return keys


def _times(values: "pd.Series") -> "np.ndarray":
    if values.dtype.kind in "iufM":
        return time_numbers(values)
    column = infer_column(values, role="time", forced=Kind.DATETIME)
    moments = to_datetimes(values, column.format)
    unread = int((moments.isna() & to_text(values).notna()).sum())
    if unread:
        raise DataRefused(
            f"the time column {values.name!r} must hold dates, times or numbers, and {unread} cells cannot be read, "
            f"for example {values[moments.isna()].dropna().iloc[0]!r}. Write them as 2026-01-31 or 2026-01-31 07:00."
        )
    return time_numbers(moments)


def _schema(frame: "pd.DataFrame", positions: "np.ndarray", named: Named, target: Target) -> Schema:
    return Schema(columns=tuple(_column(frame[name], positions, named, target) for name in frame.columns))


def _column(values: "pd.Series", positions: "np.ndarray", named: Named, target: Target) -> Column:
    name = str(values.name)
    if name in named.known and name != named.target:
        seen = values.iloc[positions]
        return dataclasses.replace(named.known[name], missing=int(seen.isna().sum()), distinct=int(seen.nunique()))
    role, forced = named.role(name), named.kinds.get(name)
    if role == "target":
        forced = Kind.CATEGORICAL if target.task.is_classification else Kind.NUMERIC
    elif role == "weight":
        forced = Kind.NUMERIC
    elif role == "time":
        forced = Kind.NUMERIC if values.dtype.kind in "iuf" else Kind.DATETIME
    column = infer_column(values.iloc[positions], role=role, forced=forced)
    reasons = {
        "target": "the target",
        "weight": "named as the weight",
        "group": "named as the group: it decides which rows stay together, and is not a feature",
        "time": "named as the time: it orders the rows, and is not a feature",
        "ignored": "named in data.columns.ignore" if name in named.ignored else column.why,
    }
    return dataclasses.replace(column, why=reasons.get(role, column.why))


def _without_unseen_classes(
    rows: Mapping[str, PartRows], sources: Mapping[str, Source], target: Target
) -> tuple[dict[str, PartRows], list[Finding]]:
    """Leave out held-out rows of a class that no training row has: there is nothing to compare a prediction with."""
    import numpy as np

    if not target.task.is_classification:
        return dict(rows), []
    known = np.unique(sources["train"].y[rows["train"].positions])
    if len(known) < 2:
        raise DataRefused(
            f"training needs two classes of {target.name!r} at least, and its part of the split has one. "
            "Use another split strategy, or more rows."
        )
    result: dict[str, PartRows] = {}
    findings: list[Finding] = []
    for part, one in rows.items():
        source = sources[one.source]
        seen = np.isin(source.y[one.positions], known)
        result[part] = PartRows(one.source, one.positions[seen])
        if not seen.any():
            raise DataRefused(f"the {part} rows hold no class of {target.name!r} that training has.")
        if not seen.all():
            unseen = _labels(source, named=one.positions[~seen], target=target)
            findings.append(_unseen(part, int((~seen).sum()), len(seen), unseen, target.name))
    return result, findings


def _labels(source: Source, named: "np.ndarray", target: Target) -> list[str]:
    return sorted(set(to_text(source.frame[target.name].iloc[named]).tolist()))


def _unseen(part: str, count: int, total: int, labels: list[str], name: str) -> Finding:
    return Finding(
        code="data.class_unseen",
        severity=Severity.WARNING,
        where=name,
        what=f"{count} of {total} {part} rows were left out, of classes no training row has ({', '.join(labels[:10])})",
        why="No model can predict a class it never saw, so metrics there do not count these rows.",
        fix="Give training rows of these classes, or merge them with others.",
        evidence={"rows": count, "classes": labels[:50], "part": part},
    )
