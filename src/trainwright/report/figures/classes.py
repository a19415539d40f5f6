"""Figures of classifiers: confusion, ROC, precision and recall, calibration, class shares."""

from typing import TYPE_CHECKING

from trainwright.report import classes
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.figures import style
from trainwright.report.words import amount

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def confusion_matrix(facts: Facts) -> "Figure | None":
    """Counts by true and predicted class, coloured by share of the true class."""
    found = classes.confusion(facts)
    if found is None:
        return None
    side = len(found.names)
    height = min(max(2.4 + 0.36 * side, 3.6), 8.4)
    figure, (axes,) = style.figure(found.title, found.subtitle, height=height)
    _heat(axes, found.counts, found.names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return figure


def _heat(axes: "Axes", counts: "np.ndarray", names: tuple[str, ...]) -> None:
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


def roc_curve(facts: Facts) -> "Figure | None":
    """True against false positives: by part for two classes, by class for more."""
    return _curves(facts, precision_recall=False)


def pr_curve(facts: Facts) -> "Figure | None":
    """Precision against recall: by part for two classes, by class for more."""
    return _curves(facts, precision_recall=True)


def _curves(facts: Facts, *, precision_recall: bool) -> "Figure | None":
    found = classes.curves(facts, precision_recall=precision_recall)
    if found is None:
        return None
    figure, (axes,) = style.figure(found.title, found.subtitle, height=4.6)
    named = [line for line in found.lines if line.named]
    if len(named) < len(found.lines):
        named.sort(key=lambda line: line.area)
    for line in found.lines if len(named) < len(found.lines) else ():
        axes.plot(line.x, line.y, color=style.FAINT, linewidth=0.7, alpha=0.6)
    for number, line in enumerate(named):
        colour = style.PART_COLOUR.get(line.part) or style.CYCLE[number % len(style.CYCLE)]
        axes.plot(line.x, line.y, color=colour, label=f"{line.label}  {amount(line.area)}")
    _chance(axes, found, precision_recall=precision_recall)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01 if not precision_recall else 0, 1.02)
    axes.set_xlabel("recall" if precision_recall else "false positive rate")
    axes.set_ylabel("precision" if precision_recall else "true positive rate")
    style.grid(axes, "both")
    axes.legend(
        loc="lower left" if precision_recall else "lower right",
        labelcolor="linecolor",
        title=found.area_name,
        alignment="left",
    )
    return figure


def _chance(axes: "Axes", found: classes.Curves, *, precision_recall: bool) -> None:
    dashed = (0, (4, 3))
    if not precision_recall:
        axes.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, linestyle=dashed)
        axes.annotate("chance", (0.5, 0.5), xytext=(6, -9), textcoords="offset points", fontsize=8, color=style.SOFT)
    elif found.chance is not None:
        axes.axhline(found.chance, color=style.FAINT, linewidth=1, linestyle=dashed)
        axes.annotate(
            "chance",
            (0.6, found.chance),
            xytext=(0, -10),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=style.SOFT,
        )


def calibration(facts: Facts) -> "Figure | None":
    """Predicted probability against what happened, in bins of equally many rows; below, where predictions lie."""
    found = classes.calibration(facts)
    if found is None:
        return None
    points = found.points
    figure, (axes, below) = style.figure(found.title, found.subtitle, height=4.7, below=0.2)
    axes.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, linestyle=(0, (4, 3)))
    axes.errorbar(
        [p[0] for p in points], [p[1] for p in points], yerr=[1.96 * p[2] for p in points],
        color=style.PART_COLOUR[found.part], marker="o", markersize=5, linewidth=1.4, elinewidth=0.9, capsize=0,
    )  # fmt: skip
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("share that happened")
    style.grid(axes, "both")
    below.hist(found.claimed, bins=40, range=(0, 1), color=style.FAINT)
    below.set_yticks([])
    below.spines["left"].set_visible(False)
    below.set_xlabel(f"{found.what}; bars: how many rows")
    below.tick_params(length=0)
    return figure


def class_shares(facts: Facts) -> "Figure | None":
    """The share of each class by part of the split."""
    import numpy as np

    found = classes.class_shares(facts)
    if found is None:
        return None
    size, parts = len(found.names), len(found.parts)
    figure, (axes,) = style.figure(found.title, found.subtitle, height=1.7 + 0.27 * size * max(parts, 1) ** 0.5)
    thick = 0.8 / parts
    for number, (part, values) in enumerate(found.parts.items()):
        heights = np.arange(size)[::-1] + thick * ((parts - 1) / 2 - number)
        axes.barh(heights, values, height=thick * 0.9, color=style.PART_COLOUR[part], label=PART_NAMES[part].lower())
        for at, value in zip(heights, values, strict=True):
            axes.annotate(
                f"{value:.1%}",
                (value, at),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                color=style.SOFT,
            )
    axes.set_yticks(np.arange(size)[::-1], list(found.names))
    axes.set_xlim(0, max(max(values) for values in found.parts.values()) * 1.12)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    axes.legend(loc="lower right", labelcolor="linecolor", handlelength=0.8)
    return figure
