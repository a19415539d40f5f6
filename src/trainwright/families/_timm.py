"""A network for images by its name in the package timm: ``model_type: timm/resnet18``.

Reached by that spelling, not by a plug-in's name. It is built without weights, or with those of a local safetensors
file; nothing is downloaded. Which parameters a model takes is seen by building it without memory (torch's ``meta``).
"""

import difflib
import functools
import hashlib
import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.core.jsonable import JsonValue
from trainwright.core.packages import first_line, needs_package
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _image_words as image
from trainwright.families import _network_words as words
from trainwright.families._param_rules import TEXT
from trainwright.families.contract import ParamProblem, Range, Request

if TYPE_CHECKING:
    from torch import nn

NAME = "timm"
PREFIX = "timm/"
ENGINES = ("torch",)
TASKS = TABLE_TASKS
SUMMARY = "Any of timm's networks for images, without download (extra `vision`)"
SOURCE = (
    "Networks: Wightman, 'PyTorch Image Models', 2019-2026. Training: AdamW, cosine with warm-up and labels smoothed "
    "by 0.1 (Touvron et al. 2021, DeiT). Rate 5e-4, 30 epochs, 10 from a file of weights: assumption. Search space: "
    "assumption, around these."
)
FEATURES: FeatureStyle = "image"
SPACE: Mapping[str, Range] = {
    "learning_rate": Range(low=1e-5, high=3e-3, log=True),
    "weight_decay": Range(low=1e-3, high=0.1, log=True),
    "batch_size": Range(choices=(32, 64, 128)),
}
EXAMPLE = "timm/resnet18"
TORCHVISION = (
    "timm needs the torchvision that was built for this torch: install both from one place, for example the CPU builds "
    "of both, at versions of one release"
)
"""What to do where timm is there and cannot be imported."""

_FRESH = words.Training(epochs=30, patience_share=0.5, scheduler={"name": "cosine", "warmup": 0.1})
_TUNING = replace(_FRESH, epochs=10)
_KNOWN = words.vocabulary(
    NAME,
    rules={**image.RULES, "pretrained": TEXT},
    aliases={"size": "image_size", "img_size": "image_size", "in_chans": "channels", "checkpoint_path": "pretrained"},
)
_OURS = frozenset({"self", "num_classes", "in_chans", "img_size", "device", "dtype", "pretrained_cfg"})
_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")


def defaults(request: Request) -> dict[str, JsonValue]:
    """The same for fresh weights and for those of a file, which is trained a third as long."""
    return {
        "image_size": "auto",
        "channels": "auto",
        "learning_rate": 5e-4,
        "weight_decay": 0.05,
        "batch_size": 64,
        "label_smoothing": 0.1 if request.task.is_classification else 0.0,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """A name timm does not have or that stands for a download, weights that are no safetensors file, parameters.

    Raises:
        ResourceMissing: timm, or the torchvision it needs, is not installed or broken.
    """
    name = request.estimator.removeprefix(PREFIX)
    if wrong := _name_problem(name):
        return [wrong]
    given = {n: v for n, v in params.items() if n in _known_names() and not (_is_input(n) and v == "auto")}
    own = {n: v for n, v in params.items() if n not in _known_names()}
    weights = given.pop("pretrained", None)
    found = words.check(_KNOWN, given, request)
    wrong_size = image.size_problems(_KNOWN.translate(given)[0].get("image_size"))
    found = [p for p in found if p.name != "image_size" or not wrong_size] + wrong_size
    if weights is not None:
        found += _weight_problems(weights, Path(request.base))
    return [*found, *_own_problems(name, own)]


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan that holds the name, timm's own parameters, and the hash of the file the network starts from."""
    given = {n: v for n, v in params.items() if n in _known_names()}
    own = {n: v for n, v in params.items() if n not in _known_names()}
    weights = given.pop("pretrained", None)
    file = None if weights in (None, False) else Path(request.base) / str(weights)
    values = words.merged(_KNOWN, given, defaults(request))
    rest = {name: value for name, value in values.items() if name not in image.INPUT}
    plan = words.network_plan(NAME, rest, request, _FRESH if file is None else _TUNING, FEATURES)
    recipe = plan.options["recipe"]
    assert isinstance(recipe, Mapping)
    options: dict[str, JsonValue] = {
        "recipe": {**recipe, "augment": image.augment(values, request)},
        "features": {"size": values["image_size"], "channels": values["channels"]},
    }
    params = {"name": request.estimator.removeprefix(PREFIX), "arguments": own, "weights": {}}
    if file is None:
        return replace(plan, params=params, options=options)
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    options["weights"] = {str(file.absolute()): sha256}
    note = f"started from {file.name} (sha256 {sha256})"
    return replace(plan, params={**params, "weights": {file.name: sha256}}, options=options, notes=(note,))


def _known_names() -> frozenset[str]:
    return frozenset({*_KNOWN.rules, *_KNOWN.aliases, *_KNOWN.decided})


def _is_input(name: str) -> bool:
    return _KNOWN.canonical(name) in image.INPUT


def _name_problem(name: str) -> ParamProblem | None:
    """Why there is no such network without a download."""
    if ":" in name or "/" in name:
        what = f"{name!r} names a place of weights, and nothing is downloaded"
        return ParamProblem(name="", what=what, fix="write the network's own name, such as timm/resnet18")
    plain, _, tag = name.partition(".")
    with needs_package("timm", "vision", hint=TORCHVISION):
        import timm
    known = timm.list_models()
    if plain not in known:
        close = difflib.get_close_matches(plain, known, n=3)
        fix = f"Did you mean {' or '.join(close)}?" if close else "timm.list_models() gives all names"
        return ParamProblem(name="", what=f"timm {timm.__version__} has no network {plain!r}", fix=fix)
    if tag:
        what = f"{tag!r} names weights, which would have to be downloaded"
        fix = f"write timm/{plain}, and pretrained: FILE.safetensors under architecture_spec to start from a file"
        return ParamProblem(name="", what=what, fix=fix)
    return None


def _weight_problems(weights: JsonValue, base: Path) -> list[ParamProblem]:
    if weights is False:
        return []
    if not isinstance(weights, str):
        what = f"{weights!r} would download weights" if weights is True else f"must be a path, got {weights!r}"
        return [ParamProblem(name="pretrained", what=what, fix="name a local file: weights/resnet18.safetensors")]
    if not weights.endswith(".safetensors"):
        what = f"{weights} is no .safetensors file; loading other formats runs what they hold"
        return [ParamProblem(name="pretrained", what=what, fix="write the weights with safetensors.torch.save_file")]
    if not Path(weights).is_absolute() and not (base / weights).resolve().is_relative_to(base.resolve()):
        fix = "write the absolute path, or move the file beside the spec"
        return [ParamProblem(name="pretrained", what=f"{weights} leads out of the spec's folder", fix=fix)]
    if not (base / weights).is_file():
        what = f"there is no file {base / weights}"
        return [ParamProblem(name="pretrained", what=what, fix="relative paths start from the spec's folder")]
    return []


def _own_problems(name: str, own: Mapping[str, JsonValue]) -> list[ParamProblem]:
    """What timm itself says to its parameters, all of the unknown ones at once."""
    found: list[ParamProblem] = []
    left = dict(own)
    while left:
        try:
            _bare(name, left)
        except TypeError as error:
            unexpected = _UNEXPECTED.search(str(error))
            if unexpected is None or unexpected[1] not in left:
                return [*found, ParamProblem(name=next(iter(left)), what=f"timm refuses it: {first_line(error)}")]
            found.append(_unknown(name, unexpected[1]))
            del left[unexpected[1]]
        except Exception as error:  # noqa: BLE001 - constructors of 1,400 networks: anything may come
            said = f"timm refuses it: {type(error).__name__}: {first_line(error)}"
            return [*found, ParamProblem(name=next(iter(left)), what=said)]
        else:
            return found
    return found


def _unknown(model: str, name: str) -> ParamProblem:
    known = sorted((_signature(model) - _OURS) | set(_KNOWN.rules))
    close = difflib.get_close_matches(name, known, n=1)
    fix = f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(known)}"
    return ParamProblem(name=name, what=f"timm/{model} has no such parameter", fix=fix)


@functools.cache
def _signature(name: str) -> frozenset[str]:
    """The arguments of a network's class."""
    return frozenset(inspect.signature(type(_bare(name, {})).__init__).parameters)


def _bare(name: str, arguments: Mapping[str, JsonValue]) -> "nn.Module":
    """The network without memory for its weights."""
    with needs_package("timm", "vision", hint=TORCHVISION):
        import timm
        import torch
    create: Any = timm.create_model
    with torch.device("meta"):
        network: nn.Module = create(name, pretrained=False, num_classes=2, **arguments)
    return network
