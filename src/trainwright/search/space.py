"""The space that is searched: ranges by parameter, which of them apply together, and their points."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from trainwright.core.jsonable import JsonValue, dumps
from trainwright.families.contract import Range

Space: TypeAlias = Mapping[str, Range]
Params: TypeAlias = Mapping[str, JsonValue]

GRID_LIMIT = 100_000  # assumption: nobody waits for more points, and a list of them is still small
_DIGITS = 6  # significant digits of a proposed number: enough for any parameter, short enough to read and retype


def read_space(written: Mapping[str, object]) -> dict[str, Range]:
    """``search_space`` as ranges, parents before what depends on them. What is written was found to be in order."""
    return in_order({name: _read(value) for name, value in written.items()})


def _read(value: object) -> Range:
    if isinstance(value, list | tuple):
        return Range(choices=tuple(value))
    known = cast(Mapping[str, object], value)
    when = cast(Mapping[str, object], known.get("when") or {})
    conditions = {k: tuple(v) if isinstance(v, list | tuple) else (cast(JsonValue, v),) for k, v in when.items()}
    if "choices" in known:
        return Range(choices=tuple(cast(Sequence[JsonValue], known["choices"])), when=conditions)
    step = known.get("step")
    return Range(
        low=float(cast(float, known["low"])),
        high=float(cast(float, known["high"])),
        log=bool(known.get("log", False)),
        integer=bool(known.get("int", False)),
        step=None if step is None else float(cast(float, step)),
        when=conditions,
    )


def in_order(space: Space) -> dict[str, Range]:
    """Parents first, otherwise as given.

    Raises:
        ValueError: conditions go in a circle; the message names the parameters.
    """
    ordered: dict[str, Range] = {}
    waiting = dict(space)
    while waiting:
        ready = [n for n, r in waiting.items() if not any(p in waiting for p in r.when)]
        if not ready:
            raise ValueError(f"the conditions of {', '.join(waiting)} go in a circle")
        for name in ready:
            ordered[name] = waiting.pop(name)
    return ordered


def applies(dimension: Range, params: Params, fixed: Params) -> bool:
    """Whether a dimension's condition holds, given the values chosen so far and the spec's fixed ones."""
    return all(
        any(_same(params.get(parent, fixed.get(parent)), value) for value in values)
        for parent, values in dimension.when.items()
    )


def _same(left: JsonValue, right: JsonValue) -> bool:
    return dumps(left) == dumps(right)


def holds(dimension: Range, value: JsonValue) -> bool:
    """Whether a value lies in a dimension."""
    if dimension.choices:
        return any(_same(value, choice) for choice in dimension.choices)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = ends(dimension)
    return low <= value <= high and (not dimension.integer or value == int(value))


def ends(dimension: Range) -> tuple[float, float]:
    """Lowest and highest value of a range of numbers; the highest lies on a step."""
    assert dimension.low is not None
    assert dimension.high is not None
    low, high, step = dimension.low, dimension.high, dimension.step
    if step is None:
        return low, high
    return low, float(f"{low + math.floor((high - low) / step + 1e-9) * step:.12g}")


def rounded(dimension: Range, value: JsonValue) -> JsonValue:
    """A proposed value as it is used and told: few digits, whole where it must be, never outside of its range."""
    if dimension.choices or not isinstance(value, int | float):
        return value
    if dimension.integer:
        return int(value)
    low, high = ends(dimension)
    return min(max(float(f"{float(value):.{_DIGITS}g}"), low), high)


def nearest(dimension: Range, value: JsonValue) -> JsonValue | None:
    """The point of a dimension nearest to a value: itself, the nearer end of a range; None where there is none."""
    if holds(dimension, value):
        return int(value) if dimension.integer and isinstance(value, int | float) else value
    if dimension.choices or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    low, high = ends(dimension)
    return rounded(dimension, min(max(float(value), low), high))


def middle(dimension: Range) -> JsonValue:
    """The middle of a range on its own scale, the first of choices."""
    if dimension.choices:
        return dimension.choices[0]
    low, high = ends(dimension)
    value = math.sqrt(low * high) if dimension.log else (low + high) / 2
    if dimension.step is not None:
        value = low + round((value - low) / dimension.step) * dimension.step
    return rounded(dimension, round(value) if dimension.integer else value)


def filled(space: Space, params: Params, fixed: Params) -> dict[str, JsonValue]:
    """A value for every dimension that applies: the given one, else the middle."""
    found: dict[str, JsonValue] = {}
    for name, dimension in space.items():
        if applies(dimension, found, fixed):
            found[name] = params.get(name, middle(dimension))
    return found


def points(dimension: Range) -> tuple[JsonValue, ...]:
    """The values of a dimension in a grid; whole numbers on a log scale double from step to step.

    Raises:
        ValueError: a range of real numbers has no step, so no finite list.
    """
    if dimension.choices:
        return dimension.choices
    low, high = ends(dimension)
    if dimension.integer and dimension.log:
        doubled = itertools.takewhile(lambda v: v < high, (int(low) * 2**i for i in itertools.count()))
        return (*doubled, int(high))
    step = dimension.step or (1.0 if dimension.integer else None)
    if step is None:
        raise ValueError("a grid needs a finite list of values: add a step, or write a list of choices")
    count = math.floor((high - low) / step + 1e-9) + 1
    return tuple(rounded(dimension, low + i * step) for i in range(min(count, GRID_LIMIT + 1)))


def grid(space: Space, fixed: Params) -> Iterator[dict[str, JsonValue]]:
    """Every combination, without those that differ only in parameters that do not apply."""
    names = list(space)

    def below(at: int, chosen: dict[str, JsonValue]) -> Iterator[dict[str, JsonValue]]:
        if at == len(names):
            yield chosen
        elif not applies(space[names[at]], chosen, fixed):
            yield from below(at + 1, chosen)
        else:
            for value in points(space[names[at]]):
                yield from below(at + 1, {**chosen, names[at]: value})

    yield from below(0, {})


def size(space: Space, fixed: Params) -> int | None:
    """Number of points of a finite space, at most ``GRID_LIMIT + 1``; None for an infinite one."""
    try:
        for dimension in space.values():
            points(dimension)
    except ValueError:
        return None
    return sum(1 for _ in itertools.islice(grid(space, fixed), GRID_LIMIT + 1))


def key_of(params: Params) -> str:
    """Equal for equal configurations."""
    return dumps({name: float(v) if type(v) in (int, float) else v for name, v in params.items()})  # type: ignore[arg-type]  # checked by type()
