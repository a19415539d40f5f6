"""A Transformers model from a local folder or config: ``model_type: hf/PATH``.

Reached by that spelling, not by a name. ``PATH`` is a folder with ``config.json``, and where they are there
``model.safetensors`` and ``tokenizer.json``, or a config file. Nothing is downloaded, no code of a checkpoint is run,
and nothing is unpickled.
"""

import difflib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainwright.core.errors import SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.core.packages import first_line, needs_package, whole_or_absent
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import Task
from trainwright.data.tokenizers import FIRST
from trainwright.families import _network_words as words
from trainwright.families import _text_words as text
from trainwright.families._param_rules import choice
from trainwright.families.contract import ParamProblem, Range, Request

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

NAME = "hf"
PREFIX = "hf/"
ENGINES = ("torch",)
TASKS = frozenset(Task)
SUMMARY = "A Transformers checkpoint or config in a local folder, for texts (extra `text`)"
SOURCE = (
    "Your checkpoint. Fine-tuning: AdamW at 3e-5 with a tenth of warm-up and a linear fall over three epochs, batches "
    "of 32, weight decay 0.01 (Devlin et al. 2019; Mosbach et al. 2021 for the warm-up). From fresh weights: 5e-4 over "
    "ten epochs (assumption). Search space: Devlin et al. 2019's rates, widened."
)
FEATURES: FeatureStyle = "tokens"
SPACE: Mapping[str, Range] = {
    "learning_rate": Range(low=1e-5, high=1e-3, log=True),
    "weight_decay": Range(low=1e-3, high=0.1, log=True),
    "batch_size": Range(choices=(16, 32, 64)),
}

_TUNING = words.Training(epochs=3, patience=3, scheduler={"name": "linear", "warmup": 0.1}, recipe={"clip_norm": 1.0})
_FRESH = replace(_TUNING, epochs=10, patience=4)
_BY_TASK = "leave it out: the data decides"
_KNOWN = replace(
    words.vocabulary(
        NAME,
        rules={**text.TOKEN_RULES, "tokenizer": choice("auto", "char", "word", "bpe")},
        aliases=text.TOKEN_ALIASES,
    ),
    decided={**words.DECIDED, **dict.fromkeys(("num_labels", "id2label", "label2id", "problem_type"), _BY_TASK)},
)
_LEARNT = ("tokenizer", "vocabulary")
"""Parameters of a tokenizer that is learnt; without effect where the folder has one."""
_DECIDED = frozenset(
    {
        *("vocab_size", "num_labels", "id2label", "label2id", "problem_type", "pad_token_id", "bos_token_id"),
        *("eos_token_id", "use_cache", "dtype", "torch_dtype", "model_type", "architectures", "is_encoder_decoder"),
        *("is_decoder", "return_dict", "output_attentions", "output_hidden_states", "transformers_version"),
        *("auto_map", "attn_implementation", "tokenizer_class", "quantization_config", "_name_or_path"),
    }
)
"""Keys of a config that the data, the task or the engine decide."""
TORCHVISION = "Transformers imports it where it is there: install the build that goes with torch, or remove it"
"""What to do where torchvision is installed for another torch."""
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack")
# Positions that begin behind the padding id (transformers, create_position_ids_from_input_ids of each).
_SHIFTED = frozenset(
    {
        *("roberta", "xlm-roberta", "xlm-roberta-xl", "roberta-prelayernorm", "camembert", "longformer", "mpnet"),
        *("data2vec-text", "ibert"),
    }
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What lies in the folder. ``weights`` are files of safetensors, none for a start from fresh weights."""

    config: Mapping[str, JsonValue]
    weights: tuple[Path, ...]
    tokenizer: Path | None


def defaults(request: Request) -> dict[str, JsonValue]:
    """Fine-tuning where there are weights, else training from the start."""
    there = _folder(request)
    tunes = there is not None and bool(there.weights)
    learnt: dict[str, JsonValue] = {
        "tokenizer": "auto",
        "vocabulary": 4096 if request.task is not Task.LANGUAGE else 1024,
    }
    return {
        **({} if there is not None and there.tokenizer else learnt),
        **({} if request.task is Task.LANGUAGE else {"length": "auto"}),
        "learning_rate": 3e-5 if tunes else 5e-4,
        "weight_decay": 0.01,
        "batch_size": 32,
        "label_smoothing": 0.0,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """A folder that holds no usable model, a model without a head for the task, parameters nobody knows.

    Raises:
        ResourceMissing: the package ``transformers`` is not installed, or broken.
    """
    try:
        there = read_checkpoint(Path(request.estimator))
    except SpecError as error:
        return [ParamProblem(name="", what=error.message)]
    found = _model_problems(there, request.task)
    if found:
        return found
    known = set(_config_of(there.config, {}).to_dict()) | set(there.config)
    overrides = {n: v for n, v in params.items() if n in known - _DECIDED and _KNOWN.canonical(n) is None}
    given = {n: v for n, v in params.items() if n not in overrides and not (n == "length" and v == "auto")}
    found = [_nearer(one, known - _DECIDED) for one in words.check(_KNOWN, given, request)]
    mine = _KNOWN.translate(given)[0]
    found += [_fixed(name) for name in mine if name in _LEARNT and there.tokenizer is not None]
    if request.task is Task.LANGUAGE and "length" in mine:
        found.append(ParamProblem(name="length", what="the text is cut in stretches", fix="set data.stretch instead"))
    try:
        config = _config_of(there.config, overrides)
    except SpecError as error:
        name = next((n for n in overrides if n in error.message), next(iter(overrides), ""))
        return [*found, ParamProblem(name=name, what=error.message)]
    return [*found, *_length_problems(mine, config), *_pair_problems(mine)]


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan that carries the config; the weights are named with their hashes and read by the engine."""
    there = read_checkpoint(Path(request.estimator))
    overrides = {n: v for n, v in params.items() if _KNOWN.canonical(n) is None}
    config = _config_of(there.config, overrides)
    mine = {n: v for n, v in params.items() if n not in overrides}
    values = words.merged(_KNOWN, mine, {"length": "auto", **defaults(request)})
    style: FeatureStyle = "language" if request.task is Task.LANGUAGE else FEATURES
    plan = words.network_plan(NAME, values, request, _TUNING if there.weights else _FRESH, style)
    hashes = {path.name: _sha256(path) for path in there.weights}
    own: dict[str, JsonValue] = {
        "config": cast("dict[str, JsonValue]", json.loads(json.dumps({**there.config, **overrides}))),
        "offset": FIRST if there.tokenizer else 0,
        "weights": dict(hashes),
    }
    options: dict[str, JsonValue] = {**plan.options, "features": _features(values, there, request.task, config)}
    if there.weights:
        options["weights"] = {str(path.absolute()): hashes[path.name] for path in there.weights}
    return replace(plan, params=own, options=options, notes=tuple(_note(n, h) for n, h in hashes.items()))


def read_checkpoint(path: Path) -> Checkpoint:
    """Look at a folder or a config file.

    Raises:
        SpecError: there is none, no config in it, weights that would have to be unpickled, or weights without their
            tokenizer.
    """
    folder, file = (path, path / "config.json") if path.is_dir() else (path.parent, path)
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SpecError(f"there is no {file}: a folder with a config.json is required, or a config file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise SpecError(f"{file} is no config that can be read: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise SpecError(f"{file} is no config of Transformers: it has no model_type")
    if not path.is_dir():
        return Checkpoint(config, (), None)
    weights = _weights(folder)
    tokenizer = folder / "tokenizer.json"
    if weights and not tokenizer.is_file():
        raise SpecError(
            f"{folder} has weights and no tokenizer.json, without which nobody knows what their ids mean. Write it "
            "with AutoTokenizer.from_pretrained(...).save_pretrained(...), or take the weights away"
        )
    return Checkpoint(config, weights, tokenizer if tokenizer.is_file() else None)


def _weights(folder: Path) -> tuple[Path, ...]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return (single,)
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SpecError(f"{index} is no index that can be read: {error!r}") from error
        if wrong := [n for n in names if Path(str(n)).name != n or not (folder / n).is_file()]:
            raise SpecError(f"{index} names {wrong[0]}, which is not in the folder")
        return tuple(folder / str(name) for name in names)
    if pickled := [name for name in _PICKLED if (folder / name).is_file()]:
        raise SpecError(
            f"{folder} has its weights as {pickled[0]}, which is not read (loading a pickle runs whatever it holds). "
            "Write them as model.safetensors with save_pretrained, or take the file away to start from fresh weights"
        )
    return ()


def _folder(request: Request) -> Checkpoint | None:
    """The checkpoint, where there is a usable one."""
    try:
        return read_checkpoint(Path(request.estimator))
    except SpecError:
        return None


def _model_problems(there: Checkpoint, task: Task) -> list[ParamProblem]:
    _offline()
    with needs_package("transformers", "text"):
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
        from transformers.models.auto.modeling_auto import (
            MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
            MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
        )
    from trainwright.core.registry import unknown

    whole_or_absent("torchvision", hint=TORCHVISION)
    kind = str(there.config["model_type"])
    if kind not in CONFIG_MAPPING_NAMES:
        more = " Its code lies beside it, and is not run." if "auto_map" in there.config else ""
        close = unknown("model_type of Transformers", kind, tuple(CONFIG_MAPPING_NAMES)).split(" Known:")[0]
        return [ParamProblem(name="", what=f"{close}{more}", fix="take a model that the installed version has")]
    if "quantization_config" in there.config:
        return [ParamProblem(name="", what="quantised weights cannot be trained", fix="save the checkpoint in float32")]
    heads = (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES if task is Task.LANGUAGE else MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
    )
    if kind not in heads or _config_of(there.config, {}).is_encoder_decoder:
        wanted = "that predict the next token" if task is Task.LANGUAGE else "of whole texts"
        return [ParamProblem(name="", what=f"Transformers has no {kind} for targets {wanted} here")]
    return []


def _config_of(config: Mapping[str, JsonValue], overrides: Mapping[str, JsonValue]) -> "PreTrainedConfig":
    """The config as an object.

    Raises:
        SpecError: a value it cannot have.
    """
    _offline()
    with needs_package("transformers", "text"):
        from transformers import CONFIG_MAPPING, logging
    logging.set_verbosity_error()
    try:
        return CONFIG_MAPPING[str(config["model_type"])].from_dict({**config, **overrides})
    except Exception as error:  # checks of many libraries: anything may come
        raise SpecError(f"Transformers does not take this config: {first_line(error)}") from error


def _offline() -> None:
    """Nothing of a hub is asked for, whatever a config says."""
    os.environ["HF_HUB_OFFLINE"] = "1"


def _nearer(problem: ParamProblem, known: Iterable[str]) -> ParamProblem:
    """For a name nobody knows: the nearest key of the config, where one is near."""
    close = difflib.get_close_matches(problem.name, sorted(known), n=1)
    if "no such parameter" not in problem.what or not close or "did you mean" in problem.fix:
        return problem
    return replace(problem, fix=f"did you mean {close[0]!r} of the config?")


def _fixed(name: str) -> ParamProblem:
    return ParamProblem(name=name, what="has no effect: the folder has a tokenizer.json", fix="leave it out")


def _length_problems(params: Mapping[str, JsonValue], config: "PreTrainedConfig") -> list[ParamProblem]:
    most, asked = positions(config), params.get("length")
    if most is None or not isinstance(asked, int) or asked <= most:
        return []
    return [ParamProblem(name="length", what=f"the model has {most} positions, got {asked}", fix="write a smaller one")]


def _pair_problems(params: Mapping[str, JsonValue]) -> list[ParamProblem]:
    size = params.get("vocabulary")
    if params.get("tokenizer", "auto") not in ("auto", "bpe") or not isinstance(size, int) or size >= text.BYTES:
        return []
    what = f"byte pairs need a vocabulary of at least {text.BYTES}, got {size}"
    return [ParamProblem(name="vocabulary", what=what, fix="raise it, or write tokenizer: word")]


def positions(config: "PreTrainedConfig") -> int | None:
    """How many tokens the model can read; None where nothing limits it."""
    most = getattr(config, "max_position_embeddings", None)
    if not isinstance(most, int) or most < 1:
        return None
    shifted = config.model_type in _SHIFTED
    return most - (int(config.pad_token_id or 0) + 1) if shifted else most


def _features(
    values: Mapping[str, JsonValue], there: Checkpoint, task: Task, config: "PreTrainedConfig"
) -> dict[str, JsonValue]:
    made: dict[str, JsonValue] = {}
    if task is not Task.LANGUAGE:
        made["length"] = values["length"]
        if (most := positions(config)) is not None:
            made["longest"] = min(most, 512)  # as `trainwright.data.token_features`
    if there.tokenizer is not None:
        return {**made, "tokenizer": "pretrained", "file": str(there.tokenizer.absolute())}
    kind = values["tokenizer"]
    kind = "bpe" if kind == "auto" and task is not Task.LANGUAGE else kind
    return {**made, "tokenizer": kind, "vocabulary": values["vocabulary"]}


def _note(name: str, sha256: str) -> str:
    return f"started from {name} (sha256 {sha256})"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
