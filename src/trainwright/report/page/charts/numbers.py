"""Charts of regressors: predicted against actual values, errors by prediction, the target's distribution."""

from typing import TYPE_CHECKING

from markupsafe import Markup

from trainwright.report import regression
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.page import svg
from trainwright.report.page.charts.chart import Chart, spread
from trainwright.report.words import amount, short

if TYPE_CHECKING:
    import numpy as np

    from trainwright.report.predictions import Predictions

_MOST_POINTS = 700  # dots of a page; 100 bytes each


def predicted_vs_actual(facts: Facts) -> Chart | None:
    """Predicted against actual values, with the line where both agree."""
    found = regression.held_out_numbers(facts)
    if found is None:
        return None
    title, subtitle = regression.accuracy_words(facts, found)
    low = float(min(found.y.min(), found.predicted.min()))
    high = float(max(found.y.max(), found.predicted.max()))
    ends = svg.span((low, high), 0.03)
    frame = svg.frame(ends, ends, height=330, left=58)
    at = svg.ticks(*ends)
    rows = _sample(found)
    drawn = [
        frame.rules(at, svg.tick_labels(at)),
        frame.above("predicted"),
        frame.line([(low, low), (high, high)], "chance"),
    ]
    drawn += [_point(frame, found, i, float(found.y[i]), float(found.predicted[i])) for i in rows]
    drawn.append(frame.floor(at, svg.tick_labels(at), f"actual {short(facts.target, 40)}"))
    return Chart(
        title=title,
        subtitle=subtitle + _shown(rows, found),
        drawing=frame.svg(title, *drawn),
        source=facts.source("predictions"),
    )


def residuals(facts: Facts) -> Chart | None:
    """Errors by predicted value, with their median and middle 80%."""
    found = regression.held_out_numbers(facts)
    if found is None:
        return None
    title, subtitle = regression.bias_words(found)
    error = found.predicted - found.y
    predicted = svg.span((float(found.predicted.min()), float(found.predicted.max())), 0.03)
    frame = svg.frame(predicted, svg.span(_middle(error)), height=330, left=58)
    wild = int(((error < frame.y.low) | (error > frame.y.high)).sum())
    at, heights = svg.ticks(*predicted), svg.ticks(frame.y.low, frame.y.high)
    rows = _sample(found)
    drawn = [frame.rules(heights, svg.tick_labels(heights)), frame.above("predicted − actual")]
    drawn += [
        _point(frame, found, i, float(found.predicted[i]), min(max(float(error[i]), frame.y.low), frame.y.high))
        for i in rows
    ]
    drawn.append(frame.line([(predicted[0], 0), (predicted[1], 0)], "chance"))
    windows = regression.windows(found)
    if windows:
        outline = [*((w.at, w.lower) for w in windows), *((w.at, w.upper) for w in reversed(windows))]
        band = "M" + "L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in outline) + "Z"
        drawn.append(svg.tag("path", {"class": f"band {found.part}", "d": band}))
        drawn.append(frame.line([(w.at, w.middle) for w in windows], found.part))
    drawn.append(frame.floor(at, svg.tick_labels(at), "predicted"))
    return Chart(
        title=title,
        subtitle=subtitle + _shown(rows, found) + (f"; {wild:,} beyond the edge drawn on it" if wild else ""),
        drawing=frame.svg(title, *drawn),
        source=facts.source("predictions"),
    )


def _middle(error: "np.ndarray") -> tuple[float, float, float]:
    """The errors' limits without the outer half percent: one wild row must not flatten all others."""
    import numpy as np

    low, high = (float(v) for v in np.quantile(error, [0.005, 0.995]))
    return low, 0.0, high


def distribution(facts: Facts) -> Chart | None:
    """The target's distribution by part."""
    found = regression.distribution(facts)
    if found is None:
        return None
    edges = [float(e) for e in found.edges]
    top = max(float(s.max()) for s in found.parts.values())
    frame = svg.frame((edges[0], edges[-1]), (0.0, top * 1.08))
    heights, at = svg.ticks(0.0, top), svg.ticks(edges[0], edges[-1])
    drawn = [
        frame.rules(heights, [f"{h:.0%}" if top > 0.05 else f"{h:.1%}" for h in heights]),
        frame.above("share of rows"),
    ]
    for part, shares in found.parts.items():
        steps = [(edges[0], 0.0)]
        for number, share in enumerate(shares.tolist()):
            steps += [(edges[number], share), (edges[number + 1], share)]
        drawn.append(frame.line([*steps, (edges[-1], 0.0)], f"{part} square"))
    for number in range(len(edges) - 1):
        told = [f"{amount(edges[number])} to {amount(edges[number + 1])}"]
        told += [f"{PART_NAMES[part].lower()} {float(s[number]):.1%}" for part, s in found.parts.items()]
        centre = (edges[number] + edges[number + 1]) / 2
        half = (frame.x(edges[number + 1]) - frame.x(edges[number])) / 2
        drawn.append(svg.hover(frame, centre, half, "\n".join(told), ()))
    drawn.append(frame.floor(at, svg.tick_labels(at), short(facts.target, 50)))
    return Chart(
        title=found.title,
        subtitle=found.subtitle,
        drawing=frame.svg(found.title, *drawn),
        legend=tuple((part, PART_NAMES[part].lower()) for part in found.parts),
        source=facts.source("predictions"),
    )


def _sample(found: "Predictions") -> list[int]:
    """Positions of the rows that are drawn: all, or evenly spaced ones, and always the largest error."""
    import numpy as np

    worst = int(np.abs(found.predicted - found.y).argmax())
    return sorted({*spread(len(found), _MOST_POINTS), worst})


def _shown(rows: list[int], found: "Predictions") -> str:
    return "" if len(rows) == len(found) else f"; {len(rows):,} of them drawn"


def _point(frame: svg.Frame, found: "Predictions", row: int, x: float, y: float) -> Markup:
    actual, predicted = amount(float(found.y[row])), amount(float(found.predicted[row]))
    tip = f"row {int(found.rows[row])}\nactual {actual}, predicted {predicted}"
    box = {"class": f"dot soft {found.part}", "cx": frame.x(x), "cy": frame.y(y), "r": 3.0}
    return svg.tag("circle", {**box, "data-tip": tip})
