"""What a search says about its space: which parameters mattered, and where the best value lies on an edge."""

from collections.abc import Sequence

from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.families.contract import Family, Range, Request
from trainwright.search.ledger import Record
from trainwright.search.propose import as_trial, quiet_optuna
from trainwright.search.settings import Settings
from trainwright.search.space import ends

_EDGE = 0.03  # share of the range, on its own scale, that counts as its edge (assumption)
LEAST_TRIALS = 10  # complete or pruned ones: fewer say nothing about a parameter (assumption)


def importance(settings: Settings, trials: Sequence[Record]) -> dict[str, float]:
    """Share of each parameter in what separates the best tenth of trials from all (PED-ANOVA, Watanabe et al. 2023).

    A pruned trial counts with the best value it came to. Empty where trials are too few, or parameters do not all
    apply to all of them.
    """
    from optuna.trial import TrialState, create_trial

    with quiet_optuna() as optuna:
        study = optuna.create_study(direction="minimize")
        for record in trials:
            known = as_trial(record, settings)
            if known is None:
                continue
            best = min(known.intermediate_values.values(), default=known.value)
            value = known.value if known.state is TrialState.COMPLETE else best
            study.add_trial(create_trial(value=value, params=known.params, distributions=known.distributions))
        if len(study.trials) < LEAST_TRIALS:
            return {}
        common = set.intersection(*(set(t.params) for t in study.trials))
        names = [n for n in settings.space if n in common and len({str(t.params[n]) for t in study.trials}) > 1]
        if not names:
            return {}
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(evaluate_on_local=True)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=names)
    total = sum(found.values())
    return {name: float(value) / total for name, value in found.items()} if total > 0 else {}


def edges(settings: Settings, best: Record, family: Family, request: Request) -> list[Finding]:
    """A finding for each parameter whose best value lies on an edge of its range, with the wider range to try."""
    found = []
    for name, value in best.params.items():
        dimension = settings.space[name]
        if dimension.choices or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        side = _side(dimension, float(value))
        if not side:
            continue
        wider = _wider(dimension, side)
        params = {**settings.fixed, **best.params, name: wider}
        if any(p.name == name for p in family.problems(params, request)):
            continue  # there is no more to be had: the family's own limit lies there
        found.append(_edge(name, value, dimension, side, wider))
    return found


def _side(dimension: Range, value: float) -> str:
    import math

    low, high = ends(dimension)
    if dimension.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    at = (value - low) / (high - low)
    return "low" if at <= _EDGE else "high" if at >= 1 - _EDGE else ""


def _wider(dimension: Range, side: str) -> JsonValue:
    """The end moved outwards: three times on a log scale, by half of the range otherwise."""
    low, high = ends(dimension)
    if dimension.log:
        moved = low / 3 if side == "low" else high * 3
    else:
        moved = low - (high - low) / 2 if side == "low" else high + (high - low) / 2
    if dimension.integer:
        return int(moved)
    return float(f"{moved:.3g}")


def _edge(name: str, value: JsonValue, dimension: Range, side: str, wider: JsonValue) -> Finding:
    low, high = ends(dimension)
    edge = "lower" if side == "low" else "upper"
    pair = (wider, _plain(dimension, high)) if side == "low" else (_plain(dimension, low), wider)
    flags = (", log: true" if dimension.log else "") + (", int: true" if dimension.integer else "")
    return Finding(
        code="search.edge",
        severity=Severity.WARNING,
        where=f"hyperparameter_search.search_space.{name}",
        what=f"the best value, {value}, lies on the {edge} edge of {low:g} to {high:g}",
        why="better values may lie outside",
        fix=f"Try {name}: {{low: {pair[0]}, high: {pair[1]}{flags}}}",
        evidence={"value": value, "low": low, "high": high, "wider": wider},
    )


def _plain(dimension: Range, value: float) -> JsonValue:
    return int(value) if dimension.integer else value
