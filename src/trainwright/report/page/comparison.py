"""Runs side by side as a page: the scores with their intervals, validation by round, parameters that differ."""

from collections.abc import Sequence

from markupsafe import Markup

from trainwright.report.compare import Comparison, Row
from trainwright.report.page import svg
from trainwright.report.page.charts.chart import CHARACTER, Chart, spread
from trainwright.report.page.html import render_page
from trainwright.report.words import amount, metric_label

_COLOURS = ("c1", "c2", "c3", "c4", "c5", "c6")
_MOST_VERTICES = 300
_NAME = 22  # characters of a run in a chart
_SOURCE = "run.json of each run (metrics, intervals)"


def render(comparison: Comparison) -> str:
    """The comparison as one self-contained HTML file."""
    charts = [_scores(comparison, part) for part in ("val", "test")]
    charts.append(_curves(comparison))
    best = None if comparison.best is None else comparison.rows[comparison.best]
    return render_page(
        "compare.html.j2",
        {
            "rows": comparison.rows,
            "best": best,
            "best_words": _best_words(best),
            "warnings": comparison.warnings,
            "charts": [chart for chart in charts if chart is not None],
            "scores": comparison.scores(),
            "parameters": comparison.parameters() if comparison.differences else None,
        },
    )


def _best_words(best: Row | None) -> str:
    if best is None:
        return "No run can be called the best: not all have a score of the same metric."
    return f"Best validation {metric_label(best.metric)}: {amount(best.val)} by {best.run} ({best.family})."


def _scores(comparison: Comparison, part: str) -> Chart | None:
    """A row a run: its score and interval; None where metrics differ or fewer than two runs have one."""
    rows = [(r, r.val, r.val_interval) if part == "val" else (r, r.test, r.test_interval) for r in comparison.rows]
    known = [(row, value, interval) for row, value, interval in rows if value is not None]
    if len(known) < 2 or len({row.metric for row in comparison.rows}) > 1:
        return None
    names = {row.run: _both_ends(row.run) for row, _, _ in known}
    width, step = svg.WIDTH, 36.0
    left = min(max(len(n) for n in names.values()) * CHARACTER + 16, 0.44 * width)
    values = [v for _, value, interval in known for v in (value, *(interval or ()))]
    label = metric_label(known[0][0].metric)
    frame = svg.frame(svg.span(values), (0, 1), width=width, height=step * len(known) + 58, left=left, right=30, top=8)
    at = svg.ticks(frame.x.low, frame.x.high, 3)
    drawn = [
        svg.tag("path", {"class": "rule", "d": f"M{frame.x(v):.1f} {frame.y.end:.1f}V{frame.y.start:.1f}"}) for v in at
    ]
    for number, (row, value, interval) in enumerate(known):
        kind = _COLOURS[comparison.rows.index(row) % len(_COLOURS)]
        drawn.append(_score(frame, 30 + step * number, names[row.run], row.run, kind, value, interval))
    drawn.append(frame.floor(at, svg.tick_labels(at), label))
    title = f"{'Validation' if part == 'val' else 'Test'} {label}"
    return Chart(
        title=title,
        subtitle="lines: bootstrap intervals; runs whose lines overlap may differ by chance",
        drawing=frame.svg(title, *drawn),
        source=_SOURCE,
    )


def _both_ends(run: str) -> str:
    """A run's name that fits: what it begins with, and the end that tells it from others of that name."""
    return run if len(run) <= _NAME else f"{run[: _NAME - 12]}…{run[-11:]}"


def _score(
    frame: svg.Frame, y: float, name: str, run: str, kind: str, value: float, interval: tuple[float, float] | None
) -> Markup:
    parts = [
        svg.tag("rect", {"class": "target", "x": 0, "y": y - 17, "width": frame.width, "height": 34}),
        svg.tag("text", {"class": "label", "x": frame.x.start - 12, "y": y + 4, "text-anchor": "end"}, name),
    ]
    tip = f"{run}\n{amount(value)}"
    if interval is not None:
        path = f"M{frame.x(interval[0]):.1f} {y:.1f}H{frame.x(interval[1]):.1f}"
        parts.append(svg.tag("path", {"class": f"span {kind}", "d": path}))
        tip += f" ({amount(interval[0])} to {amount(interval[1])})"
    parts.append(svg.tag("circle", {"class": f"dot {kind}", "cx": frame.x(value), "cy": y, "r": 5}))
    place = {"x": frame.x(value), "y": y - 9, "text-anchor": "middle"}
    parts.append(svg.tag("text", {"class": "value halo", **place}, amount(value)))
    return svg.tag("g", {"data-tip": tip}, svg.join(parts))


def _curves(comparison: Comparison) -> Chart | None:
    """Validation by round, a line a run; None unless two runs or more have a curve of one metric."""
    known = [(n, r, r.curve) for n, r in enumerate(comparison.rows) if r.curve is not None]
    metrics = {curve.metric for _, _, curve in known}
    if len(known) < 2 or len(metrics) > 1:
        return None
    label = metric_label(known[0][2].metric)
    last = max(c.steps[-1] for _, _, c in known)
    width = 2 * svg.WIDTH + 40
    heights = svg.span(v for _, _, c in known for v in c.values)
    frame = svg.frame((min(c.steps[0] for _, _, c in known), last), heights, width=width, height=300)
    at, steps = svg.ticks(*heights), tuple(t for t in svg.ticks(0, last, 8) if t >= frame.x.low)
    drawn = [frame.rules(at, svg.tick_labels(at)), frame.above(f"validation {label}")]
    for number, row, curve in known:
        wanted = sorted({*spread(len(curve.steps), _MOST_VERTICES), len(curve.steps) - 1})
        line = frame.line([(curve.steps[i], curve.values[i]) for i in wanted], _COLOURS[number % len(_COLOURS)])
        drawn.append(svg.tag("g", {"data-tip": row.run}, line))
    drawn.append(frame.floor(steps, svg.tick_labels(steps), "rounds"))
    return Chart(
        title=f"Validation {label} by round",
        subtitle="the curve that decided which round was kept",
        drawing=frame.svg(f"validation {label} by round", *drawn),
        legend=_legend([(n, r) for n, r, _ in known]),
        source="training_log.jsonl of each run",
        wide=True,
    )


def _legend(rows: Sequence[tuple[int, Row]]) -> tuple[tuple[str, str], ...]:
    return tuple((_COLOURS[number % len(_COLOURS)], row.run) for number, row in rows)
