"""The spec's training section over a family's recipe."""

import typing
from collections.abc import Mapping
from pathlib import Path

import pytest

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import ModelPlan
from trainwright.engines.torch import recipe as engine
from trainwright.engines.torch.recipe import Recipe, recipe_from
from trainwright.fit.recipe import recipe_values, with_training
from trainwright.spec import loop
from trainwright.spec.load import load
from trainwright.spec.models import Training
from trainwright.spec.resolve import resolved_yaml

FAMILY: dict[str, JsonValue] = {
    "batch_size": 128,
    "optimizer": {"name": "adamw", "lr": 0.04, "weight_decay": 0.02, "betas": [0.9, 0.95]},
    "scheduler": {"name": "coslog4"},
    "label_smoothing": 0.1,
}


def plan(recipe: Mapping[str, JsonValue] | None = None) -> ModelPlan:
    """A plan of a network with a recipe, or of something without one."""
    options: dict[str, JsonValue] = {} if recipe is None else {"recipe": dict(recipe), "features": {"length": 8}}
    return ModelPlan(
        family="mlp",
        engine="torch",
        estimator="mlp",
        params={},
        rounds=3,
        patience=1,
        features="native",
        loss="log loss",
        unit="epoch",
        options=options,
    )


def merged(recipe: Mapping[str, JsonValue], training: Mapping[str, object]) -> Recipe:
    """The recipe after the keys of a spec."""
    found = with_training(plan(recipe), Training.model_validate(training)).options["recipe"]
    assert isinstance(found, dict)
    return recipe_from(found)


def test_what_the_spec_leaves_open_stays_the_familys() -> None:
    assert merged(FAMILY, {}) == recipe_from(FAMILY)


def test_a_key_replaces_and_a_mapping_changes_what_it_names() -> None:
    found = merged(FAMILY, {"batch_size": 64, "optimizer": {"lr": 0.01}, "clip_norm": 1.0})
    assert (found.batch_size, found.clip_norm) == (64, 1.0)
    assert found.optimizer == engine.Optimizer(name="adamw", lr=0.01, weight_decay=0.02, betas=(0.9, 0.95))


def test_another_optimizer_keeps_rate_and_decay_but_no_betas() -> None:
    found = merged(FAMILY, {"optimizer": "sgd"}).optimizer
    assert found == engine.Optimizer(name="sgd", lr=0.04, weight_decay=0.02)
    assert found.betas == engine.Optimizer().betas


def test_a_plan_without_a_recipe_is_left_alone() -> None:
    bare = plan()
    assert with_training(bare, Training.model_validate({"batch_size": 64})) == bare


def test_the_values_of_a_recipe_make_the_same_recipe_through_the_spec() -> None:
    recipe = Recipe(clip_norm=2.0, ema=0.99, batch_size="auto", augment=engine.Augment(flip=True))
    tree: dict[str, dict[str, JsonValue]] = {}
    for path, value in recipe_values(plan(recipe.to_json())).items():
        head, _, inner = path.partition(".")
        tree[head] = {**tree.get(head, {}), inner: value} if inner else value  # type: ignore[assignment]
    assert merged({}, tree) == recipe


@pytest.mark.parametrize(
    ("section", "values"), [(loop.Loop, Recipe), (loop.Optimizer, engine.Optimizer), (loop.Scheduler, engine.Schedule)]
)
def test_the_spec_and_the_engine_use_the_same_names(section: type[loop.Section], values: type) -> None:
    # How many steps make a unit is for the engine alone.
    assert set(section.model_fields) == set(values.__dataclass_fields__) - {"checkpoint_steps"}


@pytest.mark.parametrize(
    ("section", "key", "names"),
    [
        (loop.Optimizer, "name", engine.OptimizerName),
        (loop.Scheduler, "name", engine.ScheduleName),
        (loop.Loop, "loss", engine.LossName),
        (loop.Loop, "precision", engine.Precision),
        (loop.Loop, "data_on", engine.Placement),
    ],
)
def test_the_spec_accepts_the_engines_choices(section: type[loop.Section], key: str, names: object) -> None:
    parts = typing.get_args(section.model_fields[key].annotation)
    literal = next(part for part in parts if typing.get_origin(part) is typing.Literal)
    assert typing.get_args(literal) == typing.get_args(names)


def test_resolved_holds_the_recipe_with_its_origins_and_loads_again(tmp_path: Path) -> None:
    text = "data: {train_path: t.csv, target: y}\ntraining: {scheduler: cosine, optimizer: {lr: 0.1}, epochs: 4}\n"
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")
    (tmp_path / "spec.yaml").write_text(text)
    loaded = load(tmp_path / "spec.yaml")
    model = with_training(plan(FAMILY), loaded.spec.training)
    settled: dict[str, tuple[object, str]] = {
        f"training.{path}": (value, "family default") for path, value in recipe_values(model).items()
    }
    resolved = resolved_yaml(loaded, settled)
    assert "    name: cosine  # given" in resolved
    assert "    lr: 0.1  # given" in resolved
    assert "    betas: [0.9, 0.95]  # family default" in resolved
    assert "rounds:" not in resolved
    (tmp_path / "again.yaml").write_text(resolved)
    again = with_training(plan(FAMILY), load(tmp_path / "again.yaml").spec.training)
    assert again == model
