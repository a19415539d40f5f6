"""What the spec says about columns, checked against the columns there are."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainwright.core.errors import SpecError
from trainwright.data.dataset import Column, Kind, Role

if TYPE_CHECKING:
    from trainwright.spec.models import Data, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Roles and kinds given by the user. ``value`` is the text of ``column == value``, or None.

    ``known`` are columns that the reader made and knows (those of images).
    """

    target: str
    expression: str
    value: str | None
    group: str | None
    time: str | None
    weight: str | None
    ignored: frozenset[str]
    kinds: Mapping[str, Kind]
    known: Mapping[str, Column] = field(default_factory=dict)

    def role(self, column: str) -> Role:
        """The role of a column before its values are looked at."""
        roles: dict[str | None, Role] = {self.group: "group", self.time: "time", self.weight: "weight"}
        if column == self.target:
            return "target"
        if column in self.known:
            return self.known[column].role
        return roles.get(column, "ignored" if column in self.ignored else "feature")


def named_columns(data: "Data", columns: Sequence[str], known: Mapping[str, Column] | None = None) -> Named:
    """Read the target and the column lists of the spec; ``known`` are columns that the reader made.

    Raises:
        SpecError: no target, columns that do not exist (all of them, with the nearest), or two roles for one column.
    """
    from trainwright.spec.target import parse_target

    if data.target is None:
        raise SpecError("data.target is required: the name of the column to predict.")
    try:
        expression = parse_target(data.target)
    except ValueError as error:
        raise SpecError(f"data.target: {error}") from error
    group, time = _split_columns(data)
    kinds = _kinds(data)
    wanted = [("data.target", expression.column), *_all_named(data, group, time)]
    places = [
        (path, f"there is no column {name!r}.{_nearest(name, columns)}") for path, name in wanted if name not in columns
    ]
    if places:
        raise SpecError("\n".join(f"{path}: {what}" for path, what in places), places=places)
    named = Named(
        target=expression.column,
        expression=data.target,
        value=_spell(expression.value) if expression.is_comparison else None,
        group=group,
        time=time,
        weight=data.columns.weight,
        ignored=frozenset(data.columns.ignore),
        kinds=kinds,
        known=known or {},
    )
    _refuse_two_roles(named)
    return named


def read_as_text(data: "Data") -> tuple[str, ...]:
    """Columns whose spelling matters even where it looks like a number."""
    return (*data.columns.categorical, *data.columns.text)


def _split_columns(data: "Data") -> tuple[str | None, str | None]:
    group, time = data.columns.group, data.columns.time
    split: Split | None = data.split
    if split is None or split.column is None:
        return group, time
    if split.strategy == "group":
        return split.column, time
    if split.strategy == "time":
        return group, split.column
    raise SpecError(f"split.column has no effect with strategy: {split.strategy}. Write strategy: group or time.")


def _kinds(data: "Data") -> dict[str, Kind]:
    columns = data.columns
    lists = {
        Kind.NUMERIC: columns.numeric,
        Kind.CATEGORICAL: columns.categorical,
        Kind.BOOLEAN: columns.boolean,
        Kind.DATETIME: columns.datetime,
        Kind.TEXT: columns.text,
    }
    kinds: dict[str, Kind] = {}
    for kind, names in lists.items():
        for name in names:
            if name in kinds and kinds[name] is not kind:
                raise SpecError(
                    f"data.columns: {name!r} is named as {kinds[name].value} and as {kind.value}. Keep one."
                )
            kinds[name] = kind
    return kinds


def _all_named(data: "Data", group: str | None, time: str | None) -> list[tuple[str, str]]:
    columns = data.columns
    lists: dict[str, tuple[str | None, ...]] = {
        "ignore": columns.ignore,
        **{kind.value: tuple(n for n, k in _kinds(data).items() if k is kind) for kind in Kind},
        "group": (group,),
        "time": (time,),
        "weight": (columns.weight,),
    }
    return [(f"data.columns.{key}", name) for key, names in lists.items() for name in names if name is not None]


def _refuse_two_roles(named: Named) -> None:
    roles = {"group": named.group, "time": named.time, "weight": named.weight}
    for role, column in roles.items():
        if column == named.target:
            raise SpecError(f"data.columns.{role}: {column!r} is the target and cannot be the {role} too.")
    if named.target in named.ignored:
        raise SpecError(f"data.columns.ignore: {named.target!r} is the target. Remove it from the list.")


def _nearest(name: str, columns: Sequence[str]) -> str:
    by_lower = {c.lower(): c for c in columns}
    close = [by_lower[m] for m in difflib.get_close_matches(name.lower(), list(by_lower), n=3)]
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    shown = ", ".join(columns[:20]) + (", ..." if len(columns) > 20 else "")
    return f"{hint} Columns: {shown}."


def _spell(value: object) -> str:
    from trainwright.data.canonical import spell_number

    if isinstance(value, bool):
        return "true" if value else "false"
    return spell_number(float(value)) if isinstance(value, int | float) else str(value).strip()
