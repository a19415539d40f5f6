"""What ``data/profile.json`` says about the parts of the split: columns that moved, groups with few rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from trainwright.core.drift import Drift, compare_counts
from trainwright.core.jsonable import JsonValue
from trainwright.report.facts import Facts
from trainwright.report.reading import items, mapping, objects, text, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A column whose rows of a part are distributed otherwise than its training rows."""

    column: str
    part: str
    drift: Drift


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows of one value of a column in the held-out part."""

    column: str
    value: str
    rows: int


def compared_parts(facts: Facts) -> tuple[str, ...]:
    """Parts that have enough rows to be compared with training, where the run kept counts."""
    found = []
    for part in ("val", "test"):
        counts = [_counts(c, part) for c in objects(facts.profile.get("columns"))]
        if any(count and compare_counts(count, count).verdict != "not checked" for count in counts):
            found.append(part)
    return tuple(found)


def moved_columns(facts: Facts) -> tuple[Moved, ...]:
    """Columns that moved between training and another part, the most first."""
    columns = objects(facts.profile.get("columns"))
    found = []
    for column in columns:
        for part in ("val", "test"):
            before, now = _counts(column, "train"), _counts(column, part)
            if not before or len(before) != len(now):
                continue
            drift = compare_counts(before, now, columns=len(columns))
            if drift.verdict in ("moderate", "large"):
                found.append(Moved(column=text(column.get("name")), part=part, drift=drift))
    return tuple(sorted(found, key=lambda one: (-one.drift.psi, one.column, one.part)))


def small_groups(facts: Facts, columns: tuple[str, ...], *, fewer_than: int) -> tuple[Group, ...]:
    """Values of these columns with few held-out rows (but some in training), fewest first."""
    found = []
    for column in objects(facts.profile.get("columns")):
        name = text(column.get("name"))
        values = [text(v) for v in items(column.get("categories"))]
        held = next((c for part in ("test", "val") if (c := _counts(column, part))), [])
        if name in columns and len(held) >= len(values):
            few = (Group(column=name, value=v, rows=n) for v, n in zip(values, held, strict=False) if n < fewer_than)
            found += list(few)
    return tuple(sorted(found, key=lambda g: (g.rows, g.column, g.value)))


def named_columns(facts: Facts) -> tuple[str, ...]:
    """Columns with categories, by which rows can be grouped."""
    return tuple(text(c.get("name")) for c in objects(facts.profile.get("columns")) if items(c.get("categories")))


def _counts(column: Mapping[str, JsonValue], part: str) -> list[int]:
    return [whole(v) or 0 for v in items(mapping(column.get("counts")).get(part))]
