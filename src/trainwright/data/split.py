"""Which rows train, which validate, which test. Deterministic in the seed and the values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding, Severity
from trainwright.core.seeds import Seeds

if TYPE_CHECKING:
    import numpy as np

_BIG_SHARE = 0.5  # a unit of more than half of the smallest part cannot be placed by chance without distorting sizes
_LEFT_FOR_TRAINING = 1 / 3  # assumption: of what is left beside big units, this share of each class stays in training
_SIZE_TOLERANCE = 0.2  # assumption: a part that misses its size by more than a fifth is worth a word
_COARSE = 0.05  # assumption: with fewer different rows than this share, features are coarse and equality is chance


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitInputs:
    """What splitting may look at; every array has one entry a row.

    ``classes``: int64 codes, or None for regression. ``groups``: uint64 or int64 keys. ``times``: float64 seconds or
    any number that orders the rows, NaN where unknown. ``duplicates``: equal keys for equal rows, or None to let them
    fall anywhere.
    """

    rows: int
    classes: "np.ndarray | None" = None
    groups: "np.ndarray | None" = None
    times: "np.ndarray | None" = None
    duplicates: "np.ndarray | None" = None
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """Positions of each part's rows, ascending (by time in a time split is by position too), and what was noticed."""

    parts: "Mapping[str, np.ndarray]"
    strategy: str
    why: str
    findings: tuple[Finding, ...] = field(default=())


def make_split(inputs: SplitInputs, fractions: Mapping[str, float], *, strategy: str, seeds: Seeds) -> SplitResult:
    """Split rows into ``train`` and the parts named in ``fractions`` (``{"test": 0.2, "val": 0.2}``).

    ``auto`` takes groups if given, else times if given, else stratifies classes, else draws at random. Whole groups,
    and with ``duplicates`` equal rows, stay on one side; a time split puts the latest rows into ``test`` and those
    before them into ``val``, ties on one side.

    Raises:
        DataRefused: a part would stay empty.
    """
    chosen, why = _choose(inputs, strategy)
    if chosen == "time":
        parts, findings = _by_time(inputs, fractions)
    else:
        parts, findings = _by_units(inputs, fractions, chosen, seeds)
    _refuse_empty(parts, inputs, chosen)
    findings += _size_findings(parts, fractions, inputs.rows)
    return SplitResult(parts=parts, strategy=chosen, why=why, findings=tuple(findings))


def _choose(inputs: SplitInputs, strategy: str) -> tuple[str, str]:
    if strategy == "group" and inputs.groups is None:
        raise DataRefused("a group split needs a column. Name it in split.column or data.columns.group.")
    if strategy == "time" and inputs.times is None:
        raise DataRefused("a time split needs a column. Name it in split.column or data.columns.time.")
    if strategy == "stratified" and inputs.classes is None:
        raise DataRefused("a stratified split needs classes, and the task is regression. Write strategy: random.")
    if strategy != "auto":
        return strategy, f"the spec says {strategy}"
    if inputs.groups is not None:
        return "group", "a group column is named, and rows of a group must stay together"
    if inputs.times is not None:
        return "time", "a time column is named, and the future must not teach the past"
    if inputs.classes is not None:
        return "stratified", "the target has classes"
    return "random", "the target is a number"


def units_of(keys: "np.ndarray | None", rows: int) -> "tuple[np.ndarray, np.ndarray]":
    """Number the units (rows that must stay together) by first appearance: the unit of every row, the size of each."""
    import numpy as np
    import pandas as pd

    if keys is None:
        return np.arange(rows), np.ones(rows, dtype="int64")
    codes, _ = pd.factorize(keys)
    return codes, np.bincount(codes)


def strata_of(inputs: SplitInputs, units: "np.ndarray", count: int, *, stratify: bool) -> "np.ndarray":
    """The stratum of every unit: the rarest class among its rows, so that rare classes are spread out first."""
    import numpy as np

    if not stratify or inputs.classes is None:
        return np.zeros(count, dtype="int64")
    totals = np.bincount(inputs.classes)
    by_rarity = np.argsort(np.argsort(totals, kind="stable"), kind="stable")
    rarest = np.full(count, len(totals), dtype="int64")
    np.minimum.at(rarest, units, by_rarity[inputs.classes])
    stratum: np.ndarray = np.argsort(totals, kind="stable")[rarest]
    return stratum


def _by_units(
    inputs: SplitInputs, fractions: Mapping[str, float], strategy: str, seeds: Seeds
) -> "tuple[dict[str, np.ndarray], list[Finding]]":
    import numpy as np

    keys = inputs.groups if strategy == "group" else inputs.duplicates
    units, sizes = units_of(keys, inputs.rows)
    coarse = strategy != "group" and len(sizes) < _COARSE * inputs.rows
    if coarse:
        units, sizes = units_of(None, inputs.rows)
    stratum = strata_of(inputs, units, len(sizes), stratify=strategy in ("stratified", "group"))
    names = [name for name, share in fractions.items() if share > 0]
    part_of = np.full(len(sizes), len(names), dtype="int8")  # len(names) is train
    generator = seeds.generator("split")
    rare: list[int] = []
    for value in np.unique(stratum):
        members = np.flatnonzero(stratum == value)
        if len(members) <= len(names):
            rare.append(int(value))
            continue
        shuffled = members[generator.permutation(len(members))]
        part_of[shuffled] = _fill(sizes[shuffled], [fractions[n] for n in names])
    of_row = part_of[units]
    parts = {"train": np.flatnonzero(of_row == len(names))}
    parts |= {name: np.flatnonzero(of_row == i) for i, name in enumerate(names)}
    findings = _rare_finding(inputs, rare)
    findings += _coarse_finding(inputs) if coarse else _duplicates_finding(inputs, strategy)
    return parts, findings


def _fill(sizes: "np.ndarray", shares: list[float]) -> "np.ndarray":
    """Cut shuffled units of one stratum into consecutive stretches, a stretch a part; big units go to training."""
    import numpy as np

    total, last = int(sizes.sum()), len(shares)
    wanted = np.array([share * total for share in shares])
    result = np.full(len(sizes), last, dtype="int8")
    small = np.flatnonzero(sizes <= max(1.0, _BIG_SHARE * wanted.min()))
    if len(small) <= last:
        small = np.argsort(sizes, kind="stable")[: max(last + 1, len(sizes) // 2)]
    left = sizes[small].sum()
    wanted = np.minimum(wanted, left * (1 - _LEFT_FOR_TRAINING) * wanted / wanted.sum())
    middle = np.cumsum(sizes[small]) - sizes[small] / 2
    result[small] = np.searchsorted(np.cumsum(wanted), middle, side="right")
    for part in range(last):  # every part gets a unit: there are more units than parts
        if not (result == part).any():
            donors = np.flatnonzero(result == last)
            result[donors[-1 - part] if len(donors) > part + 1 else donors[-1]] = part
    return result


def _by_time(inputs: SplitInputs, fractions: Mapping[str, float]) -> "tuple[dict[str, np.ndarray], list[Finding]]":
    import numpy as np

    assert inputs.times is not None
    known = np.flatnonzero(~np.isnan(inputs.times))
    if len(known) == 0:
        raise DataRefused("a time split needs times, and every row of the time column is missing.")
    order = known[np.argsort(inputs.times[known], kind="stable")]
    times = inputs.times[order]
    parts: dict[str, np.ndarray] = {}
    end = len(order)
    for name in ("test", "val"):
        share = fractions.get(name, 0.0)
        if share <= 0:
            continue
        wanted = max(0, round(end - share * len(order)))
        start = int(np.searchsorted(times, times[min(wanted, end - 1)], side="left"))  # ties stay together
        parts[name] = np.sort(order[start:end])
        end = start
    unknown = np.flatnonzero(np.isnan(inputs.times))
    parts["train"] = np.sort(np.concatenate([order[:end], unknown]))
    findings = []
    if len(unknown):
        findings.append(
            Finding(
                code="data.time_missing",
                severity=Severity.WARNING,
                where="split",
                what=f"{len(unknown)} rows without a time went to training",
                why="They cannot be ordered, and may come from the future of the held-out rows.",
                evidence={"rows": len(unknown), "first": unknown[:5].tolist()},
            )
        )
    return parts, findings


def _refuse_empty(parts: "Mapping[str, np.ndarray]", inputs: SplitInputs, strategy: str) -> None:
    empty = [name for name, rows in parts.items() if len(rows) == 0]
    if empty:
        of = {"group": "too few groups", "time": "too few different times"}.get(strategy, "too few different rows")
        raise DataRefused(
            f"every part of the split needs rows, and {', '.join(empty)} would have none: {of} in {inputs.rows} rows. "
            "Give more rows, fewer parts, or another strategy."
        )


def _rare_finding(inputs: SplitInputs, rare: list[int]) -> list[Finding]:
    if not rare or inputs.classes is None:
        return []
    import numpy as np

    totals = np.bincount(inputs.classes)
    names = [inputs.class_names[c] if c < len(inputs.class_names) else str(c) for c in rare]
    shown = ", ".join(f"{name} ({totals[c]} rows)" for name, c in zip(names, rare, strict=True))
    return [
        Finding(
            code="data.rare_class",
            severity=Severity.WARNING,
            where="split",
            what=f"classes too rare to be in every part went to training whole: {shown}",
            why="Validation and test say nothing about them.",
            fix="Give more rows of them, merge them with others, or leave them out.",
            evidence={"classes": {n: int(totals[c]) for n, c in zip(names, rare, strict=True)}},
        )
    ]


def _duplicates_finding(inputs: SplitInputs, strategy: str) -> list[Finding]:
    if inputs.duplicates is None or strategy == "group":
        return []
    _, sizes = units_of(inputs.duplicates, inputs.rows)
    repeated = int((sizes - 1).sum())
    if repeated == 0:
        return []
    return [
        Finding(
            code="data.duplicates_together",
            severity=Severity.WARNING if repeated > inputs.rows / 10 else Severity.INFO,  # assumption: a tenth is a lot
            where="split",
            what=f"{repeated} of {inputs.rows} rows repeat another row's features; equal rows were kept on one side",
            why="A row that was trained on is no test.",
            fix="write split.duplicates: keep to let them fall anywhere",
            evidence={"repeated": repeated, "rows": inputs.rows, "largest": int(sizes.max())},
        )
    ]


def _coarse_finding(inputs: SplitInputs) -> list[Finding]:
    _, sizes = units_of(inputs.duplicates, inputs.rows)
    return [
        Finding(
            code="data.duplicates_coarse",
            severity=Severity.INFO,
            where="split",
            what=f"the features take {len(sizes)} different values in {inputs.rows} rows; equal ones fall anywhere",
            why="So few values repeat by chance, and whole values could not be held out.",
            evidence={"distinct": len(sizes), "rows": inputs.rows},
        )
    ]


def _size_findings(parts: "Mapping[str, np.ndarray]", fractions: Mapping[str, float], rows: int) -> list[Finding]:
    off = {
        name: len(parts[name]) / rows
        for name, share in fractions.items()
        if share > 0 and abs(len(parts[name]) - share * rows) > max(1.0, _SIZE_TOLERANCE * share * rows)
    }
    if not off:
        return []
    shown = ", ".join(f"{name} has {share:.1%} instead of {fractions[name]:.1%}" for name, share in off.items())
    return [
        Finding(
            code="data.split_sizes",
            severity=Severity.INFO,
            where="split",
            what=f"the parts could not have the sizes asked for without dividing what belongs together: {shown}",
            evidence={"shares": off},
        )
    ]
