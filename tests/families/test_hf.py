"""``hf/PATH``: what a folder must hold, which parameters there are, and that nothing is downloaded or unpickled."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.families.checkpoints import BERT, GPT, bert, config
from trainwright.core.errors import SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import Task
from trainwright.families import _hf
from trainwright.families._spelled import family_of
from trainwright.families.contract import ParamProblem, Request
from trainwright.families.testing import check_plan

pytest.importorskip("transformers")


def request(folder: Path, task: Task = Task.BINARY) -> Request:
    return Request(task=task, num_classes={Task.BINARY: 2, Task.MULTICLASS: 3}.get(task, 0), estimator=str(folder))


def said(found: list[ParamProblem]) -> str:
    return " / ".join(f"{p.name}: {p.what}; {p.fix}" for p in found)


@pytest.mark.parametrize("task", sorted(_hf.TASKS))
def test_a_config_alone_makes_a_plan_with_a_tokenizer_that_is_learnt(tmp_path: Path, task: Task) -> None:
    asked = request(config(tmp_path, GPT if task is Task.LANGUAGE else BERT), task)
    assert _hf.problems({}, asked) == []
    assert _hf.problems(_hf.defaults(asked), asked) == []
    plan = _hf.build({}, asked)
    check_plan(plan, _hf)  # type: ignore[arg-type]  # a module
    assert plan == _hf.build({}, asked)
    assert plan.features == ("language" if task is Task.LANGUAGE else "tokens")
    assert "weights" not in plan.options
    assert plan.params["offset"] == 0
    learnt = plan.options["features"]
    assert isinstance(learnt, Mapping)
    assert learnt["vocabulary"] in (1024, 4096)
    assert json.loads(json.dumps(plan.params)) == plan.params


def test_weights_are_named_with_their_hash_and_tuned(tmp_path: Path) -> None:
    folder = bert(tmp_path)
    plan = _hf.build({}, request(folder))
    weights = plan.options["weights"]
    assert isinstance(weights, Mapping)
    assert list(weights) == [str(folder / "model.safetensors")]
    assert plan.params["weights"] == {"model.safetensors": next(iter(weights.values()))}
    features, recipe = plan.options["features"], plan.options["recipe"]
    assert isinstance(features, Mapping)
    assert isinstance(recipe, Mapping)
    assert features["tokenizer"] == "pretrained"
    assert features["longest"] == 64
    assert recipe["optimizer"] == {"name": "adamw", "lr": 3e-5, "weight_decay": 0.01}
    assert plan.rounds == 3


def test_a_config_file_and_shards_do_as_well(tmp_path: Path) -> None:
    folder = config(tmp_path / "one", BERT)
    assert _hf.read_checkpoint(folder / "config.json").weights == ()
    shards = bert(tmp_path / "two")
    (shards / "model.safetensors").rename(shards / "model-1.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-1.safetensors"}}
    (shards / "model.safetensors.index.json").write_text(json.dumps(index))
    assert [p.name for p in _hf.read_checkpoint(shards).weights] == ["model-1.safetensors"]
    (shards / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../out.safetensors"}}')
    with pytest.raises(SpecError, match="not in the folder"):
        _hf.read_checkpoint(shards)


BROKEN: Mapping[str, tuple[Mapping[str, str], str]] = {
    "nothing": ({}, "a folder with a config.json is required"),
    "torn": ({"config.json": "{"}, "no config that can be read"),
    "no type": ({"config.json": "{}"}, "has no model_type"),
    "unknown": ({"config.json": '{"model_type": "bertt"}'}, "Did you mean 'bert'"),
    "code": ({"config.json": '{"model_type": "mine", "auto_map": {"AutoModel": "m.py--X"}}'}, "is not run"),
    "pickle": ({"config.json": json.dumps(BERT), "pytorch_model.bin": ""}, "loading a pickle runs whatever it holds"),
    "no tokenizer": ({"config.json": json.dumps(BERT), "model.safetensors": ""}, "has weights and no tokenizer.json"),
    "quantised": ({"config.json": json.dumps({**BERT, "quantization_config": {}})}, "quantised"),
    "two halves": ({"config.json": '{"model_type": "t5"}'}, "no t5 for targets of whole texts"),
}


@pytest.mark.parametrize(("files", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_folder_that_cannot_be_used_is_explained(tmp_path: Path, files: Mapping[str, str], words: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert words in said(_hf.problems({}, request(tmp_path)))


def test_an_encoder_predicts_no_next_token(tmp_path: Path) -> None:
    folder = config(tmp_path, {"model_type": "distilbert"})
    assert "no distilbert for targets that predict the next token" in said(
        _hf.problems({}, request(folder, Task.LANGUAGE))
    )


PARAMETERS: list[tuple[Mapping[str, JsonValue], str]] = [
    ({"hidden_sise": 16}, "did you mean 'hidden_size' of the config?"),
    ({"num_labels": 3}, "the data decides"),
    ({"length": 65}, "the model has 64 positions, got 65"),
    ({"max_length": 65}, "the model has 64 positions, got 65"),
    ({"vocab_size": 100}, "at least 258"),
    ({"tokenizer": "unigram"}, "auto, char, word, bpe"),
    ({"num_hidden_layers": "two"}, "num_hidden_layers"),
    ({"learning_rate": 0}, "above 0"),
    ({"seed": 3}, "`seed` at the top"),
]


@pytest.mark.parametrize(("params", "words"), PARAMETERS)
def test_a_parameter_that_cannot_be_is_named(tmp_path: Path, params: Mapping[str, JsonValue], words: str) -> None:
    found = _hf.problems(params, request(config(tmp_path, BERT)))
    assert words in said(found)
    assert found[0].name == next(iter(params)) or found[0].name in ("length", "vocabulary")


def test_the_config_can_be_changed(tmp_path: Path) -> None:
    asked = request(config(tmp_path, BERT))
    assert _hf.problems({"hidden_dropout_prob": 0.3, "num_hidden_layers": 1}, asked) == []
    plan = _hf.build({"hidden_dropout_prob": 0.3, "length": 20}, asked)
    assert isinstance(plan.params["config"], Mapping)
    assert plan.params["config"]["hidden_dropout_prob"] == 0.3
    assert isinstance(plan.options["features"], Mapping)
    assert plan.options["features"]["length"] == 20


def test_a_tokenizer_that_is_there_is_not_learnt(tmp_path: Path) -> None:
    found = _hf.problems({"tokenizer": "bpe", "vocabulary": 300}, request(bert(tmp_path)))
    assert {p.name for p in found} == {"tokenizer", "vocabulary"}


def test_positions_that_begin_behind_the_padding(tmp_path: Path) -> None:
    folder = config(tmp_path, {**BERT, "model_type": "roberta"})
    assert "the model has 62 positions" in said(_hf.problems({"length": 63}, request(folder)))


def test_the_spellings_are_listed_beside_the_names() -> None:
    import trainwright

    listed = {str(one["name"]): one for one in trainwright.list_families()}
    for spelling in ("hf/PATH", "timm/NAME", "./FILE.py:NAME"):
        assert listed[spelling]["engines"] == ["torch"]


@pytest.mark.parametrize("text", ["hf/models/bert", "hf//abs/path", "hf/x.py"])
def test_how_it_is_spelled(text: str) -> None:
    assert family_of(text) == "hf"
    assert family_of("hf_transformer") is None
