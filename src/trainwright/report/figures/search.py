"""How the search went: every trial's score in order, and which parameters mattered."""

from typing import TYPE_CHECKING

from trainwright.report.facts import Facts
from trainwright.report.figures import style
from trainwright.report.reading import text
from trainwright.report.words import amount, metric_label, plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 15  # parameters in the bars (assumption: more do not fit a column)


def search_history(facts: Facts) -> "Figure | None":
    """Scores by trial, and the best so far; None with fewer than two scores."""
    found = facts.search
    scored = [t for t in found.trials if t.value is not None and t.share == 1.0] if found is not None else []
    if found is None or len(scored) < 2:
        return None
    higher = text(found.summary.get("direction")) == "maximize"
    pick = max if higher else min
    best: list[float] = []
    for trial in scored:
        assert trial.value is not None
        best.append(pick([*best[-1:], trial.value]))
    label = metric_label(text(found.summary.get("metric")))
    first = next(t.number for t, b in zip(scored, best, strict=True) if b == best[-1])
    title = f"The best {label}, {amount(best[-1])}, came with trial {first} of {len(found.trials)}"
    lost = len(found.trials) - len(scored)
    subtitle = f"a point a trial on {text(found.summary.get('judged_by'))}; the line is the best so far"
    subtitle += f"; {plural(lost, 'trial')} ended early or failed and have no score" if lost else ""
    figure, (axes,) = style.figure(title, subtitle, height=3.4)
    style.grid(axes)
    numbers = [t.number for t in scored]
    axes.plot(numbers, [t.value for t in scored if t.value is not None], "o", color=style.SKY, markersize=4)
    last = found.trials[-1].number  # trials without a score did not move the best one
    axes.step([*numbers, last], [*best, best[-1]], where="post", color=style.VERMILLION)
    for trial in found.trials:
        if trial.value is None:
            axes.axvline(trial.number, ymax=0.02, color=style.FAINT, linewidth=1.2)
    axes.set_xlabel("trial")
    axes.set_ylabel(label)
    return figure


def search_importance(facts: Facts) -> "Figure | None":
    """Bars of parameter importance; None where it could not be told."""
    found = facts.search
    shares = found.importance[:_SHOWN] if found is not None else ()
    if found is None or not shares:
        return None
    name, share = shares[0]
    title = f"{style.short(name, 30)} mattered most in the search ({share:.0%})"
    subtitle = (
        "share in what separates the best tenth of the trials from all (PED-ANOVA); of this space and these trials only"
    )
    figure, (axes,) = style.figure(title, subtitle, height=1.5 + 0.215 * len(shares))
    heights = list(range(len(shares)))[::-1]
    axes.barh(heights, [v for _, v in shares], color=style.BLUE, height=0.68)
    axes.set_yticks(heights, [style.short(n, 34) for n, _ in shares])
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
