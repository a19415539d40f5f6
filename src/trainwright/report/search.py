"""The report's section on the search: the ranking, what the budget bought, what to believe of the best value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from trainwright.core.jsonable import JsonValue, to_json
from trainwright.report.facts import Facts
from trainwright.report.markdown import Table, escape, table
from trainwright.report.reading import finite, items, mapping, numbers, text, whole
from trainwright.report.trials import SearchFact, TrialFact
from trainwright.report.words import amount, count, duration, metric_label, plural, short

_SHOWN = 10  # trials in the table: more are in the ledger (assumption)
_ENDS = {"trials": "its number of trials", "time": "its time", "space": "the end of the space"}


def best_words(facts: Facts) -> str:
    """The sentence above the best configuration."""
    found = facts.search
    if found is None:
        return "No search was asked for. This is the configuration that was used:"
    kept = " Its model is the delivered one, not trained again." if facts.record.get("from_trial") is not None else ""
    return f"Trial {found.number} of the search: {escape(text(found.summary.get('why')))}.{kept}"


def search_lines(facts: Facts) -> list[str]:
    """What the search was and what it came to, as Markdown; empty where there was none."""
    found = facts.search
    if found is None:
        return []
    return [line for line in (_method(found), _bought(facts, found), _seeds(found), _luck(found)) if line]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Scored trials on all rows in order, and the best so far after each."""

    title: str
    subtitle: str
    label: str
    trials: tuple[TrialFact, ...]
    best: tuple[float, ...]


def history(facts: Facts) -> History | None:
    """How the search went; None with fewer than two scores."""
    found = facts.search
    scored = [t for t in found.trials if t.value is not None and t.share == 1.0] if found is not None else []
    if found is None or len(scored) < 2:
        return None
    pick = max if text(found.summary.get("direction")) == "maximize" else min
    best: list[float] = []
    for trial in scored:
        assert trial.value is not None
        best.append(pick([*best[-1:], trial.value]))
    label = metric_label(text(found.summary.get("metric")))
    first = next(t.number for t, b in zip(scored, best, strict=True) if b == best[-1])
    lost = len(found.trials) - len(scored)
    subtitle = f"a point a trial on {text(found.summary.get('judged_by'))}; the line is the best so far"
    subtitle += f"; {plural(lost, 'trial')} ended early or failed and have no score" if lost else ""
    return History(
        title=f"The best {label}, {amount(best[-1])}, came with trial {first} of {len(found.trials)}",
        subtitle=subtitle,
        label=label,
        trials=tuple(scored),
        best=tuple(best),
    )


def importance_words(found: SearchFact) -> tuple[str, str]:
    """Title and subtitle of what mattered in a search that could tell."""
    name, share = found.importance[0]
    title = f"{short(name, 30)} mattered most in the search ({share:.0%})"
    subtitle = "share in what separates the best tenth of the trials from all (PED-ANOVA)"
    return title, f"{subtitle}; of this space and these trials only"


def ranking_table(facts: Facts) -> Table:
    """The mission's ranking with the trial's number and how it ended; the chosen trial in bold."""
    found = facts.search
    assert found is not None
    rows = [_row(str(rank), t, found) for rank, t in enumerate(found.ranked[:_SHOWN], start=1)]
    others = found.unranked[: max(0, _SHOWN - len(rows))]
    rows += [_row("-", t, found) for t in others]
    header = ["Rank", "Configuration", "Val Score", "Train Score", "Trial", "Proposed by", "Ended"]
    return table(header, rows)


def trials_table(facts: Facts) -> Table:
    """Every trial with a column for each parameter, in the order of the ranking; trials without a score last."""
    found = facts.search
    assert found is not None
    names = list(dict.fromkeys(name for t in found.trials for name in t.params))
    ordered = [*found.ranked, *found.unranked]
    header = ["Trial", "Validation", "Training", "Rounds", "Seconds", *map(escape, names), "Ended", "Proposed by"]
    rows = []
    for trial in ordered:
        ended = trial.reason if trial.state in ("complete", "failed") else f"{trial.state}: {trial.reason}"
        cells = [
            str(trial.number), amount(trial.value), amount(trial.train), count(trial.rounds), amount(trial.seconds),
            *(_param(trial.params.get(name)) for name in names), escape(ended.replace("_", " ")), escape(trial.origin),
        ]  # fmt: skip
        rows.append([f"**{cell}**" for cell in cells] if trial.number == found.number else cells)
    return table(header, rows)


def _param(value: JsonValue) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else escape(value if isinstance(value, str) else json.dumps(to_json(value)))


def _row(rank: str, trial: TrialFact, found: SearchFact) -> list[str]:
    shown = escape(json.dumps(to_json(trial.params), ensure_ascii=False)) if trial.params else "the family's defaults"
    rows = f" on {trial.share:.0%} of the rows" if trial.share < 1 else ""
    ended = trial.reason if trial.state in ("complete", "failed") else f"{trial.state}: {trial.reason}"
    cells = [rank, shown, amount(trial.value), amount(trial.train), str(trial.number)]
    if trial.number == found.number:
        cells = [f"**{cell}**" for cell in cells]
    return [*cells, escape(trial.origin), escape(ended.replace("_", " ") + rows)]


def _method(found: SearchFact) -> str:
    summary = found.summary
    label = metric_label(text(summary.get("metric")))
    way = text(summary.get("sampler"))
    space = mapping(summary.get("space"))
    shares = [finite(s) or 1.0 for s in items(summary.get("shares"))]
    cheap = f"; new trials saw {shares[0]:.0%} of the training rows, the best third went on" if len(shares) > 1 else ""
    return (
        f"**Method**: {escape(way)} over {plural(len(space), 'parameter')}, judged by {escape(label)} on "
        f"{escape(text(summary.get('judged_by')))}; trials that cannot win are ended by: "
        f"{escape(text(summary.get('pruner')))}{cheap}"
    )


def _bought(facts: Facts, found: SearchFact) -> str:
    told = ", ".join(f"{int(count)} {state}" for state, count in found.states.items())
    spent = finite(found.summary.get("seconds"))
    first = next((t for t in found.trials if t.number == 0 and t.value is not None), None)
    best = next((t for t in found.trials if t.number == found.number), None)
    line = f"**Budget**: {plural(len(found.trials), 'trial')} ({told}) in {duration(spent)}"
    line += f", ended by {_ENDS.get(text(found.summary.get('reason')), 'its budget')}"
    if first is None or best is None or best.value is None or first.value is None or first.number == best.number:
        return line
    higher = text(found.summary.get("direction")) == "maximize"
    gain = best.value - first.value if higher else first.value - best.value
    return f"{line}. Trial 0 ({escape(first.origin)}) had {amount(first.value)}: the search gained {amount(gain)}"


def _seeds(found: SearchFact) -> str:
    standings = [mapping(s) for s in items(found.summary.get("standings"))]
    if not standings:
        return ""
    several = "; ".join(
        f"trial {s.get('number')}: {amount(finite(s.get('mean')))} over {len(items(s.get('values')))} seeds"
        for s in standings
    )
    noise = finite(found.summary.get("noise"))
    tied = [str(n) for n in items(found.summary.get("tied"))]
    verdict = f". **Tie** of trials {', '.join(tied)}" if len(tied) > 1 else ""
    return (
        f"**Under other seeds**: {several}. A seed moves a score by {amount(noise)} (one standard deviation){verdict}"
    )


def _luck(found: SearchFact) -> str:
    luck = found.optimism
    seen, corrected = finite(luck.get("value")), finite(luck.get("corrected"))
    if seen is None or corrected is None:
        return ""
    if luck.get("method") != "bootstrap":
        how = _nested(luck) if luck.get("method") == "nested" else _repeated(luck)
        spent = duration(finite(luck.get("seconds")))
        return f"**Luck of the best**: {_expected(corrected, seen)}. {how}. This took {spent}"
    return (
        f"**Luck of the best**: {_expected(corrected, seen)} (bootstrap bias correction over the best "
        f"{luck.get('trials')} trials, {luck.get('resamples')} resamples of {luck.get('rows')} validation rows)"
    )


def _expected(corrected: float, seen: float) -> str:
    return (
        f"on rows that did not choose it, the best trial is expected at {amount(corrected)} instead of {amount(seen)}"
    )


def _nested(luck: Mapping[str, JsonValue]) -> str:
    """How a nested estimate came about: inner best and outer score, fold by fold."""
    counted = [d for d in map(mapping, items(luck.get("divisions"))) if mapping(d.get("scores"))]
    trials = sorted({whole(d.get("trials")) or 0 for d in counted})
    many = f"{trials[0]}" if len(trials) == 1 else f"{trials[0]} to {trials[-1]}"
    folds = "; ".join(
        f"{amount(finite(d.get('inner')))} and {amount(next(iter(numbers(d.get('scores')).values()), None))}"
        for d in counted
    )
    return (
        f"The whole search was done again in {len(counted)} of {luck.get('wanted')} outer folds of the training rows, "
        f"{many} trials each: the value that chose its best trial, and that trial's score on the fold: {folds}. "
        f"The first is too good by {amount(finite(luck.get('optimism')))} in the mean{_spread(luck)}"
    )


def _repeated(luck: Mapping[str, JsonValue]) -> str:
    """How a repeated estimate came about: the best few on rows that had no part in choosing them."""
    counted = [d for d in map(mapping, items(luck.get("divisions"))) if mapping(d.get("scores"))]
    means = "; ".join(f"trial {n}: {amount(mean)}" for n, mean in numbers(luck.get("scores")).items())
    return (
        f"The best few were trained again on {len(counted)} of {luck.get('wanted')} fresh divisions of the training "
        f"rows and scored on rows that neither trained them nor ended their training, in the mean {means}. "
        f"The value is too good by {amount(finite(luck.get('optimism')))}{_spread(luck)}; "
        "smaller training sets have a part in that"
    )


def _spread(luck: Mapping[str, JsonValue]) -> str:
    deviation = finite(luck.get("deviation"))
    return "" if deviation is None else f" (standard deviation over them: {amount(deviation)})"
