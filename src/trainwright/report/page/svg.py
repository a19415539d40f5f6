"""Drawing in SVG: elements with escaped values, scales, ticks, and the frame of a chart.

Colours and type are classes of ``page.css``, so that one drawing serves light, dark and print.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_DIGIT = 7.0  # units across a digit of a tick: DejaVu Sans, wider than the fonts of other systems
WIDTH = 420.0
"""Units across a chart: at this width one unit is about one CSS pixel in the two columns of the page."""


def tag(name: str, attributes: Mapping[str, object], content: str = "") -> Markup:
    """An element; attribute values and content are escaped unless they are Markup already."""
    told = "".join(f' {key}="{escape(_text(value))}"' for key, value in attributes.items())
    inner = escape(content)
    return Markup(f"<{name}{told}>{inner}</{name}>") if inner else Markup(f"<{name}{told}/>")


def join(parts: Iterable[Markup]) -> Markup:
    """Several drawings as one."""
    return Markup("").join(parts)


def _text(value: object) -> object:
    """Coordinates with one decimal: a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


@dataclass(frozen=True, slots=True)
class Scale:
    """From values ``low..high`` to positions ``start..end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The position of a value; the middle where all values are one."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def span(values: Iterable[float], pad: float = 0.06) -> tuple[float, float]:
    """Lowest and highest value with some room on both sides."""
    known = list(values)
    low, high = min(known), max(known)
    room = (high - low) * pad or abs(high) * 0.1 or 1.0
    return low - room, high + room


def ticks(low: float, high: float, wanted: int = 5) -> tuple[float, ...]:
    """Round values between two limits, about as many as wanted, 1, 2 or 5 times a power of ten apart."""
    width = high - low
    if not (math.isfinite(width) and width > 0):
        return (low,)
    raw = width / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(n * step for n in range(first, last + 1))


def tick_labels(values: Sequence[float]) -> tuple[str, ...]:
    """Ticks as text, with the decimals their distance needs."""
    if not values:
        return ()
    step = min((abs(b - a) for a, b in itertools.pairwise(values)), default=abs(values[0]) or 1.0)
    size = max(abs(v) for v in values)
    if size >= 1e6 or (size and size < 1e-4):
        return tuple(f"{v:.3g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-") for v in values)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return tuple(f"{v:,.{decimals}f}" for v in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The area of a chart: its scales and its size. Positions are those of the ``viewBox``."""

    x: Scale
    y: Scale
    width: float = WIDTH
    height: float = 250.0

    def rules(self, values: Sequence[float], labels: Sequence[str]) -> Markup:
        """Faint horizontal lines with their values at the left."""
        drawn = []
        for value, label in zip(values, labels, strict=True):
            at = self.y(value)
            drawn.append(tag("path", {"class": "rule", "d": f"M{self.x.start:.1f} {at:.1f}H{self.x.end:.1f}"}))
            drawn.append(
                tag("text", {"class": "tick", "x": self.x.start - 6, "y": at + 4, "text-anchor": "end"}, label)
            )
        return join(drawn)

    def floor(self, values: Sequence[float], labels: Sequence[str], name: str) -> Markup:
        """Values below the chart, and what they are."""
        base = max(self.y.start, self.y.end)
        drawn = [tag("path", {"class": "axis", "d": f"M{self.x.start:.1f} {base:.1f}H{self.x.end:.1f}"})]
        for value, label in zip(values, labels, strict=True):
            at, half = self.x(value), len(label) * _DIGIT / 2
            place = (
                {"x": self.width - 1, "text-anchor": "end"}
                if at + half > self.width
                else {"x": at, "text-anchor": "middle"}
            )
            drawn.append(tag("text", {"class": "tick", **place, "y": base + 16}, label))
        middle = (self.x.start + self.x.end) / 2
        drawn.append(tag("text", {"class": "name", "x": middle, "y": base + 33, "text-anchor": "middle"}, name))
        return join(drawn)

    def above(self, name: str) -> Markup:
        """What the heights are, over the left end."""
        top = min(self.y.start, self.y.end)
        return tag("text", {"class": "name", "x": self.x.start, "y": top - 9}, name)

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> Markup:
        """A line through (x, y) values."""
        places = [f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points]
        return tag("path", {"class": f"line {kind}", "d": "M" + "L".join(places)}) if places else Markup("")

    def dot(self, x: float, y: float, kind: str, radius: float = 3.5) -> Markup:
        """A point."""
        return tag("circle", {"class": f"dot {kind}", "cx": self.x(x), "cy": self.y(y), "r": radius})

    def svg(self, label: str, *drawings: Markup, kind: str = "") -> Markup:
        """The whole chart; ``label`` is read to people who cannot see it."""
        box = {"viewBox": f"0 0 {self.width:g} {self.height:g}", "role": "img", "aria-label": label}
        return tag("svg", {**box, "class": kind} if kind else box, join(drawings))


def frame(
    xs: tuple[float, float], ys: tuple[float, float], *, width: float = WIDTH, height: float = 250.0,
    left: float = 50.0, right: float = 14.0, top: float = 26.0, bottom: float = 42.0,
) -> Frame:  # fmt: skip
    """A frame with room for ticks and names around it."""
    return Frame(x=Scale(*xs, left, width - right), y=Scale(*ys, height - bottom, top), width=width, height=height)


def hover(frame_: Frame, x: float, half: float, told: str, dots: Iterable[Markup]) -> Markup:
    """A column of the chart that shows a line, ``dots`` and a note while it is pointed at; ``half`` its half width."""
    at, top, base = frame_.x(x), min(frame_.y.start, frame_.y.end), max(frame_.y.start, frame_.y.end)
    area = tag("rect", {"x": at - half, "y": top, "width": 2 * half, "height": base - top})
    rule = tag("path", {"class": "rule", "d": f"M{at:.1f} {top:.1f}V{base:.1f}"})
    return tag("g", {"class": "hit", "data-tip": told}, join([area, rule, *dots]))
