"""How the search went: every trial's score in order, and which parameters mattered."""

from typing import TYPE_CHECKING

from trainwright.report.facts import Facts
from trainwright.report.figures import style
from trainwright.report.search import history, importance_words
from trainwright.report.words import short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 15  # parameters in the bars (assumption: more do not fit a column)


def search_history(facts: Facts) -> "Figure | None":
    """Scores by trial, and the best so far; None with fewer than two scores."""
    found, told = facts.search, history(facts)
    if found is None or told is None:
        return None
    figure, (axes,) = style.figure(told.title, told.subtitle, height=3.4)
    style.grid(axes)
    numbers = [t.number for t in told.trials]
    axes.plot(numbers, [t.value for t in told.trials if t.value is not None], "o", color=style.SKY, markersize=4)
    last = found.trials[-1].number  # trials without a score did not move the best one
    axes.step([*numbers, last], [*told.best, told.best[-1]], where="post", color=style.VERMILLION)
    for trial in found.trials:
        if trial.value is None:
            axes.axvline(trial.number, ymax=0.02, color=style.FAINT, linewidth=1.2)
    axes.set_xlabel("trial")
    axes.set_ylabel(told.label)
    return figure


def search_importance(facts: Facts) -> "Figure | None":
    """Bars of parameter importance; None where it could not be told."""
    found = facts.search
    shares = found.importance[:_SHOWN] if found is not None else ()
    if found is None or not shares:
        return None
    title, subtitle = importance_words(found)
    figure, (axes,) = style.figure(title, subtitle, height=1.5 + 0.215 * len(shares))
    heights = list(range(len(shares)))[::-1]
    axes.barh(heights, [v for _, v in shares], color=style.BLUE, height=0.68)
    axes.set_yticks(heights, [short(n, 34) for n, _ in shares])
    axes.set_xlim(0, shares[0][1] * 1.12)
    axes.set_xticks([])
    for at, (_, value) in zip(heights, shares, strict=True):
        axes.annotate(
            f"{value:.1%}",
            (value, at),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=style.SOFT,
        )
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    return figure
