"""Figures of regressors: predicted against actual values, residuals, the target's distribution."""

from typing import TYPE_CHECKING

from trainwright.report import regression
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.figures import style
from trainwright.report.words import short

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_POINTS = 3_000  # assumption: beyond that dots cover each other, and density says more


def predicted_vs_actual(facts: Facts) -> "Figure | None":
    """Predicted against actual values, with the line where both agree."""
    found = regression.held_out_numbers(facts)
    if found is None:
        return None
    title, subtitle = regression.accuracy_words(facts, found)
    figure, (axes,) = style.figure(title, subtitle, height=4.8)
    _cloud(axes, found.y, found.predicted, style.PART_COLOUR[found.part])
    low = float(min(found.y.min(), found.predicted.min()))
    high = float(max(found.y.max(), found.predicted.max()))
    pad = (high - low or 1.0) * 0.03
    axes.plot([low, high], [low, high], color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_xlim(low - pad, high + pad)
    axes.set_ylim(low - pad, high + pad)
    axes.set_xlabel(f"actual {short(facts.target, 40)}")
    axes.set_ylabel("predicted")
    style.grid(axes, "both")
    return figure


def residuals(facts: Facts) -> "Figure | None":
    """Errors by predicted value: the median and the middle 80% in windows of equally many rows."""
    found = regression.held_out_numbers(facts)
    if found is None:
        return None
    title, subtitle = regression.bias_words(found)
    figure, (axes,) = style.figure(title, subtitle, height=4.3)
    error = found.predicted - found.y
    _cloud(axes, found.predicted, error, style.FAINT)
    axes.axhline(0, color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)))
    windows, colour = regression.windows(found), style.PART_COLOUR[found.part]
    if windows:
        at = [w.at for w in windows]
        lower, upper = [w.lower for w in windows], [w.upper for w in windows]
        axes.fill_between(at, lower, upper, color=colour, alpha=0.22, linewidth=0, zorder=3)
        for edge in (lower, upper):
            axes.plot(at, edge, color=colour, linewidth=0.9)
        axes.plot(at, [w.middle for w in windows], color=colour, linewidth=2.2)
    axes.set_xlabel("predicted")
    axes.set_ylabel("predicted − actual")
    style.grid(axes)
    return figure


def target_distribution(facts: Facts) -> "Figure | None":
    """The target's distribution by part."""
    found = regression.distribution(facts)
    if found is None:
        return None
    figure, (axes,) = style.figure(found.title, found.subtitle, height=3.6)
    for part, shares in found.parts.items():
        axes.stairs(shares, found.edges, color=style.PART_COLOUR[part], linewidth=1.6, label=PART_NAMES[part].lower())
    axes.set_xlabel(short(facts.target, 50))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    style.grid(axes)
    axes.legend(loc="upper right", labelcolor="linecolor", handlelength=1.2)
    return figure


def _cloud(axes: "Axes", x: "np.ndarray", y: "np.ndarray", colour: str) -> None:
    """Points, or their density where there are many."""
    from matplotlib.colors import LinearSegmentedColormap

    if len(x) <= _MOST_POINTS:
        axes.scatter(x, y, s=9 if len(x) > 500 else 20, color=colour, alpha=0.45 if len(x) > 500 else 0.75, linewidth=0)
        return
    fade = LinearSegmentedColormap.from_list("fade", ["#eef1f4", colour])
    axes.hexbin(x, y, gridsize=55, mincnt=1, bins="log", cmap=fade, linewidths=0.1)
