"""Curves drawn with characters: the same in a pipe and on a terminal, without colour, as wide as there is room."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.apps import words
from trainwright.doctor.history import Series

_HEIGHT = 10  # lines: with axis and findings it is still one screen
_NARROWEST, _WIDEST = 10, 100  # columns; a curve gains nothing from more
_SPELLED_OUT = 1e6  # a longer number would push the curve aside
_LOG_SCALE = 50.0  # from this ratio of values on, the low end of a straight scale is one line (assumption)
_BLOCKS, _LETTERS = ("░", "█", "▓"), (".", "#", "@")


@dataclass(frozen=True, slots=True)
class Line:
    """A curve to draw and what it is called."""

    name: str
    series: Series


def draw(first: Line, second: Line | None, *, axis: str, width: int, unicode: bool = True) -> list[str]:
    """Lines of text with one or two curves, at most ``width`` wide.

    Each column shows the mean of the points that fall on it. ``!`` under a column: a value there is NaN or infinite.
    Empty where there is nothing to draw.
    """
    lines = [line for line in (first, second) if line is not None and line.series.values]
    finite = [v for line in lines for v in line.series.values if math.isfinite(v)]
    steps = [s for line in lines for s in line.series.steps]
    if not lines or not steps:
        return []
    logarithmic = bool(finite) and min(finite) > 0 and max(finite) / min(finite) >= _LOG_SCALE
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    labels = [_short(high), _short(low)]
    left = max(map(len, labels))
    room = max(_NARROWEST, min(_WIDEST, width - left - 2))
    marks = _BLOCKS if unicode else _LETTERS
    grids = [
        _cells(line.series, (min(steps), max(steps)), (low, high), room, logarithmic=logarithmic) for line in lines
    ]
    drawn = []
    for row in range(_HEIGHT) if high > low else (_HEIGHT - 1,):
        label = labels[0] if row == 0 else labels[1] if row == _HEIGHT - 1 else ""
        drawn.append(f"{label:>{left}} │"[: left + 2] + "".join(_mark(grids, row, c, marks) for c in range(room)))
    broken = "".join("!" if any(c in grid.broken for grid in grids) else " " for c in range(room))
    if broken.strip():
        drawn.append(f"{'':>{left}}  {broken}")
    ends = f"{axis} {_short(min(steps))}", _short(max(steps))
    drawn.append(f"{'':>{left}}  {ends[0]}{ends[1]:>{max(0, room - len(ends[0]))}}")
    key = ", ".join(f"{mark} {line.name}" for mark, line in zip(marks, lines, strict=False))
    key += f", {marks[2]} both" if len(lines) > 1 else ""
    key += "; log scale" if logarithmic else ""
    key += "; ! not a finite number" if broken.strip() else ""
    drawn.append(f"{'':>{left}}  {key}")
    return [_plain(line, unicode=unicode).rstrip() for line in drawn]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Which cells of a curve are filled, (row, column), and columns with a value that is no number."""

    filled: frozenset[tuple[int, int]]
    broken: frozenset[int]


def _cells(
    series: Series, span: tuple[float, float], values: tuple[float, float], room: int, *, logarithmic: bool
) -> _Grid:
    first, last = span
    sums: dict[int, list[float]] = {}
    broken: set[int] = set()
    for step, value in zip(series.steps, series.values, strict=True):
        column = min(room - 1, int((step - first) / (last - first) * room)) if last > first else 0
        if math.isfinite(value):
            sums.setdefault(column, []).append(value)
        else:
            broken.add(column)
    means = {column: math.fsum(v / len(found) for v in found) for column, found in sums.items()}
    return _Grid(_joined({c: _row(v, values, logarithmic=logarithmic) for c, v in means.items()}), frozenset(broken))


def _row(value: float, values: tuple[float, float], *, logarithmic: bool) -> int:
    """The line a value is drawn on, 0 on top."""
    low, high = values
    if high == low:
        return _HEIGHT - 1
    if logarithmic:
        low, high, value = math.log(low), math.log(high), math.log(value)
    share = value / (high - low) - low / (high - low) if math.isfinite(high - low) else 0.5
    return min(_HEIGHT - 1, max(0, _HEIGHT - 1 - round(share * (_HEIGHT - 1))))


def _joined(rows: dict[int, int]) -> frozenset[tuple[int, int]]:
    """Cells of a curve; between columns without a point it is drawn straight, and steps are filled."""
    filled: set[tuple[int, int]] = set()
    columns = sorted(rows)
    for at, column in enumerate(columns):
        filled.add((rows[column], column))
        if at + 1 == len(columns):
            break
        after = columns[at + 1]
        for between in range(column + 1, after):
            share = (between - column) / (after - column)
            filled.add((round(rows[column] + share * (rows[after] - rows[column])), between))
        if after == column + 1:
            low, high = sorted((rows[column], rows[after]))
            filled |= {(row, after) for row in range(low + 1, high)}
    return frozenset(filled)


def _short(value: float) -> str:
    return words.number(value) if abs(value) < _SPELLED_OUT else f"{value:.3g}"


def _mark(grids: Sequence[_Grid], row: int, column: int, marks: tuple[str, str, str]) -> str:
    there = [(row, column) in grid.filled for grid in grids]
    if all(there) and len(there) > 1:
        return marks[2]
    return next((mark for mark, is_there in zip(marks, there, strict=False) if is_there), " ")


def _plain(line: str, *, unicode: bool) -> str:
    return line if unicode else line.replace("│", "|")
