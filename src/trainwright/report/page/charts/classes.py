"""Charts of classifiers: confusion, ROC, precision and recall, calibration, shares of classes."""

from markupsafe import Markup

from trainwright.report import classes
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.page import svg
from trainwright.report.page.charts.chart import CHARACTER, Bar, Chart, bars, spread
from trainwright.report.words import amount

_MOST_VERTICES = 240  # of a curve 350 units wide
_SIDE_WIDE = 13  # so many classes take a whole row
_DARK = 0.75  # share of a cell from which white reads better on it than ink, by contrast
_TALLEST_CELL, _CELL_WITH_SHARE = 76.0, 40.0  # units: the matrix stays lower than wide; two lines of text need 40
_COLOURS = ("c1", "c2", "c3", "c4", "c5", "c6")


def confusion(facts: Facts) -> Chart | None:
    """A cell for every pair of true and predicted class, dark by its share of the true class."""
    found = classes.confusion(facts)
    if found is None:
        return None
    side = len(found.names)
    wide = side >= _SIDE_WIDE
    width = 2 * svg.WIDTH + 40 if wide else svg.WIDTH
    longest = max(len(n) for n in found.names) * CHARACTER
    left = min(longest + 34, 0.36 * width)
    across = (width - left - 8) / side
    cell = (across, min(across, _TALLEST_CELL))
    tilted = longest > across
    floor = 8 + cell[1] * side
    height = floor + (longest * 0.7 + 28 if tilted else 44)
    totals = found.counts.sum(axis=1)
    drawn = [
        _cell(found, (row, column), int(totals[row]), (left + cell[0] * column, 8 + cell[1] * row), cell)
        for row in range(side)
        for column in range(side)
    ]
    drawn += _names(found.names, left, cell, tilted=tilted)
    middle = {"x": left + across * side / 2, "y": height - 6, "text-anchor": "middle"}
    drawn.append(svg.tag("text", {"class": "name", **middle}, "predicted"))
    centre = (8 + floor) / 2
    turned = {"x": 12, "y": centre, "text-anchor": "middle", "transform": f"rotate(-90 12 {centre:.0f})"}
    drawn.append(svg.tag("text", {"class": "name", **turned}, "true"))
    frame = svg.frame((0, 1), (0, 1), width=width, height=height)
    return Chart(
        title=found.title,
        subtitle=found.subtitle,
        drawing=frame.svg(found.title, *drawn),
        source=facts.source("predictions"),
        wide=wide,
    )


def _names(names: tuple[str, ...], left: float, cell: tuple[float, float], *, tilted: bool) -> list[Markup]:
    """Classes at the left and below the cells; tilted where they are wider than a cell."""
    drawn = []
    base = 8 + cell[1] * len(names)
    for number, name in enumerate(names):
        beside = {"x": left - 8, "y": 8 + cell[1] * (number + 0.5) + 4, "text-anchor": "end"}
        drawn.append(svg.tag("text", {"class": "label", **beside}, name))
        x = left + cell[0] * (number + 0.5)
        below: dict[str, object] = {"x": x, "y": base + 16, "text-anchor": "middle"}
        if tilted:
            turn = f"rotate(-45 {x + 4:.0f} {base + 12:.0f})"
            below = {"x": x + 4, "y": base + 12, "text-anchor": "end", "transform": turn}
        drawn.append(svg.tag("text", {"class": "label", **below}, name))
    return drawn


def _cell(
    found: classes.Confusion, at: tuple[int, int], total: int, corner: tuple[float, float], cell: tuple[float, float]
) -> Markup:
    row, column = at
    x, y = corner
    value = int(found.counts[row, column])
    share = value / total if total else 0.0
    box = {"x": x + 1, "y": y + 1, "width": cell[0] - 2, "height": cell[1] - 2, "rx": 3}
    parts = [
        svg.tag("rect", {"class": "paper", **box}),
        svg.tag("rect", {"class": "heat", **box, "fill-opacity": f"{share:.2f}"}),
    ]
    tone = "on" if share > _DARK else "off"
    centre, middle = {"x": x + cell[0] / 2, "text-anchor": "middle"}, y + cell[1] / 2
    if cell[1] >= _CELL_WITH_SHARE:
        parts.append(svg.tag("text", {"class": f"count {tone}", **centre, "y": middle - 1}, f"{value:,}"))
        parts.append(svg.tag("text", {"class": f"share {tone}", **centre, "y": middle + 14}, f"{share:.0%}"))
    elif value:
        parts.append(svg.tag("text", {"class": f"share {tone}", **centre, "y": middle + 4}, f"{value}"))
    told = f"{found.names[row]} taken for {found.names[column]}" if row != column else f"{found.names[row]}, right"
    tip = f"{told}\n{value:,} of {total:,} rows ({share:.1%})"
    return svg.tag("g", {"data-tip": tip}, svg.join(parts))


def roc(facts: Facts) -> Chart | None:
    """True against false positives."""
    return _curves(facts, precision_recall=False)


def precision_recall(facts: Facts) -> Chart | None:
    """Precision against recall."""
    return _curves(facts, precision_recall=True)


def _curves(facts: Facts, *, precision_recall: bool) -> Chart | None:
    found = classes.curves(facts, precision_recall=precision_recall)
    if found is None:
        return None
    frame = svg.frame((0, 1), (0, 1.0), height=300)
    fifths = tuple(n / 5 for n in range(6))
    drawn = [frame.rules(fifths, svg.tick_labels(fifths))]
    drawn.append(frame.above("precision" if precision_recall else "true positive rate"))
    if not precision_recall:
        drawn.append(frame.line([(0, 0), (1, 1)], "chance"))
    elif found.chance is not None:
        drawn.append(frame.line([(0, found.chance), (1, found.chance)], "chance"))
    legend = []
    named = [line for line in found.lines if line.named]
    drawn += [frame.line(_thin(line), "faint") for line in found.lines if not line.named]
    for number, line in enumerate(named):
        kind = line.part or _COLOURS[number % len(_COLOURS)]
        legend.append((kind, f"{line.label} {amount(line.area)}"))
        drawn.append(frame.line(_thin(line), kind))
    drawn.append(frame.floor(fifths, svg.tick_labels(fifths), "recall" if precision_recall else "false positive rate"))
    return Chart(
        title=found.title,
        subtitle=f"{found.subtitle}; legend: {found.area_name}; dashed: chance",
        drawing=frame.svg(found.title, *drawn),
        legend=tuple(legend),
        source=facts.source("predictions"),
    )


def _thin(line: classes.Line) -> list[tuple[float, float]]:
    """The line's points, fewer where there are more than the drawing can show."""
    wanted = sorted({*spread(len(line.x), _MOST_VERTICES), len(line.x) - 1})
    return [(float(line.x[i]), float(line.y[i])) for i in wanted]


def calibration(facts: Facts) -> Chart | None:
    """Claimed probability against what happened; below, where predictions lie."""
    found = classes.calibration(facts)
    if found is None:
        return None
    frame = svg.frame((0, 1), (0, 1), height=330, bottom=88)
    fifths = tuple(n / 5 for n in range(6))
    drawn = [frame.rules(fifths, svg.tick_labels(fifths)), frame.above("share that happened")]
    drawn.append(frame.line([(0, 0), (1, 1)], "chance"))
    drawn.append(frame.line([(p[0], p[1]) for p in found.points], found.part))
    for claim, share, error in found.points:
        low, high = frame.y(max(share - 1.96 * error, 0.0)), frame.y(min(share + 1.96 * error, 1.0))
        path = f"M{frame.x(claim):.1f} {low:.1f}V{high:.1f}"
        whisker = svg.tag("path", {"class": f"line thin {found.part}", "d": path})
        tip = f"claimed {claim:.1%}\nhappened {share:.1%} (± {1.96 * error:.1%})"
        drawn.append(svg.tag("g", {"data-tip": tip}, svg.join([whisker, frame.dot(claim, share, found.part, 4.0)])))
    under = svg.Frame(x=frame.x, y=svg.Scale(0, 1, frame.y.start + 46, frame.y.end), height=frame.height)
    drawn += _how_many(under, found)
    drawn.append(under.floor(fifths, svg.tick_labels(fifths), f"{found.what}; bars: how many rows"))
    return Chart(
        title=found.title,
        subtitle=found.subtitle,
        drawing=frame.svg(found.title, *drawn),
        source=facts.source("predictions"),
    )


def _how_many(frame: svg.Frame, found: classes.Calibration) -> list[Markup]:
    """Bars on the floor: rows by claimed probability."""
    import numpy as np

    counts, edges = np.histogram(found.claimed, bins=40, range=(0, 1))
    height = svg.Scale(0, float(counts.max()) or 1.0, 0.0, 38.0)
    drawn = []
    for number, many in enumerate(counts.tolist()):
        low, high = float(edges[number]), float(edges[number + 1])
        tall = height(many)
        width = frame.x(high) - frame.x(low) - 1
        box = {"x": frame.x(low), "y": frame.y.start - tall, "width": width, "height": tall}
        tip = f"claimed {low:.1%} to {high:.1%}\n{many:,} rows"
        drawn.append(svg.tag("rect", {"class": "bar quiet", **box, "data-tip": tip}))
    return drawn


def shares(facts: Facts) -> Chart | None:
    """The share of each class by part of the split."""
    found = classes.class_shares(facts)
    if found is None:
        return None
    rows = []
    for number, name in enumerate(found.names):
        for place, (part, values) in enumerate(found.parts.items()):
            label = name if place == 0 else ""
            told = f"{values[number]:.1%}"
            tip = f"{name}\n{PART_NAMES[part].lower()} {told}"
            rows.append(Bar(name=label, value=values[number], told=told, kind=part, tip=tip))
    return Chart(
        title=found.title,
        subtitle=found.subtitle,
        drawing=bars(found.title, rows, group=len(found.parts)),
        legend=tuple((part, PART_NAMES[part].lower()) for part in found.parts),
        source=facts.source("predictions"),
    )
