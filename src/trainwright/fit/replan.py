"""The plan of a run with other parameters: what a search tries."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from trainwright.core.jsonable import JsonValue
from trainwright.families.contract import NO_EFFECT, SAME, Family, Request
from trainwright.fit.plan import Plan, family_of, load_family, plan_model, request_of, stopping_rule
from trainwright.fit.recipe import with_training

if TYPE_CHECKING:
    from trainwright.data.dataset import Dataset
    from trainwright.spec.load import LoadedSpec


def replanned(plan: Plan, loaded: "LoadedSpec", dataset: "Dataset", params: Mapping[str, JsonValue]) -> Plan:
    """The plan with other parameters over the spec's; those that would do nothing are left out.

    Raises:
        SpecError: the family refuses the parameters.
    """
    training = loaded.spec.training
    merged = {**_fixed(loaded), **with_effect(plan, loaded, dataset, params)}
    made = plan_model(
        plan.model.family,
        merged,
        dataset,
        rounds=training.limit,
        estimator=_estimator(plan, loaded),
        loaded=loaded,
    )
    model = with_training(made, training)
    watch, patience, min_delta = stopping_rule(loaded, dataset.target.task, plan.primary, model)
    return replace(plan, model=model, watch=watch, patience=patience, min_delta=min_delta)


def with_effect(
    plan: Plan, loaded: "LoadedSpec", dataset: "Dataset", params: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """The parameters without those that do nothing beside the others, as a condition (`when`) would have done."""
    request = request_of(dataset, rounds=loaded.spec.training.limit, estimator=_estimator(plan, loaded), loaded=loaded)
    problems = load_family(plan.model.family).problems({**_fixed(loaded), **params}, request)
    idle = {p.name for p in problems if p.what.startswith(NO_EFFECT)}
    return {name: value for name, value in params.items() if name not in idle}


def renamed(
    family: Family, params: Mapping[str, JsonValue], names: Mapping[str, JsonValue], request: Request
) -> dict[str, JsonValue]:
    """Parameters of the family's own under the names a user writes (``eta`` for ``learning_rate``).

    ``names``: the user's names with a value that is right for each.
    """
    found = dict(params)
    for theirs, value in names.items():
        if theirs in params:
            continue
        for ours in params:
            if any(p.what.startswith(SAME) for p in family.problems({ours: params[ours], theirs: value}, request)):
                found[theirs] = found.pop(ours)
                break
    return found


def _fixed(loaded: "LoadedSpec") -> Mapping[str, JsonValue]:
    return cast(Mapping[str, JsonValue], loaded.spec.architecture.architecture_spec)


def _estimator(plan: Plan, loaded: "LoadedSpec") -> str:
    """What the spec's spelling names, where the plan is of the spec's own family."""
    name, estimator = family_of(loaded.spec)
    return estimator if plan.model.family == name else ""
