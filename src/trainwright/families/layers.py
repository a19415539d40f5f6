"""A network written as a list of layers in the spec."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _network_words as words
from trainwright.families._layer_list import Rows, read_layers
from trainwright.families._param_rules import LIST, choice
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("torch",)
TASKS = TABLE_TASKS
SUMMARY = "Your network as a list of layers, shapes inferred and checked before training (PyTorch)"
SOURCE = (
    "The layers are yours; without any, two of 256 units with dropout 0.1. Training: AdamW at 1e-3, as the MLP "
    "defaults of Grinsztajn et al. 2022; weight decay 1e-4 and the space are within those of the MLP of Gorishniy et "
    "al. 2021 (rate 1e-5 to 1e-2, decay 1e-6 to 1e-3, patience 16). 200 epochs at most: assumption."
)
FEATURES: FeatureStyle = "native"
SPACE: Mapping[str, Range] = {
    "learning_rate": Range(low=1e-5, high=1e-2, log=True),
    "weight_decay": Range(low=1e-6, high=1e-3, log=True),
    "batch_size": Range(choices=(64, 128, 256, 512)),
}

_TRAINING = words.Training(epochs=200, patience=16)
_STYLES: Mapping[str, FeatureStyle] = {"table": "native", "image": "image", "array": "array", "tokens": "tokens"}
_RANKS = {"image": 3}
_KNOWN = words.vocabulary(
    "layers", rules={"layers": LIST, "input": choice(*_STYLES), "shape": LIST}, aliases={"input_shape": "shape"}
)


def defaults(request: Request) -> dict[str, JsonValue]:
    """Two hidden layers for a table."""
    return {
        "input": "table",
        "layers": [{"linear": 256}, "relu", {"dropout": 0.1}, {"linear": 256}, "relu", {"dropout": 0.1}],
        "learning_rate": 1e-3,
        "weight_decay": 1e-4,
        "batch_size": 256,
        "label_smoothing": 0.0,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """Unknown parameters, and everything wrong with the layers, each by its position."""
    found = words.check(_KNOWN, params, request)
    named, _ = _KNOWN.translate(params)
    values = {**defaults(request), **named}
    if any(p.name in ("input", "shape", "input_shape") for p in found):
        return found
    if "shape" in named:
        found += _shape_problems(named["shape"], str(values["input"]))
    if not any(p.name in ("layers", "shape") for p in found):
        found += read_layers(values["layers"], _rows(values))[1]
    return found


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """The layers with all their options, in the network's parameters."""
    values = words.merged(_KNOWN, params, defaults(request))
    style = _STYLES[str(values["input"])]
    layers, _ = read_layers(values["layers"], _rows(values))
    shape = values.pop("shape", None)
    del values["input"]
    plan = words.network_plan("layers", {**values, "layers": layers}, request, _TRAINING, style)
    if style == "image" and isinstance(shape, list):
        size: JsonValue = {"channels": shape[0], "size": shape[1:]}
        return replace(plan, options={**plan.options, "features": size})
    return plan


def _rows(values: Mapping[str, JsonValue]) -> Rows:
    """One row as far as it is known before the data are read."""
    kind = str(values["input"])
    if "shape" in values:
        sizes = tuple(cast("list[int]", values["shape"]))
        return Rows(sizes, ids=kind == "tokens")
    if kind == "array":
        return Rows(None)
    return Rows((None,) * _RANKS.get(kind, 1), ids=kind == "tokens")


def _shape_problems(shape: JsonValue, kind: str) -> list[ParamProblem]:
    if kind not in ("image", "array"):
        return [ParamProblem(name="shape", what="has no effect: the data decide", fix="it needs input: image or array")]
    sizes = shape if isinstance(shape, list | tuple) else []
    if not sizes or any(type(size) is not int or size < 1 for size in sizes):
        what = f"must be a list of sizes of at least 1, got {shape!r}"
        return [ParamProblem(name="shape", what=what, fix="write for example [3, 32, 32]")]
    if kind == "image" and (len(sizes) != _RANKS[kind] or sizes[0] not in (1, 3)):
        what = f"must be channels (1 or 3), height and width, got {list(sizes)}"
        return [ParamProblem(name="shape", what=what, fix="write for example [3, 32, 32]")]
    return []
