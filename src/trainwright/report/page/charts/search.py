"""How the search went, and which parameters mattered."""

import json

from trainwright.core.jsonable import to_json
from trainwright.report.facts import Facts
from trainwright.report.page import svg
from trainwright.report.page.charts.chart import Bar, Chart, bars
from trainwright.report.search import history, importance_words
from trainwright.report.words import amount

_SHOWN = 15  # parameters in the bars, as in the figure
_TOLD = 300  # trials whose parameters are told when pointed at; with more, the page would grow too large
_OUTSIDE = 1.5  # interquartile ranges from the middle half: Tukey's fence


def search_history(facts: Facts) -> Chart | None:
    """A point a trial, the line of the best so far; trials far worse than the rest lie on the edge."""
    found, told = facts.search, history(facts)
    if found is None or told is None:
        return None
    values = [t.value for t in told.trials if t.value is not None]
    low, high = _fence(values, told.best[-1])
    cut = sum(not low <= v <= high for v in values)
    last = max(found.trials[-1].number, 1)
    frame = svg.frame((0, last), svg.span((max(min(values), low), min(max(values), high)), 0.08))
    heights = svg.ticks(frame.y.low, frame.y.high)
    steps = tuple(t for t in svg.ticks(0, last) if float(t).is_integer())
    drawn = [frame.rules(heights, svg.tick_labels(heights)), frame.above(told.label)]
    reached = tuple(min(max(b, frame.y.low), frame.y.high) for b in told.best)
    drawn.append(frame.line(_stairs([t.number for t in told.trials], reached, last), "val"))
    for trial in told.trials:
        assert trial.value is not None
        chosen = trial.number == found.number
        inside = min(max(trial.value, frame.y.low), frame.y.high)
        note = f"trial {trial.number}{' (chosen)' if chosen else ''}: {amount(trial.value)}"
        if len(told.trials) <= _TOLD:
            params = json.dumps(to_json(trial.params), ensure_ascii=False, indent=1)[2:-2].replace('"', "")
            note += f"\n{params}"
        dot = frame.dot(trial.number, inside, "val ring" if chosen else "sky", 5.0 if chosen else 3.5)
        drawn.append(svg.tag("g", {"data-tip": note}, dot))
    drawn.append(frame.floor(steps, svg.tick_labels(steps), "trial"))
    note = f"; {cut} far from the rest drawn at the edge" if cut else ""
    return Chart(
        title=told.title,
        subtitle=told.subtitle + note,
        drawing=frame.svg(told.title, *drawn),
        legend=(("sky", "a trial"), ("val", "best so far")),
        source=facts.source("search"),
    )


def _fence(values: list[float], best: float) -> tuple[float, float]:
    """Limits of the heights: few trials far off must not press the others together; the best is always inside."""
    import numpy as np

    low, high = (float(v) for v in np.quantile(values, [0.25, 0.75]))
    room = _OUTSIDE * (high - low)
    return min(low - room, best), max(high + room, best)


def _stairs(numbers: list[int], best: tuple[float, ...], last: int) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for number, value in zip(numbers, best, strict=True):
        if points:
            points.append((number, points[-1][1]))
        points.append((number, value))
    return [*points, (last, points[-1][1])]


def search_importance(facts: Facts) -> Chart | None:
    """Parameters by what they mattered."""
    found = facts.search
    if found is None or not found.importance:
        return None
    title, subtitle = importance_words(found)
    rows = [Bar(name=n, value=v, told=f"{v:.1%}", kind="train") for n, v in found.importance[:_SHOWN]]
    return Chart(title=title, subtitle=subtitle, drawing=bars(title, rows), source=facts.source("search"))
