"""Figures of classifiers: confusion, ROC, precision and recall, calibration, class shares."""

from typing import TYPE_CHECKING

from trainwright.core.tasks import Task
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.figures import style
from trainwright.report.predictions import Predictions
from trainwright.report.reliability import ROWS_IN_BIN, claims, reliability
from trainwright.report.words import amount, plural

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_CLASSES = 25  # more cells than 25 x 25 cannot be read at this width
_LINES = 6  # curves of single classes that can be told apart


def confusion_matrix(facts: Facts) -> "Figure | None":
    """Counts by true and predicted class, coloured by share of the true class."""
    found = facts.held_out()
    if found is None or not facts.task.is_classification or not len(found):
        return None
    counts, names = _confusion(found)
    title, part = _confusion_title(counts, names), PART_NAMES[found.part].lower()
    side = len(names)
    height = min(max(2.4 + 0.36 * side, 3.6), 8.4)
    subtitle = f"{plural(len(found), f'{part} row')}; colour: share of the true class; at the most probable class"
    figure, (axes,) = style.figure(title, subtitle, height=height)
    _heat(axes, counts, names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return figure


def _heat(axes: "Axes", counts: "np.ndarray", names: list[str]) -> None:
    import numpy as np

    side = len(names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.08, aspect="auto" if side < 4 else "equal")
    size = 11 if side <= 4 else 8.5 if side <= 10 else 5.6
    for (row, column), value in np.ndenumerate(counts):
        if side > 10 and value == 0:
            continue
        colour = "white" if shares[row, column] > 0.55 else style.INK
        label = f"{value:,}\n{shares[row, column]:.0%}" if side <= 8 else f"{value}"
        axes.text(column, row, label, ha="center", va="center", color=colour, fontsize=size)
    small = 9.0 if side <= 8 else 7.0
    wide = max(len(n) for n in names) * side > 60
    axes.set_xticks(range(side), names, rotation=45 if wide else 0, ha="right" if wide else "center", fontsize=small)
    axes.set_yticks(range(side), names, fontsize=small)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(side + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(side + 1) - 0.5, minor=True)
    axes.grid(visible=True, which="minor", color="white", linewidth=1.6 if side <= 10 else 0.7)
    axes.tick_params(which="minor", length=0)


def _confusion(found: Predictions) -> "tuple[np.ndarray, list[str]]":
    """Counts (true, predicted) and names; the rarest classes are put together where there are too many."""
    import numpy as np

    size = len(found.classes)
    counts = np.zeros((size, size), dtype=np.int64)
    np.add.at(counts, (found.y, found.predicted), 1)
    names = [style.short(c, 16) for c in found.classes]
    if size <= _MOST_CLASSES:
        return counts, names
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    kept, rest = np.sort(order[: _MOST_CLASSES - 1]), order[_MOST_CLASSES - 1 :]
    to = np.full(size, _MOST_CLASSES - 1)
    to[kept] = np.arange(len(kept))
    merged = np.zeros((_MOST_CLASSES, _MOST_CLASSES), dtype=np.int64)
    np.add.at(merged, (to[found.y], to[found.predicted]), 1)
    return merged, [*(names[int(k)] for k in kept), f"{len(rest)} others"]


def _confusion_title(counts: "np.ndarray", names: list[str]) -> str:
    import numpy as np

    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    if wrong.sum() == 0:
        return "Every row got its right class"
    row, column = (int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
    total = int(counts[row].sum())
    return (
        f"Most frequent error: {names[row]} taken for {names[column]}, "
        f"{int(wrong[row, column]):,} of {total:,} ({wrong[row, column] / total:.0%})"
    )


def roc_curve(facts: Facts) -> "Figure | None":
    """True against false positives: by part for two classes, by class for more."""
    return _curves(facts, precision_recall=False)


def pr_curve(facts: Facts) -> "Figure | None":
    """Precision against recall: by part for two classes, by class for more."""
    return _curves(facts, precision_recall=True)


def _curves(facts: Facts, *, precision_recall: bool) -> "Figure | None":
    if not facts.task.is_classification:
        return None
    lines = _binary_lines(facts) if facts.task is Task.BINARY else _class_lines(facts)
    scored = [(*line, _area(line[1], line[2], precision_recall)) for line in lines if 0 < line[1].sum() < len(line[1])]
    if not scored:
        return None
    name = "average precision" if precision_recall else "ROC AUC"
    title, subtitle = _curve_words(facts, name, [(s[0], s[4]) for s in scored], precision_recall=precision_recall)
    figure, (axes,) = style.figure(title, subtitle, height=4.6)
    shown = scored if len(scored) <= _LINES else _weakest(scored)
    for _, truth, score, _, _ in scored if len(scored) > _LINES else []:
        axes.plot(*_points(truth, score, precision_recall), color=style.FAINT, linewidth=0.7, alpha=0.6)
    for label, truth, score, colour, area in shown:
        axes.plot(*_points(truth, score, precision_recall), color=colour, label=f"{label}  {amount(area)}")
    if precision_recall:
        _, truth, _, _, _ = scored[-1]
        if facts.task is Task.BINARY:
            axes.axhline(truth.mean(), color=style.FAINT, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(
                "chance",
                (0.6, truth.mean()),
                xytext=(0, -10),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=style.SOFT,
            )
    else:
        axes.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate("chance", (0.5, 0.5), xytext=(6, -9), textcoords="offset points", fontsize=8, color=style.SOFT)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01 if not precision_recall else 0, 1.02)
    axes.set_xlabel("recall" if precision_recall else "false positive rate")
    axes.set_ylabel("precision" if precision_recall else "true positive rate")
    style.grid(axes, "both")
    axes.legend(
        loc="lower left" if precision_recall else "lower right", labelcolor="linecolor", title=name, alignment="left"
    )
    return figure


def _binary_lines(facts: Facts) -> "list[tuple[str, np.ndarray, np.ndarray, str]]":
    return [
        (PART_NAMES[part].lower(), p.y == 1, p.probability[:, 1], style.PART_COLOUR[part])
        for part in ("train", "val", "test")
        if (p := facts.predictions.get(part)) is not None and len(p)
    ]


def _class_lines(facts: Facts) -> "list[tuple[str, np.ndarray, np.ndarray, str]]":
    found = facts.held_out()
    if found is None:
        return []
    return [
        (style.short(name, 18), found.y == code, found.probability[:, code], style.CYCLE[code % len(style.CYCLE)])
        for code, name in enumerate(found.classes)
    ]


def _weakest(
    scored: "list[tuple[str, np.ndarray, np.ndarray, str, float]]",
) -> "list[tuple[str, np.ndarray, np.ndarray, str, float]]":
    weakest = sorted(scored, key=lambda s: s[4])[:3]
    return [(n, t, s, style.CYCLE[i], a) for i, (n, t, s, _, a) in enumerate(weakest)]


def _curve_words(facts: Facts, name: str, areas: list[tuple[str, float]], *, precision_recall: bool) -> tuple[str, str]:
    held = facts.held_out()
    part = PART_NAMES[held.part].lower() if held else ""
    if facts.task is Task.BINARY:
        positive = style.short(facts.classes[1], 24)
        by_part = dict(areas)
        area = by_part.get(part, areas[-1][1])
        if precision_recall:
            return (
                f"Average precision {amount(area)} for {positive} on {part} rows",
                "precision at every recall, by part",
            )
        lead = by_part["training"] - area if "training" in by_part else 0.0
        known = f"; training rows score {lead:.3f} higher" if lead >= 0.01 else ""
        return (
            f"ROC AUC {amount(area)} on {part} rows{known}",
            f"chance that a random {positive} row gets a higher score than another row; unweighted",
        )
    worst = min(areas, key=lambda a: a[1])
    more = "" if len(areas) <= _LINES else "; the three weakest are named"
    return (
        f"Hardest to tell from the rest: {worst[0]}, {name} {amount(worst[1])}",
        f"one class against the rest, {part} rows{more}",
    )


def _points(truth: "np.ndarray", score: "np.ndarray", precision_recall: bool) -> "tuple[np.ndarray, np.ndarray]":
    from sklearn import metrics

    if precision_recall:
        precision, recall, _ = metrics.precision_recall_curve(truth, score, drop_intermediate=True)
        return recall, precision
    false_rate, true_rate, _ = metrics.roc_curve(truth, score)
    return false_rate, true_rate


def _area(truth: "np.ndarray", score: "np.ndarray", precision_recall: bool) -> float:
    from sklearn import metrics

    return float(
        metrics.average_precision_score(truth, score) if precision_recall else metrics.roc_auc_score(truth, score)
    )


def calibration(facts: Facts) -> "Figure | None":
    """Predicted probability against what happened, in bins of equally many rows; below, where predictions lie."""
    found = facts.held_out()
    if found is None or not facts.task.is_classification or len(found) < 2 * ROWS_IN_BIN:
        return None
    claimed, right = claims(found)
    points, error = reliability(claimed, right)
    bias = float(claimed.mean() - right.mean())
    what = (
        f"P({style.short(facts.classes[1], 20)})" if facts.task is Task.BINARY else "probability of the predicted class"
    )
    side = "too high" if bias > 0 else "too low"
    title = f"Probabilities are off by {error:.1%} on average"
    title += f", {abs(bias):.1%} {side} overall" if abs(bias) >= 0.005 else ", without a common bias"
    part = PART_NAMES[found.part].lower()
    subtitle = (
        f"{plural(len(found), f'{part} row')} in {len(points)} bins of equal size; a point on the diagonal is right"
    )
    figure, (axes, below) = style.figure(title, subtitle, height=4.7, below=0.2)
    axes.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, linestyle=(0, (4, 3)))
    axes.errorbar(
        [p[0] for p in points], [p[1] for p in points], yerr=[1.96 * p[2] for p in points],
        color=style.PART_COLOUR[found.part], marker="o", markersize=5, linewidth=1.4, elinewidth=0.9, capsize=0,
    )  # fmt: skip
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("share that happened")
    style.grid(axes, "both")
    below.hist(claimed, bins=40, range=(0, 1), color=style.FAINT)
    below.set_yticks([])
    below.spines["left"].set_visible(False)
    below.set_xlabel(f"{what}; bars: how many rows")
    below.tick_params(length=0)
    return figure


def class_shares(facts: Facts) -> "Figure | None":
    """The share of each class by part of the split."""
    import numpy as np

    parts = {part: p for part in ("train", "val", "test") if (p := facts.predictions.get(part)) is not None and len(p)}
    if not facts.task.is_classification or not parts:
        return None
    size = len(facts.classes)
    shares = {part: np.bincount(p.y, minlength=size) / len(p) for part, p in parts.items()}
    first = next(iter(shares.values()))
    order = np.argsort(-first, kind="stable")[:15]
    spread = np.ptp(np.stack(list(shares.values())), axis=0)
    code = int(spread.argmax())
    largest = style.short(facts.classes[int(first.argmax())])
    title = f"{largest} is the largest class: {first.max():.1%} of {PART_NAMES[next(iter(shares))].lower()} rows"
    shown = "" if size <= len(order) else f"; the {len(order)} largest of {size} classes"
    subtitle = f"largest difference between parts: {spread[code]:.1%} ({style.short(facts.classes[code])}){shown}"
    figure, (axes,) = style.figure(title, subtitle, height=1.7 + 0.27 * len(order) * max(len(shares), 1) ** 0.5)
    thick = 0.8 / len(shares)
    for number, (part, values) in enumerate(shares.items()):
        heights = np.arange(len(order))[::-1] + thick * ((len(shares) - 1) / 2 - number)
        axes.barh(
            heights, values[order], height=thick * 0.9, color=style.PART_COLOUR[part], label=PART_NAMES[part].lower()
        )
        for at, value in zip(heights, values[order], strict=True):
            axes.annotate(
                f"{value:.1%}",
                (value, at),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                color=style.SOFT,
            )
    axes.set_yticks(np.arange(len(order))[::-1], [style.short(facts.classes[int(k)]) for k in order])
    axes.set_xlim(0, max(float(v.max()) for v in shares.values()) * 1.12)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    axes.legend(loc="lower right", labelcolor="linecolor", handlelength=0.8)
    return figure
