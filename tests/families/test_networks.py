"""Families of networks for tables, and `layers`: names, limits, what goes into the recipe, every broken list."""

import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise

import pytest

from trainwright.core import registry
from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import Task
from trainwright.families import _network_words as words
from trainwright.families.contract import ParamProblem, Request

BINARY = Request(task=Task.BINARY, num_classes=2, rows=1000, columns=10)
MULTICLASS = Request(task=Task.MULTICLASS, num_classes=4, rows=1000, columns=10)
REGRESSION = Request(task=Task.REGRESSION, rows=1000, columns=10)
FAMILIES = ("mlp", "resnet", "ft_transformer", "tabm", "layers")

Given = Mapping[str, JsonValue]


def problems(family: str, params: Given, request: Request = BINARY) -> list[ParamProblem]:
    found: list[ParamProblem] = registry.load("families", family).problems(params, request)
    return found


def said(found: list[ParamProblem]) -> str:
    return " / ".join(f"{p.name}: {p.what}; {p.fix}" for p in found)


BROKEN: list[tuple[str, Given, Request, str]] = [
    ("mlp", {"hidden_size": [3]}, BINARY, "did you mean 'hidden_sizes'"),
    ("mlp", {"lr": 0.1, "learning_rate": 0.1}, BINARY, "another name of 'lr'"),
    ("mlp", {"p_drop": 1.0}, BINARY, "below 1"),
    ("mlp", {"learning_rate": 0}, BINARY, "above 0"),
    ("mlp", {"learning_rate": "fast"}, BINARY, "a number"),
    ("mlp", {"batch_size": 0}, BINARY, "at least 1"),
    ("mlp", {"hidden_sizes": []}, BINARY, "must be a list"),
    ("mlp", {"hidden_sizes": [64, 0]}, BINARY, "layer widths"),
    ("mlp", {"hidden_sizes": [64, "a"]}, BINARY, "layer widths"),
    ("mlp", {"embedding": 1}, BINARY, "at least 2"),
    ("mlp", {"label_smoothing": 0.1}, REGRESSION, "no labels to smooth"),
    ("mlp", {"numeric_embedding": "none", "frequencies": 8}, BINARY, "needs numeric_embedding: pbld"),
    ("mlp", {"n_epochs": 3}, BINARY, "training.rounds"),
    ("mlp", {"optimizer": "sgd"}, BINARY, "training.optimizer"),
    ("mlp", {"seed": 3}, BINARY, "`seed` at the top"),
    ("resnet", {"normalization": "groupnorm"}, BINARY, "batchnorm, layernorm"),
    ("resnet", {"d_hidden_multiplier": 0.5}, BINARY, "at least 1"),
    ("ft_transformer", {"d_block": 100}, BINARY, "multiple of attention_n_heads (8)"),
    ("ft_transformer", {"d_token": 8, "ffn_d_hidden_multiplier": 0.1}, BINARY, "leaves no unit"),
    ("tabm", {"arch_type": "tabm-packed"}, BINARY, "tabm, tabm-mini"),
    ("tabm", {"n_bins": 20}, BINARY, "needs numeric_embedding: piecewise"),
    ("tabm", {"k": 0}, BINARY, "at least 1"),
]


@pytest.mark.parametrize(("family", "params", "request_", "words"), BROKEN)
def test_a_broken_parameter_is_named(family: str, params: Given, request_: Request, words: str) -> None:
    assert words in said(problems(family, params, request_))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("request_", [BINARY, MULTICLASS, REGRESSION])
def test_training_goes_to_the_recipe_and_the_rest_to_the_network(family: str, request_: Request) -> None:
    given: dict[str, JsonValue] = {"learning_rate": 0.5, "weight_decay": 0.25, "batch_size": 7.0}
    plan = registry.load("families", family).build(given, request_)
    recipe = plan.options["recipe"]
    assert recipe["optimizer"]["lr"] == 0.5
    assert recipe["optimizer"]["weight_decay"] == 0.25
    assert type(recipe["batch_size"]) is int
    assert not set(plan.params) & set(words.RECIPE_RULES)
    assert (plan.engine, plan.estimator, plan.features, plan.unit) == ("torch", family, "native", "epoch")
    assert plan.accepts_weights
    assert not plan.accepts_sparse
    if request_.task is Task.REGRESSION:
        assert recipe["label_smoothing"] == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_rate_and_batch_may_be_found_by_the_engine(family: str) -> None:
    assert problems(family, {"learning_rate": "auto", "batch_size": "auto"}) == []


def test_the_published_recipe_of_realmlp() -> None:
    plan = registry.load("families", "mlp").build({}, MULTICLASS)
    recipe = plan.options["recipe"]
    assert recipe["optimizer"] == {"name": "adamw", "betas": [0.9, 0.95], "lr": 0.04, "weight_decay": 0.02}
    assert recipe["scheduler"] == {"name": "coslog4"}
    assert (recipe["batch_size"], recipe["label_smoothing"], plan.rounds) == (256, 0.1, 256)
    assert plan.params["activation"] == "selu"
    assert plan.loss == "multiclass log loss with labels smoothed by 0.1"
    regression = registry.load("families", "mlp").build({}, REGRESSION)
    assert regression.params["activation"] == "mish"
    assert regression.options["recipe"]["optimizer"]["lr"] == 0.2


def test_the_patience_of_realmlp_outlasts_every_cycle_of_its_schedule() -> None:
    lows = [0, 1 / 15, 3 / 15, 7 / 15, 1]  # where coslog4 is 0
    for rounds in (16, 100, 256):
        plan = registry.load("families", "mlp").build({}, Request(task=Task.BINARY, num_classes=2, rounds=rounds))
        longest = max(b - a for a, b in pairwise(lows))
        assert plan.patience >= longest * rounds


def test_published_names_are_understood() -> None:
    given: dict[str, JsonValue] = {"p_drop": 0.3, "act": "mish", "wd": 0.0, "ls_eps": 0.0, "num_emb_type": "none"}
    assert problems("mlp", given) == []
    plan = registry.load("families", "mlp").build(given, BINARY)
    assert (plan.params["dropout"], plan.params["activation"], plan.params["numeric_embedding"]) == (
        0.3,
        "mish",
        "none",
    )


def test_piecewise_embeddings_make_tabm_shallower_unless_told() -> None:
    build = registry.load("families", "tabm").build
    assert build({}, BINARY).params["n_blocks"] == 3
    assert build({"numeric_embedding": "piecewise"}, BINARY).params["n_blocks"] == 2
    assert build({"numeric_embedding": "piecewise", "n_layers": 4}, BINARY).params["n_blocks"] == 4


IMAGE: dict[str, JsonValue] = {"input": "image", "shape": [3, 8, 8]}
TOKENS: dict[str, JsonValue] = {"input": "tokens"}
SEQUENCE: dict[str, JsonValue] = {"input": "array", "shape": [20, 4]}

MISTAKES: list[tuple[Given, JsonValue, str, str]] = [
    # position, what is said
    ({}, "relu", "layers", "must be a list"),
    ({}, ["rellu"], "layers.0", "did you mean 'relu'"),
    ({}, ["relu", {"linaer": 3}], "layers.1", "did you mean 'linear'"),
    ({}, ["relu", "zzzz"], "layers.1", "layers: avgpool"),
    ({}, ["linear"], "layers.0", "linear needs its width"),
    ({}, [{"linear": None}], "layers.0", "linear needs its width"),
    ({}, [{"linear": {}}], "layers.0", "write {linear: 64}"),
    ({}, [{"linear": 0}], "layers.0.width", "at least 1"),
    ({}, [{"linear": "big"}], "layers.0.width", "whole number"),
    ({}, [{"linear": {"widht": 3}}], "layers.0.widht", "did you mean 'width'"),
    ({}, [{"linear": {"width": 3, "bias": "no"}}], "layers.0.bias", "true or false"),
    ({}, ["dropout"], "layers.0", "write {dropout: 0.1}"),
    ({}, [{"dropout": 1}], "layers.0.share", "below 1"),
    ({}, [{"relu": 3}], "layers.0", "takes no value"),
    ({}, [{"relu": {"slope": 1}}], "layers.0.slope", "has no such option"),
    ({}, [3], "layers.0", "is no layer"),
    ({}, [{}], "layers.0", "is no layer"),
    ({}, [{"linear": 3, "dropout": 0.1}], "layers.0", "several layers in one item"),
    ({}, [{"linear": 8}, {"conv2d": 4}], "layers.1", "needs an image (channels, height, width) and gets a vector"),
    ({}, [{"lstm": 4}], "layers.0", "needs a sequence"),
    ({}, [{"embedding": 4}], "layers.0", "gets numbers"),
    ({}, ["maxpool"], "layers.0", "maxpool needs a sequence"),
    ({}, [{"linear": 8}, {"residual": [{"linear": 9}]}], "layers.1", "the shapes must be equal"),
    ({}, [{"residual": 3}], "layers.0", "needs a list of layers"),
    ({}, [{"residual": ["rellu"]}], "layers.0.residual.0", "did you mean 'relu'"),
    ({}, [{"residual": [{"linear": {"bias": 3}}]}], "layers.0.residual.0.bias", "true or false"),
    (IMAGE, [{"conv2d": 4}, "relu", {"linear": 4}], "layers.2", "put flatten or global_avgpool before it"),
    (IMAGE, [{"conv2d": 4}], "layers.0", "must end with a vector"),
    (IMAGE, [{"conv2d": {"kernel": 3}}, "flatten"], "layers.0", "conv2d needs its channels"),
    (IMAGE, ["maxpool", "maxpool", "maxpool", "maxpool", "flatten"], "layers.3", "window of 2 does not fit"),
    (IMAGE, [{"conv2d": {"channels": 2, "kernel": 9, "padding": 0}}, "flatten"], "layers.0", "window of 9"),
    (IMAGE, [{"conv1d": 4}, "flatten"], "layers.0", "for images: conv2d"),
    (IMAGE, [{"residual": [{"conv2d": {"channels": 3, "stride": 2}}]}, "flatten"], "layers.0", "3 x 4 x 4"),
    (TOKENS, [{"linear": 4}], "layers.0", "put {embedding: 64} before it"),
    (TOKENS, [{"residual": ["relu"]}], "layers.0.residual.0", "needs numbers"),
    (TOKENS, [{"embedding": 4}, {"embedding": 4}], "layers.1", "gets numbers"),
    (TOKENS, [{"embedding": 4}, {"lstm": {"width": 4, "output": "all"}}], "layers.1", "must end with a vector"),
    (TOKENS, [], "layers", "must be a list"),
    (SEQUENCE, [{"conv2d": 4}, "flatten"], "layers.0", "for sequences: conv1d"),
    (SEQUENCE, [{"gru": {"width": 4, "output": "first"}}], "layers.0.output", "last, all"),
]


@pytest.mark.parametrize(("given", "layers", "position", "message"), MISTAKES)
def test_a_mistake_in_a_list_names_its_position(given: Given, layers: JsonValue, position: str, message: str) -> None:
    found = problems("layers", {**given, "layers": layers})
    assert [p.name for p in found] == [position], said(found)
    assert message in said(found)


def test_all_mistakes_of_a_list_come_at_once() -> None:
    layers: JsonValue = ["rellu", {"linear": 0}, {"residual": [{"dropout": 2}, "tanhh"]}]
    names = [p.name for p in problems("layers", {"layers": layers, "lerning_rate": 1})]
    assert names == ["lerning_rate", "layers.0", "layers.1.width", "layers.2.residual.0.share", "layers.2.residual.1"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shape": [3, 4]}, "has no effect"),
        ({"input": "image", "shape": [2, 8, 8]}, "channels (1 or 3)"),
        ({"input": "array", "shape": [0]}, "at least 1"),
        ({"input": "picture"}, "table, image, array, tokens"),
    ],
)
def test_what_goes_in_is_checked(given: Given, message: str) -> None:
    assert message in said(problems("layers", given))


def test_every_option_of_a_layer_is_in_the_plan() -> None:
    build = registry.load("families", "layers").build
    plan = build({**IMAGE, "layers": [{"Conv2d": 4.0}, "ReLU", {"max-pool": 2}, "flatten", {"Dense": 8}]}, BINARY)
    assert plan.params["layers"][0] == {
        "kind": "conv2d",
        "channels": 4,
        "kernel": 3,
        "stride": 1,
        "padding": None,
        "groups": 1,
        "bias": True,
    }
    assert [layer["kind"] for layer in plan.params["layers"]] == ["conv2d", "relu", "maxpool", "flatten", "linear"]
    assert plan.features == "image"
    assert plan.options["features"] == {"channels": 3, "size": [8, 8]}


def test_asking_families_loads_no_framework() -> None:
    code = f"""
import sys
from trainwright.core import registry
from trainwright.core.tasks import Task
from trainwright.families.contract import Request
for name in {FAMILIES}:
    family = registry.load("families", name)
    family.problems({{}}, Request(task=Task.BINARY)), family.build({{}}, Request(task=Task.BINARY))
print([m for m in ("torch", "numpy", "sklearn") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
