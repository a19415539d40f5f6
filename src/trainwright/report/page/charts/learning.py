"""Learning curves, the model among its baselines, and feature importance."""

from markupsafe import Markup

from trainwright.report import learning
from trainwright.report.curves import Curve
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.page import svg
from trainwright.report.page.charts.chart import CHARACTER, Bar, Chart, bars, spread
from trainwright.report.reading import text, whole
from trainwright.report.words import amount, metric_label, short

_MOST_VERTICES = 400  # a line 360 units wide shows no more
_MOST_NOTES = 120  # columns to point at: each 3 units wide
_NOTE = 120.0  # units: the width of a note such as "kept: 1,200, 0.1234"
_DOTS_BELOW = 40  # assumption: with fewer points a line alone hides how few there are


def learning_curves(facts: Facts) -> tuple[Chart, ...]:
    """One chart a metric, with the kept round marked and values to point at."""
    title, subtitle = learning.training_words(facts)
    best = whole(facts.model.get("rounds_best"))
    found = []
    for number, metric in enumerate(learning.panels(facts)):
        curves = learning.curves_of(facts, metric)
        found.append(
            Chart(
                title=title if number == 0 else f"{metric_label(metric)} by {_unit(facts)}",
                subtitle=subtitle if number == 0 else "the same training",
                drawing=_panel(facts, metric, curves, best),
                legend=tuple((c.part, PART_NAMES[c.part].lower()) for c in curves),
                source=facts.source("log"),
            )
        )
    return tuple(found)


def _unit(facts: Facts) -> str:
    return text(facts.model.get("unit"), "round")


def _panel(facts: Facts, metric: str, curves: list[Curve], best: int | None) -> Markup:
    first, last = min(c.steps[0] for c in curves), max(c.steps[-1] for c in curves)
    frame = svg.frame((first, last), svg.span(v for c in curves for v in c.values))
    heights = svg.ticks(frame.y.low, frame.y.high)
    steps = tuple(t for t in svg.ticks(first, last) if float(t).is_integer())
    drawn = [frame.rules(heights, svg.tick_labels(heights)), frame.above(metric_label(metric))]
    if best is not None and best < last:
        left, right = frame.x(best), frame.x(last)
        box = {"x": left, "y": frame.y.end, "width": right - left, "height": frame.y.start - frame.y.end}
        drawn.append(svg.tag("rect", {"class": "unused", **box}))
    for curve in curves:
        drawn.append(frame.line(_vertices(curve, best), curve.part))
        if len(curve.steps) < _DOTS_BELOW:
            drawn += [frame.dot(s, v, curve.part, 2.2) for s, v in zip(curve.steps, curve.values, strict=True)]
    drawn.append(_kept(facts, frame, metric, best))
    drawn.append(frame.floor(steps, svg.tick_labels(steps), f"{_unit(facts)}s"))
    drawn += _notes(frame, curves, _unit(facts), best)
    return frame.svg(f"{metric_label(metric)} by {_unit(facts)}", *drawn)


def _vertices(curve: Curve, best: int | None) -> list[tuple[float, float]]:
    count = len(curve.steps)
    wanted = {*spread(count, _MOST_VERTICES), count - 1, *(i for i, s in enumerate(curve.steps) if s == best)}
    return [(curve.steps[i], curve.values[i]) for i in sorted(wanted)]


def _kept(facts: Facts, frame: svg.Frame, metric: str, best: int | None) -> Markup:
    """The kept round: a line, a point, its value."""
    curve = facts.log.curves.get(("val", metric))
    value = curve.at(best) if curve is not None and best is not None else None
    if best is None or value is None:
        return Markup("")
    at = frame.x(best)
    right = at > (frame.x.start + frame.x.end) / 2
    place = {
        "x": at + (-8 if right else 8),
        "y": _free_height(frame, learning.curves_of(facts, metric), at, right=right),
        "text-anchor": "end" if right else "start",
    }
    return svg.join([
        svg.tag("path", {"class": "mark", "d": f"M{at:.1f} {frame.y.start:.1f}V{frame.y.end:.1f}"}),
        frame.dot(best, value, "val ring", 5.0),
        svg.tag("text", {"class": "label strong halo", **place}, f"kept: {best:,}, {amount(value)}"),
    ])  # fmt: skip


def _free_height(frame: svg.Frame, curves: list[Curve], at: float, *, right: bool) -> float:
    """Where a note beside the mark hides no curve: at its upper or its lower end."""
    first, last = (at - _NOTE, at) if right else (at, at + _NOTE)
    lines = [
        frame.y(v)
        for c in curves
        for s, v in zip(c.steps, c.values, strict=True)
        if first - _NOTE / 2 <= frame.x(s) <= last + _NOTE / 2
    ]
    ends = (frame.y.end + 12, frame.y.start - 8)
    return max(ends, key=lambda end: min((abs(end - 4 - line) for line in lines), default=0.0))


def _notes(frame: svg.Frame, curves: list[Curve], unit: str, best: int | None) -> list[Markup]:
    """Columns to point at, with every curve's value there; the kept round is always one of them."""
    steps = sorted({s for c in curves for s in c.steps})
    chosen = {steps[i] for i in spread(len(steps), _MOST_NOTES)} | ({best} if best in steps else set())
    half = max((frame.x.end - frame.x.start) / max(len(chosen), 1) / 2, 1.5)
    drawn = []
    for step in sorted(s for s in chosen if s is not None):
        here = [(c.part, v) for c in curves if (v := c.at(step)) is not None]
        told = [f"{unit} {step:,}{' (kept)' if step == best else ''}"]
        told += [f"{PART_NAMES[part].lower()} {amount(value)}" for part, value in here]
        dots = [frame.dot(step, value, part) for part, value in here]
        drawn.append(svg.hover(frame, step, half, "\n".join(told), dots))
    return drawn


def standing(facts: Facts) -> Chart | None:
    """The model's validation score with its interval, among the baselines."""
    shown = learning.standing(facts)
    if shown is None:
        return None
    rows = shown.rows[::-1]
    values = [v for _, v, _ in rows] + (list(shown.interval[:2]) if shown.interval else [])
    step, width = 34.0, svg.WIDTH
    left = min(max(len(short(n)) for n, _, _ in rows) * (CHARACTER + 1) + 22, 190.0)
    frame = svg.frame(svg.span(values, 0.12), (0, 1), height=step * len(rows) + 56, left=left, right=24, top=12)
    drawn = []
    at = svg.ticks(frame.x.low, frame.x.high, 4)
    for value in at:
        path = f"M{frame.x(value):.1f} {frame.y.end:.1f}V{frame.y.start:.1f}"
        drawn.append(svg.tag("path", {"class": "rule", "d": path}))
    for number, (name, value, ours) in enumerate(rows):
        y = 30.0 + step * number
        drawn.append(_standing_row(frame, y, width, name, value, ours, shown.interval))
    drawn.append(frame.floor(at, svg.tick_labels(at), shown.label))
    return Chart(
        title=shown.title,
        subtitle=shown.subtitle,
        drawing=frame.svg(shown.title, *drawn),
        source=f"{facts.source('baselines')}; {facts.source('intervals')}",
    )


def _standing_row(
    frame: svg.Frame, y: float, width: float, name: str, value: float, ours: bool,
    interval: tuple[float, float, float] | None,
) -> Markup:  # fmt: skip
    kind, told = ("val", "the model") if ours else ("quiet", "baseline")
    parts = [
        svg.tag("rect", {"class": "target", "x": 0, "y": y - 17, "width": width, "height": 34}),
        svg.tag(
            "text",
            {"class": "label strong" if ours else "label", "x": frame.x.start - 12, "y": y + 4, "text-anchor": "end"},
            short(name),
        ),
    ]
    tip = f"{name} ({told})\n{amount(value)}"
    if ours and interval:
        low, high, level = interval
        parts.append(svg.tag("path", {"class": "span val", "d": f"M{frame.x(low):.1f} {y:.1f}H{frame.x(high):.1f}"}))
        tip += f"\n{level:.0%} interval {amount(low)} to {amount(high)}"
    parts.append(svg.tag("circle", {"class": f"dot {kind}", "cx": frame.x(value), "cy": y, "r": 6 if ours else 4.5}))
    place = {"x": frame.x(value), "y": y - 10, "text-anchor": "middle"}
    parts.append(svg.tag("text", {"class": "value halo", **place}, amount(value)))
    return svg.tag("g", {"data-tip": tip}, svg.join(parts))


def feature_importance(facts: Facts) -> Chart | None:
    """The features with the largest shares."""
    found = learning.importance(facts)
    if found is None:
        return None
    rows = [Bar(name=n, value=v, told=f"{v:.1%}", kind="train") for n, v in found.shares]
    return Chart(
        title=found.title,
        subtitle=found.subtitle,
        drawing=bars(found.title, rows),
        source="run.json (model.importance)",
    )
