"""What the numbers of a run say, in sentences. Each sentence is computed; none is always there for show."""

import itertools
from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.report.curves import Curve
from trainwright.report.facts import PART_NAMES, BaselineFact, Facts
from trainwright.report.markdown import escape
from trainwright.report.reading import finite, mapping, text, whole
from trainwright.report.words import amount, metric_label, plural

_PLATEAU = 0.95  # share of the whole improvement after which the rest counts as a plateau (assumption)
_ROUGH = 0.4  # assumption: of pure noise half of all steps go up; a smooth descent stays far below
_STILL_GAINING = 0.01  # assumption: share of the whole improvement in the last tenth that is worth more rounds


def observations(facts: Facts) -> tuple[str, ...]:
    """Key observations as Markdown sentences: convergence, over- and underfitting, learning rate, then the rest."""
    found = [convergence(facts), overfitting(facts), learning_rate(facts)]
    found += [repairs(facts), against_baselines(facts), against_test(facts), across_folds(facts)]
    return tuple(f for f in found if f)


def watched(facts: Facts) -> Curve | None:
    """The validation curve that decided, where it has more than one point."""
    for name in (text(facts.model.get("watch")), facts.primary, "log_loss", "rmse", "loss"):
        curve = facts.log.curves.get(("val", name))
        if curve is not None and len(curve.steps) > 1:
            return curve
    return None


def rises(facts: Facts, metric: str) -> bool:
    """Whether more of a metric is better: known for the primary one, and read off the curve for others."""
    if metric == facts.primary:
        return facts.higher_is_better
    curve = facts.log.curves.get(("train", metric)) or facts.log.curves.get(("val", metric))
    return curve is not None and curve.values[-1] > curve.values[0]


def convergence(facts: Facts) -> str:
    """When training was best, why it ended, and whether it had settled."""
    unit, run = text(facts.model.get("unit"), "round"), whole(facts.model.get("rounds_run"))
    best, stopped = whole(facts.model.get("rounds_best")), text(facts.model.get("stopped_by"))
    if run is None or best is None:
        return "**Convergence**: the record holds no training rounds, so nothing can be said."
    curve = watched(facts)
    if curve is None:
        how = "in one go" if run == 1 else f"in {plural(run, unit)}"
        return f"**Convergence**: the model was fitted {how}; there is no curve to judge."
    label = metric_label(curve.metric)
    ended = {
        "early_stopping": f"{plural(run - best, unit)} without a better validation {label} ended training",
        "rounds": f"all {plural(run, unit)} of the plan were trained",
        "time_budget": f"the time budget ended training after {plural(run, unit)}",
    }.get(stopped, f"training ended by {escape(stopped) or 'an unknown reason'}")
    return f"**Convergence**: the kept model is that of {unit} {best:,}; {ended}. {_settled(facts, curve, best, unit)}"


def _settled(facts: Facts, curve: Curve, best: int, unit: str) -> str:
    start, end = curve.values[0], curve.at(best)
    label = metric_label(curve.metric)
    higher = rises(facts, curve.metric)
    gain = 0.0 if end is None else (end - start if higher else start - end)
    if end is None or gain <= 0:
        return f"Validation {label} never got better than at {unit} {curve.steps[0]:,} ({amount(start)})."
    upto = [(s, v) for s, v in zip(curve.steps, curve.values, strict=True) if s <= best]
    reached = next(s for s, v in upto if (v - start if higher else start - v) >= _PLATEAU * gain)
    late = [v for s, v in upto if s <= best * 0.9] or [start]
    tail = (end - late[-1] if higher else late[-1] - end) / gain
    words = f"Validation {label} went from {amount(start)} to {amount(end)}; "
    words += f"{_PLATEAU:.0%} of that was reached by {unit} {reached:,}."
    if best == curve.steps[-1] and tail > _STILL_GAINING:
        late_gain = f"{tail:.0%} of the gain came in the last tenth"
        return f"{words} It was still getting better at the end ({late_gain}): more {unit}s may help."
    return f"{words} It had reached a plateau." if tail <= _STILL_GAINING else words


def overfitting(facts: Facts) -> str:
    """The gap between training and validation with its verdict and rule, and what happened after the best round."""
    gap = facts.gap
    if gap is None or gap.train is None or gap.val is None:
        return "**Overfitting**: the record holds no training score beside the validation score, so the gap is unknown."
    verdict = f"**{gap.verdict}**" if gap.verdict == "Concerning" else gap.verdict
    words = (
        f"**Overfitting**: {metric_label(gap.metric)} is {amount(gap.train)} on training and {amount(gap.val)} on "
        f"validation rows, a gap of {amount(gap.gap)}: {verdict}. Rule: {escape(gap.rule)}."
    )
    curve, best = watched(facts), whole(facts.model.get("rounds_best"))
    kept = curve.at(best) if curve and best is not None else None
    if curve is None or kept is None or best == curve.steps[-1]:
        return words + _underfitting(facts)
    worse = kept - curve.values[-1] if rises(facts, curve.metric) else curve.values[-1] - kept
    if worse <= 0:
        return words + _underfitting(facts)
    unit = text(facts.model.get("unit"), "round")
    return (
        f"{words} After {unit} {best:,} validation {metric_label(curve.metric)} got worse by {amount(worse)} until the "
        f"last {unit}; those {unit}s are not part of the model.{_underfitting(facts)}"
    )


def _underfitting(facts: Facts) -> str:
    """Said only where even the training rows are not fitted better than a baseline does on validation rows."""
    train = facts.metric("train")
    best = [b.val for b in facts.losing if b.val is not None]
    if train is None or not best:
        return ""
    mark = max(best) if facts.higher_is_better else min(best)
    if (train > mark) if facts.higher_is_better else (train < mark):
        return ""
    return f" Underfitting: even on its own training rows the model does not reach the baseline's {amount(mark)}."


def learning_rate(facts: Facts) -> str:
    """The rate used, whether it changed, and whether the curve speaks for another one."""
    rate = finite(facts.model.get("learning_rate"))
    if rate is None:
        optimizer = text(facts.model.get("optimizer"))
        how = f" ({escape(optimizer)})" if optimizer else ""
        return f"**Learning rate**: this model is trained without one{how}."
    rates = [r for _, r in facts.log.learning_rates]
    words = f"**Learning rate**: {rate:g}"
    if len(set(rates)) > 1:
        words += f", logged from {rates[0]:g} to {rates[-1]:g} over the training"
    curve, best = watched(facts), whole(facts.model.get("rounds_best"))
    if curve is None or best is None:
        return f"{words}."
    values = [v for s, v in zip(curve.steps, curve.values, strict=True) if s <= best]
    if len(values) < 5:  # assumption: fewer steps say nothing about roughness
        return f"{words}; only {plural(len(values), 'point')} up to the kept one, too few to judge it."
    steps = list(itertools.pairwise(values))
    back = sum((b < a) if rises(facts, curve.metric) else (b > a) for a, b in steps) / len(steps)
    label, unit = metric_label(curve.metric), text(facts.model.get("unit"), "round")
    words += f"; {back:.0%} of the steps up to the kept {unit} made validation {label} worse"
    if back > _ROUGH:
        return f"{words}: a rough path, a lower rate may give a steadier one."
    if best == whole(facts.model.get("rounds_limit")):
        return f"{words}; the best {unit} is the last of the plan, so a higher rate or more {unit}s may go further."
    return f"{words}: a steady path."


def repairs(facts: Facts) -> str:
    """What was changed while the model was trained, and whether it helped; empty where nothing was."""
    made = facts.record.get("repairs")
    if not isinstance(made, list) or not made:
        return ""
    unit = text(facts.model.get("unit"), "round")
    return f"**Repairs**: {plural(len(made), 'change')} of course. " + " ".join(_repair(mapping(r), unit) for r in made)


def _repair(made: Mapping[str, JsonValue], unit: str) -> str:
    before, after, values = (mapping(made.get(key)) for key in ("before", "after", "values"))
    where = f"At {unit} {whole(made.get('rounds')) or 0:,}: {escape(text(made.get('what'), text(made.get('symptom'))))}"
    rows = values.get("rows")
    if text(made.get("action")) == "learning_rate":
        rates = [finite(state.get("learning_rate")) for state in (before, after)]
        change = f"the learning rate was multiplied by {values.get('factor')}"
        if rates[0] is not None and rates[1] is not None:
            change = f"the learning rate went from {rates[0]:g} to {rates[1]:g}"
    elif text(made.get("action")) == "num_workers":
        change = f"rows are gathered by {values.get('num_workers')} threads in place of {before.get('num_workers')}"
    elif text(made.get("action")) == "precision":
        change = f"matrix products are computed in {values.get('precision')} in place of {before.get('precision')}"
    elif text(made.get("action")) == "halve_batch":
        change = _smaller_passes(values, mapping(made.get("proof")))
    elif isinstance(rows, list):
        change = f"{plural(len(rows), 'training row')} left out (positions {', '.join(str(row) for row in rows)})"
    else:
        change = f"gradients were scaled down to {amount(finite(values.get('norm')))} at most"
    back = f"; training went back to {unit} {whole(after.get('rounds')) or 0:,}" if made.get("back") else ""
    helped = "it helped" if made.get("helped") else "it was not enough"
    return f"{where}; {change}{back}; {helped}."


def _smaller_passes(values: Mapping[str, JsonValue], proof: Mapping[str, JsonValue]) -> str:
    """Steps in smaller passes, and whether that is the same training."""
    change = f"steps of {values.get('step_rows')} rows were taken in passes of {values.get('batch_size')}"
    apart = finite(proof.get("difference"))
    if proof.get("equivalent"):
        noise = ", dropout draws other noise of the same kind" if proof.get("noise") else ""
        return f"{change}, with the same gradient (at most {amount(apart)} apart, measured{noise})"
    if norms := whole(proof.get("batch_norms")):
        return f"{change}; not the same training: {plural(norms, 'batch norm')} saw fewer rows"
    return f"{change}; not shown to be the same training"


def against_baselines(facts: Facts) -> str:
    """The model beside its baselines; in bold where it loses."""
    value = facts.metric("val")
    if value is None:
        return ""
    if not facts.baselines:
        return "**Baselines**: none were trained, so the score has nothing to be compared with."
    label = metric_label(facts.primary)
    if facts.losing:
        names = ", ".join(f"{escape(b.name)} ({amount(b.val)})" for b in facts.losing)
        score = f"validation {label} is {amount(value)}"
        return f"**The model does not beat {names}: {score}. Prefer the simpler model, or find out why.**"
    best = _best_baseline(facts)
    if best is None:
        return ""
    sure = lead(facts)
    clear = {
        None: "",
        False: ", but that lies inside the model's interval: the lead may be chance",
        True: ", outside the model's interval",
    }[sure]
    reached = f"{escape(best.name)}, reaches {label} {amount(best.val)} against {amount(value)}"
    return f"**Baselines**: all are beaten; the best of them, {reached}{clear}."


def _best_baseline(facts: Facts) -> BaselineFact | None:
    known = [b for b in facts.baselines if b.val is not None]
    pick = max if facts.higher_is_better else min
    return pick(known, key=lambda b: b.val if b.val is not None else 0.0) if known else None


def lead(facts: Facts) -> bool | None:
    """Whether the best baseline's validation score lies outside the model's interval; None where one is missing."""
    best, interval = _best_baseline(facts), facts.interval("val")
    if best is None or best.val is None or interval is None:
        return None
    return not interval[0] <= best.val <= interval[1]


def against_test(facts: Facts) -> str:
    """Whether the test score agrees with validation."""
    val, test = facts.metric("val"), facts.metric("test")
    if val is None:
        return ""
    if test is None:
        return "**Test**: there are no test rows; the validation score chose the model and is somewhat hopeful."
    label = metric_label(facts.primary)
    words = f"**Test**: {label} is {amount(test)} on test rows against {amount(val)} on validation rows"
    on_val, on_test = facts.interval("val"), facts.interval("test")
    if on_val is None or on_test is None:
        return f"{words}."
    if on_val[0] <= on_test[1] and on_test[0] <= on_val[1]:
        return f"{words}; their {on_test[2]:.0%} intervals overlap, so the difference may be chance."
    hopeful = "validation was too hopeful" if (val > test) == facts.higher_is_better else "the test rows were easier"
    return f"{words}; their {on_test[2]:.0%} intervals do not overlap: {hopeful}."


def across_folds(facts: Facts) -> str:
    """The spread over folds, where there was a cross-validation."""
    folds = facts.cross_validation
    if folds is None or facts.primary not in folds.mean:
        return ""
    mean, spread = folds.mean[facts.primary], folds.std.get(facts.primary)
    values = [f.metrics[facts.primary] for f in folds.folds if facts.primary in f.metrics]
    span = f", from {amount(min(values))} to {amount(max(values))}" if values else ""
    return (
        f"**Cross-validation**: {metric_label(facts.primary)} {amount(mean)} ± {amount(spread)} over "
        f"{plural(len(folds.folds), 'fold')}{span}."
    )


def headline(facts: Facts) -> str:
    """The run in one sentence."""
    value = facts.metric("val")
    if value is None:
        return f"The run is {escape(text(facts.record.get('status'), 'unfinished'))} and has no validation score."
    interval = facts.interval("val")
    span = f" ({interval[2]:.0%} interval {amount(interval[0])} to {amount(interval[1])})" if interval else ""
    words = f"{metric_label(facts.primary)} **{amount(value)}** on validation rows{span}"
    test = facts.metric("test")
    words += f", **{amount(test)}** on test rows" if test is not None else ""
    if facts.losing:
        words += f". **It does not beat its baselines: {', '.join(escape(b.name) for b in facts.losing)}**"
    return f"{words}."


def part_name(part: str) -> str:
    """A part of the split for people."""
    return PART_NAMES.get(part, part)
