"""How training went: loss and metric by round; and what the model is worth against its baselines."""

from typing import TYPE_CHECKING

from trainwright.report.curves import Curve
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.figures import style
from trainwright.report.reading import text, whole
from trainwright.report.words import amount, metric_label, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARK_BELOW = 40  # assumption: with fewer points a line alone hides how few there are


def learning_curves(facts: Facts) -> "Figure | None":
    """Loss and primary metric of both parts by round, the selected round marked; None for a model fitted in one go."""
    panels = _panels(facts)
    if not panels:
        return None
    unit = text(facts.model.get("unit"), "round")
    best = whole(facts.model.get("rounds_best"))
    title, subtitle = _finding(facts, unit, best)
    figure, axes = style.figure(title, subtitle, columns=len(panels), height=3.9)
    for one, name in zip(axes, panels, strict=True):
        _panel(one, facts, name, best)
        one.set_xlabel(f"{unit}s")
        one.set_title(metric_label(name), loc="left", fontsize=9, color=style.SOFT)
    return figure


def _panels(facts: Facts) -> list[str]:
    """The loss first, then the primary metric: those with more than one point."""
    known = [m for m in facts.log.metrics() if any(len(c.steps) > 1 for c in _curves(facts, m))]
    losses = [m for m in ("log_loss", "rmse", "loss", *known) if m in known and m != facts.primary]
    losses.sort(key=lambda m: -len(_curves(facts, m)))  # one with both parts says more; the sort is stable
    chosen = [*losses[:1], *([facts.primary] if facts.primary in known else [])]
    return chosen or known[:1]


def _curves(facts: Facts, metric: str) -> list[Curve]:
    return [c for part in ("train", "val") if (c := facts.log.curves.get((part, metric))) is not None]


def _panel(axes: "Axes", facts: Facts, metric: str, best: int | None) -> None:
    ends = []
    style.grid(axes)
    for curve in _curves(facts, metric):
        colour = style.PART_COLOUR[curve.part]
        marker = "o" if len(curve.steps) < _MARK_BELOW else ""
        axes.plot(curve.steps, curve.values, color=colour, marker=marker, markersize=3)
        ends.append((curve.values[-1], curve.part, colour))
    last = max(c.steps[-1] for c in _curves(facts, metric))
    axes.margins(x=0.0)
    axes.set_xlim(left=min(c.steps[0] for c in _curves(facts, metric)), right=last)
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
    first = min(c.steps[0] for c in _curves(facts, metric))
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


def _finding(facts: Facts, unit: str, best: int | None) -> tuple[str, str]:
    run = whole(facts.model.get("rounds_run"))
    stopped = text(facts.model.get("stopped_by"))
    if best is None or run is None:
        return "Learning curves", "training and validation"
    if best < run:
        title = f"Validation was best at {unit} {best:,}; {plural(run - best, f'further {unit}')} brought no gain"
    else:
        title = f"The last of {plural(run, unit)} was kept"
    why = {
        "early_stopping": "stopped early by patience",
        "rounds": f"all {unit}s of the plan were trained",
        "time_budget": "stopped by the time budget",
    }.get(stopped, stopped)
    watch = text(facts.model.get("watch"))
    why += f"; decided by validation {metric_label(watch)}" if watch else ""
    return title, f"{why}; shaded: trained but not kept" if best < run else why


def baselines(facts: Facts) -> "Figure | None":
    """The model's primary metric with its interval beside the baselines'."""
    value = facts.metric("val")
    rows = [(b.name, b.val) for b in facts.baselines if b.val is not None and abs(b.val) != float("inf")]
    if value is None or not rows:
        return None
    label = metric_label(facts.primary)
    better = max(rows, key=lambda r: r[1] if facts.higher_is_better else -r[1])
    if facts.losing:
        names = ", ".join(b.name for b in facts.losing)
        title = f"The model does not beat {names}: {label} {amount(value)} on validation rows"
    else:
        title = f"{label} {amount(value)}, against {amount(better[1])} of the best baseline ({better[0]})"
    interval = facts.interval("val")
    note = f"; line: {interval[2]:.0%} bootstrap interval" if interval else ""
    arrow = "higher is better" if facts.higher_is_better else "lower is better"
    figure, (axes,) = style.figure(title, f"{PART_NAMES['val']} rows, {arrow}{note}", height=1.75 + 0.34 * len(rows))
    model_name = style.short(text(facts.model.get("family"), "model"))
    ordered = sorted([*((n, v, False) for n, v in rows), (model_name, value, True)], key=lambda r: r[1])
    ordered = ordered if facts.higher_is_better else ordered[::-1]
    span = [v for _, v, _ in ordered] + (list(interval[:2]) if interval else [])
    room = (max(span) - min(span)) or abs(max(span)) or 1.0
    for at, (_, found, ours) in enumerate(ordered):
        colour = style.VERMILLION if ours else style.FAINT
        if ours and interval:
            axes.plot(interval[:2], [at, at], color=colour, linewidth=2.4, alpha=0.55)
        axes.plot([found], [at], "o", color=colour, markersize=9 if ours else 7)
        axes.annotate(amount(found), (found, at), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8.5)
    axes.set_yticks(range(len(ordered)), [n for n, _, _ in ordered])
    for tick, (_, _, ours) in zip(axes.get_yticklabels(), ordered, strict=True):
        tick.set_color(style.INK if ours else style.SOFT)
        tick.set_fontweight("bold" if ours else "normal")
    axes.set_xlim(min(span) - 0.12 * room, max(span) + 0.12 * room)
    axes.set_ylim(-0.6, len(ordered) - 0.35)
    axes.set_xlabel(label)
    style.grid(axes, "x")
    return figure


def feature_importance(facts: Facts) -> "Figure | None":
    """The twenty features with the largest share."""
    from trainwright.report.reading import numbers

    shares = numbers(facts.model.get("importance"))
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    shown = [(n, v) for n, v in ordered[:20] if v > 0]
    if not shown:
        return None
    kind = text(facts.model.get("importance_kind"), "importance")
    top = sum(v for _, v in shown[:3])
    name, value = shown[0]
    title = f"{style.short(name, 30)} carries {value:.0%} of the model's importance, the first three {top:.0%}"
    if len(shown) < 4:
        title = f"{style.short(name, 30)} carries {value:.0%} of the model's importance"
    subtitle = (
        f"share of {kind}; {len(shown)} of {plural(len(shares), 'feature')}; what the model uses, not what is a cause"
    )
    figure, (axes,) = style.figure(title, subtitle, height=1.5 + 0.215 * len(shown))
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
    axes.set_yticks(list(heights), [style.short(n, 34) for n, _ in shown])
    axes.set_xlim(0, shown[0][1] * 1.12)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    return figure
