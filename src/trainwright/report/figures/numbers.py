"""Figures of regressors: predicted against actual values, residuals, the target's distribution."""

from typing import TYPE_CHECKING

from trainwright.core.tasks import Task
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.figures import style
from trainwright.report.predictions import Predictions
from trainwright.report.words import amount, plural

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_POINTS = 3_000  # assumption: beyond that dots cover each other, and density says more
_WINDOWS = 15
_ROWS_IN_WINDOW = 20  # assumption: below that a 10% quantile is a single row


def _held_out(facts: Facts) -> Predictions | None:
    found = facts.held_out()
    return found if facts.task is Task.REGRESSION and found is not None and len(found) > 1 else None


def predicted_vs_actual(facts: Facts) -> "Figure | None":
    """Predicted against actual values, with the line where both agree."""
    import numpy as np

    found = _held_out(facts)
    if found is None:
        return None
    error = np.abs(found.predicted - found.y)
    part = PART_NAMES[found.part].lower()
    half, most = (amount(float(np.quantile(error, q))) for q in (0.5, 0.9))
    title = f"Half of all predictions are within {half}, nine in ten within {most}"
    figure, (axes,) = style.figure(title, f"{plural(len(found), f'{part} row')} of {facts.target}", height=4.8)
    _cloud(axes, found.y, found.predicted, style.PART_COLOUR[found.part])
    low = float(min(found.y.min(), found.predicted.min()))
    high = float(max(found.y.max(), found.predicted.max()))
    pad = (high - low or 1.0) * 0.03
    axes.plot([low, high], [low, high], color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_xlim(low - pad, high + pad)
    axes.set_ylim(low - pad, high + pad)
    axes.set_xlabel(f"actual {style.short(facts.target, 40)}")
    axes.set_ylabel("predicted")
    style.grid(axes, "both")
    return figure


def residuals(facts: Facts) -> "Figure | None":
    """Errors by predicted value: the median and the middle 80% in windows of equally many rows."""
    import numpy as np

    found = _held_out(facts)
    if found is None:
        return None
    error = found.predicted - found.y
    bias, spread = float(error.mean()), float(error.std())
    side = "above" if bias > 0 else "below"
    if spread > 0 and abs(bias) > 2 * spread / np.sqrt(len(error)):
        title = f"Predictions lie {amount(abs(bias))} {side} the truth on average"
    else:
        title = f"No bias on average ({amount(bias)}, within chance); the spread is {amount(spread)}"
    part = PART_NAMES[found.part].lower()
    figure, (axes,) = style.figure(
        title,
        f"predicted minus actual, {plural(len(found), f'{part} row')}; line: median, band: middle 80%",
        height=4.3,
    )
    _cloud(axes, found.predicted, error, style.FAINT)
    axes.axhline(0, color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)))
    windows_wanted = max(min(_WINDOWS, len(error) // _ROWS_IN_WINDOW), 1)
    windows = [w for w in np.array_split(np.argsort(found.predicted, kind="stable"), windows_wanted) if len(w)]
    if len(windows) > 1:
        at = [float(np.median(found.predicted[w])) for w in windows]
        lower, middle, upper = (np.array([np.quantile(error[w], q) for w in windows]) for q in (0.1, 0.5, 0.9))
        axes.fill_between(at, lower, upper, color=style.PART_COLOUR[found.part], alpha=0.22, linewidth=0, zorder=3)
        for edge in (lower, upper):
            axes.plot(at, edge, color=style.PART_COLOUR[found.part], linewidth=0.9)
        axes.plot(at, middle, color=style.PART_COLOUR[found.part], linewidth=2.2)
    axes.set_xlabel("predicted")
    axes.set_ylabel("predicted − actual")
    style.grid(axes)
    return figure


def target_distribution(facts: Facts) -> "Figure | None":
    """The target's distribution by part."""
    import numpy as np

    parts = {
        part: p for part in ("train", "val", "test") if (p := facts.predictions.get(part)) is not None and len(p) > 1
    }
    if facts.task is not Task.REGRESSION or not parts:
        return None
    everything = np.concatenate([p.y for p in parts.values()])
    low, high = (float(v) for v in np.quantile(everything, [0.005, 0.995]))
    if not high > low:
        return None
    first = next(iter(parts))
    title = (
        f"The median of {style.short(facts.target, 30)} is {amount(float(np.median(parts[first].y)))} in {first} rows"
    )
    others = ", ".join(f"{amount(float(np.median(p.y)))} in {part}" for part, p in parts.items() if part != first)
    note = f"{others}; " if others else ""
    figure, (axes,) = style.figure(
        title, f"{note}share of rows by value, the outer 0.5% on each side not shown", height=3.6
    )
    bins = int(min(max(min(len(p) for p in parts.values()) ** 0.5, 6), 40))
    edges = np.linspace(low, high, bins + 1)
    for part, p in parts.items():
        shares = np.histogram(p.y, edges)[0] / len(p)
        axes.stairs(shares, edges, color=style.PART_COLOUR[part], linewidth=1.6, label=PART_NAMES[part].lower())
    axes.set_xlabel(style.short(facts.target, 50))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}" if high else "")
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
