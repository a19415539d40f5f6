"""The gradient of each layer of a network, in the order of the network."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from trainwright.report.figures import style
from trainwright.report.words import plural, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 60  # layers that can be read one below the other; of more the first and the last are shown
_COLOUR = {"ok": style.BLUE, "frozen": style.FAINT}


class Row(NamedTuple):
    """A layer: the mean, standard deviation and length (norm) of its gradient, NaN where it has none; the verdict."""

    layer: str
    mean: float
    std: float
    norm: float
    verdict: str


def layer_gradients(rows: Sequence[Row], *, loss: float, batch: int) -> "Figure":
    """Length and spread of every layer's gradient, side by side, both on logarithmic scales."""
    ill = [row for row in rows if row.verdict not in _COLOUR]
    title = f"Gradients reach all {plural(len(rows), 'layer')} in usual lengths"
    if ill:
        kinds = ", ".join(dict.fromkeys(row.verdict for row in ill))
        title = f"The gradient of {len(ill)} of {plural(len(rows), 'layer')} is not as it should be: {kinds}"
    shown = list(rows) if len(rows) <= _MOST else [*rows[: _MOST // 2], *rows[-_MOST // 2 :]]
    subtitle = f"one batch of {plural(batch, 'training row')}, loss {loss:.4g}; input on top, output at the bottom"
    if len(shown) < len(rows):
        subtitle += f"; the first and last {_MOST // 2} of {len(rows)} layers"
    figure, (left, right) = style.figure(title, subtitle, height=1.7 + 0.2 * len(shown), columns=2)
    heights = list(range(len(shown)))[::-1]
    _dots(left, shown, [row.norm for row in shown], heights)
    _dots(right, shown, [row.std for row in shown], heights)
    left.set_yticks(heights, [short(row.layer, 34) for row in shown])
    right.set_yticks(heights, ["" if row.verdict == "ok" else row.verdict for row in shown])
    for axes in (left, right):
        for tick, row in zip(axes.get_yticklabels(), shown, strict=True):
            tick.set_color(_colour(row) if row.verdict != "ok" else style.INK)
    right.yaxis.tick_right()
    right.tick_params(length=0)
    left.set_xlabel("length of the gradient (norm)")
    right.set_xlabel("standard deviation of its numbers")
    return figure


def _dots(axes: "Axes", rows: Sequence[Row], values: Sequence[float], heights: Sequence[int]) -> None:
    there = [(v, h, _colour(r)) for v, h, r in zip(values, heights, rows, strict=True) if math.isfinite(v) and v > 0]
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
    axes.xaxis.set_minor_formatter(lambda _value, _: "")
    if there:
        xs, ys, colours = zip(*there, strict=True)
        low = min(xs) / 2
        axes.hlines(ys, [low] * len(xs), xs, colors=colours, linewidth=1.2, alpha=0.5)
        axes.scatter(xs, ys, c=list(colours), s=26, zorder=3)
        axes.set_xlim(low, max(xs) * 2)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    style.grid(axes, "x")


def _colour(row: Row) -> str:
    return _COLOUR.get(row.verdict, style.VERMILLION)
