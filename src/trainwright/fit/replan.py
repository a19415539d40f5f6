"""The plan of a run with other parameters: what a search tries."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import Task
from trainwright.families.contract import NO_EFFECT, SAME, Family, Request
from trainwright.fit.plan import (
    TWICE,
    Plan,
    family_of,
    is_model_code,
    load_family,
    located,
    plan_model,
    request_of,
    stopping_rule,
)
from trainwright.fit.recipe import with_recipe, with_training

if TYPE_CHECKING:
    from trainwright.data.dataset import Dataset
    from trainwright.spec.load import LoadedSpec

CLASS_WEIGHT = "class_weight"
"""The key of ``training`` that can be searched with every family whose model takes row weights."""

CLASS_WEIGHTS: tuple[JsonValue, ...] = ("none", "sqrt", "balanced")
"""Its values."""


def replanned(plan: Plan, loaded: "LoadedSpec", dataset: "Dataset", params: Mapping[str, JsonValue]) -> Plan:
    """The plan with other parameters over the spec's; those that would do nothing are left out.

    Raises:
        SpecError: the family refuses the parameters.
    """
    training = loaded.spec.training
    kept = with_effect(plan, loaded, dataset, params)
    of_training = {name: value for name, value in kept.items() if is_of_training(loaded, name)}
    merged = {**_fixed(loaded), **{name: value for name, value in kept.items() if name not in of_training}}
    made = plan_model(
        plan.model.family,
        merged,
        dataset,
        rounds=training.limit,
        estimator=_estimator(plan, loaded),
        loaded=loaded,
    )
    model = with_recipe(with_training(made, training), _recipe(of_training))
    watch, patience, min_delta = stopping_rule(loaded, dataset.target.task, plan.primary, model)
    class_weight = str(of_training.get(CLASS_WEIGHT, plan.class_weight))
    return replace(plan, model=model, watch=watch, patience=patience, min_delta=min_delta, class_weight=class_weight)


def is_of_training(loaded: "LoadedSpec", name: str) -> bool:
    """Whether a searched name belongs to the spec's section ``training`` and not to the model.

    ``class_weight`` does for every family. For a network of one's own so do the rate, the batch and their like, unless
    its own signature takes an argument of that name; a published family has them among its own parameters.
    """
    if name == CLASS_WEIGHT:
        return True
    if name not in TWICE.values() or not is_model_code(loaded.spec.architecture.model_type):
        return False
    family, estimator = family_of(loaded.spec)
    request = Request(task=Task.BINARY, estimator=located(loaded, estimator))
    return any(p.name == name for p in load_family(family).problems({name: 1}, request))


def _recipe(of_training: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Searched values by their dotted path below ``training``."""
    return {path: of_training[name] for path, name in TWICE.items() if name in of_training}


def with_effect(
    plan: Plan, loaded: "LoadedSpec", dataset: "Dataset", params: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """The parameters without those that do nothing beside the others, as a condition (`when`) would have done."""
    request = request_of(dataset, rounds=loaded.spec.training.limit, estimator=_estimator(plan, loaded), loaded=loaded)
    own = {name: value for name, value in params.items() if not is_of_training(loaded, name)}
    problems = load_family(plan.model.family).problems({**_fixed(loaded), **own}, request)
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
