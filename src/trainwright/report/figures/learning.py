"""How training went: loss and metric by round; and what the model is worth against its baselines."""

from typing import TYPE_CHECKING

from trainwright.report import learning
from trainwright.report.facts import Facts
from trainwright.report.figures import style
from trainwright.report.reading import text, whole
from trainwright.report.words import amount, metric_label, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARK_BELOW = 40  # assumption: with fewer points a line alone hides how few there are


def learning_curves(facts: Facts) -> "Figure | None":
    """Loss and primary metric of both parts by round, the selected round marked; None for a model fitted in one go."""
    panels = learning.panels(facts)
    if not panels:
        return None
    unit = text(facts.model.get("unit"), "round")
    best = whole(facts.model.get("rounds_best"))
    title, subtitle = learning.training_words(facts)
    figure, axes = style.figure(title, subtitle, columns=len(panels), height=3.9)
    for one, name in zip(axes, panels, strict=True):
        _panel(one, facts, name, best)
        one.set_xlabel(f"{unit}s")
        one.set_title(metric_label(name), loc="left", fontsize=9, color=style.SOFT)
    return figure


def _panel(axes: "Axes", facts: Facts, metric: str, best: int | None) -> None:
    ends = []
    style.grid(axes)
    for curve in learning.curves_of(facts, metric):
        colour = style.PART_COLOUR[curve.part]
        marker = "o" if len(curve.steps) < _MARK_BELOW else ""
        axes.plot(curve.steps, curve.values, color=colour, marker=marker, markersize=3)
        ends.append((curve.values[-1], curve.part, colour))
    last = max(c.steps[-1] for c in learning.curves_of(facts, metric))
    axes.margins(x=0.0)
    axes.set_xlim(left=min(c.steps[0] for c in learning.curves_of(facts, metric)), right=last)
    if best is not None:
        axes.axvline(best, color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)))
        if best < last:
            axes.axvspan(best, last, color=style.GRID, alpha=0.55, linewidth=0, zorder=0)
        _mark_best(axes, facts, metric, best, last)
    style.label_ends(axes, ends)


def _mark_best(axes: "Axes", facts: Facts, metric: str, best: int, last: int) -> None:
    curve = facts.log.curves.get(("val", metric))
    value = curve.at(best) if curve else None
    if value is None:
        return
    axes.plot([best], [value], "o", color=style.PART_COLOUR["val"], markersize=6, markeredgecolor="white", zorder=5)
    first = min(c.steps[0] for c in learning.curves_of(facts, metric))
    right = best - first > 0.55 * (last - first)
    low, high = axes.get_ylim()
    above = value < (low + high) / 2
    axes.annotate(
        f"kept: {best:,}\nval {amount(value)}",
        (best, value),
        xytext=(-7 if right else 7, 16 if above else -16),
        textcoords="offset points",
        ha="right" if right else "left",
        va="bottom" if above else "top",
        fontsize=8.5,
        color=style.INK,
    )


def baselines(facts: Facts) -> "Figure | None":
    """The model's primary metric with its interval beside the baselines'."""
    shown = learning.standing(facts)
    if shown is None:
        return None
    figure, (axes,) = style.figure(shown.title, shown.subtitle, height=1.41 + 0.34 * len(shown.rows))
    interval = shown.interval
    span = [v for _, v, _ in shown.rows] + (list(interval[:2]) if interval else [])
    room = (max(span) - min(span)) or abs(max(span)) or 1.0
    for at, (_, found, ours) in enumerate(shown.rows):
        colour = style.VERMILLION if ours else style.FAINT
        if ours and interval:
            axes.plot(interval[:2], [at, at], color=colour, linewidth=2.4, alpha=0.55)
        axes.plot([found], [at], "o", color=colour, markersize=9 if ours else 7)
        axes.annotate(amount(found), (found, at), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8.5)
    axes.set_yticks(range(len(shown.rows)), [n for n, _, _ in shown.rows])
    for tick, (_, _, ours) in zip(axes.get_yticklabels(), shown.rows, strict=True):
        tick.set_color(style.INK if ours else style.SOFT)
        tick.set_fontweight("bold" if ours else "normal")
    axes.set_xlim(min(span) - 0.12 * room, max(span) + 0.12 * room)
    axes.set_ylim(-0.6, len(shown.rows) - 0.35)
    axes.set_xlabel(shown.label)
    style.grid(axes, "x")
    return figure


def feature_importance(facts: Facts) -> "Figure | None":
    """The twenty features with the largest share."""
    found = learning.importance(facts)
    if found is None:
        return None
    shown = found.shares
    figure, (axes,) = style.figure(found.title, found.subtitle, height=1.5 + 0.215 * len(shown))
    heights = range(len(shown))[::-1]
    colours = [style.BLUE if i < 3 else style.SKY for i in range(len(shown))]
    axes.barh(list(heights), [v for _, v in shown], color=colours, height=0.68)
    for at, (_, share) in zip(heights, shown, strict=True):
        axes.annotate(
            f"{share:.1%}",
            (share, at),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=style.SOFT,
        )
    axes.set_yticks(list(heights), [short(n, 34) for n, _ in shown])
    axes.set_xlim(0, shown[0][1] * 1.12)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    return figure
