"""What a chart is, and the pieces several charts share."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from trainwright.report.page import svg
from trainwright.report.words import short

CHARACTER = 7.4
"""Units a character of a label takes at 12 units type: DejaVu Sans, wider than the fonts of other systems."""
_NAMES = 0.4  # share of the width that names may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing with what it shows. ``legend``: (class of the colour, words); ``wide`` charts take a whole row."""

    title: str
    subtitle: str
    drawing: Markup
    source: str
    legend: tuple[tuple[str, str], ...] = ()
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One horizontal bar: its name, its length, what is written at its end, and the class of its colour."""

    name: str
    value: float
    told: str
    kind: str
    strong: bool = False
    tip: str = ""


def bars(label: str, rows: Sequence[Bar], *, group: int = 1) -> Markup:
    """Horizontal bars from zero, the first on top; names at the left, values at the ends.

    ``group`` bars at a time belong together and stand closer.
    """
    width, step, gap = svg.WIDTH, 22.0 if group == 1 else 14.0, 0.0 if group == 1 else 8.0
    limit = int(_NAMES * width / CHARACTER)
    names = [short(row.name, limit) if row.name else "" for row in rows]
    left = min(max((len(n) for n in names), default=0) * CHARACTER + 12, _NAMES * width)
    longest = max((row.value for row in rows), default=1.0) or 1.0
    across = svg.Scale(0.0, longest, left, width - 52)
    thick = step - 7 if group == 1 else step - 3
    middle = thick / 2 + 4.5
    drawn = []
    for number, (row, name) in enumerate(zip(rows, names, strict=True)):
        top = 4 + step * number + gap * (number // group)
        text = "label strong" if row.strong else "label"
        box = {"x": left, "y": top, "width": max(across(row.value) - left, 1.0), "height": thick, "rx": 2}
        parts = [
            svg.tag("rect", {"class": "target", "x": 0, "y": top - 3, "width": width, "height": step}),
            svg.tag("text", {"class": text, "x": left - 8, "y": top + middle, "text-anchor": "end"}, name),
            svg.tag("rect", {"class": f"bar {row.kind}", **box}),
            svg.tag("text", {"class": "value", "x": across(row.value) + 6, "y": top + middle}, row.told),
        ]
        drawn.append(svg.tag("g", {"data-tip": row.tip or f"{row.name}\n{row.told}"}, svg.join(parts)))
    frame = svg.frame((0, 1), (0, 1), width=width, height=step * len(rows) + gap * (len(rows) // group) + 6)
    return frame.svg(label, *drawn)


def spread(count: int, most: int) -> range:
    """Evenly spaced positions among ``count``, at most about ``most`` of them, the first included."""
    return range(0, count, max(1, -(-count // most)))
