"""The spec's ``training`` section over a family's recipe for its network."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from trainwright.core.jsonable import JsonValue, to_json
from trainwright.core.plan import ModelPlan
from trainwright.spec.loop import LOOP_KEYS

if TYPE_CHECKING:
    from trainwright.spec.models import Training


def with_training(plan: ModelPlan, training: "Training") -> ModelPlan:
    """The plan with what the spec says about the loop in place of the family's choice.

    A mapping (``optimizer: {lr: 0.01}``) changes the keys it names. Another optimiser or schedule by name drops the
    settings that belonged to the family's one: betas tuned for AdamW say nothing about SGD.
    """
    recipe = plan.options.get("recipe")
    if not isinstance(recipe, Mapping):
        return plan
    merged: dict[str, JsonValue] = dict(recipe)
    for key, value in given_keys(training).items():
        merged[key] = _over(merged.get(key), value)
    return replace(plan, options={**plan.options, "recipe": merged})


def with_recipe(plan: ModelPlan, values: Mapping[str, JsonValue]) -> ModelPlan:
    """The plan with other values at dotted paths of its recipe (``optimizer.lr``)."""
    recipe = plan.options.get("recipe")
    if not isinstance(recipe, Mapping) or not values:
        return plan
    merged: dict[str, JsonValue] = dict(recipe)
    for path, value in values.items():
        section, _, key = path.rpartition(".")
        merged[section or key] = _over(merged.get(section), {key: value}) if section else value
    return replace(plan, options={**plan.options, "recipe": merged})


def given_keys(training: "Training") -> dict[str, JsonValue]:
    """The keys of the loop that the spec sets, without what it leaves open."""
    given = training.model_dump(include=set(LOOP_KEYS), exclude_none=True)
    return {key: to_json(value) for key, value in given.items()}


def recipe_values(plan: ModelPlan) -> dict[str, JsonValue]:
    """Dotted path below ``training`` -> value, for every choice of the plan's recipe that the spec language has."""
    recipe = cast("Mapping[str, JsonValue]", plan.options.get("recipe", {}))
    flat: dict[str, JsonValue] = {}
    for key in LOOP_KEYS:
        value = recipe.get(key)
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": one for inner, one in value.items() if one is not None}
        elif value is not None:
            flat[key] = value
    return flat


def _over(before: JsonValue, value: JsonValue) -> JsonValue:
    if not isinstance(before, Mapping) or not isinstance(value, Mapping):
        return value
    if value.get("name", before.get("name")) != before.get("name"):
        kept = {key: before[key] for key in ("lr", "weight_decay", "warmup") if key in before}
        return {**kept, **value}
    return {**before, **value}
