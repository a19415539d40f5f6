"""``timm/NAME``: names, parameters and weights, without any download."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.families.optional import needs_timm
from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import Task
from trainwright.families import _timm
from trainwright.families._spelled import family_of
from trainwright.families.contract import ParamProblem, Request


@pytest.fixture(autouse=True)
def _needs_timm() -> None:
    needs_timm()


def request(name: str = "timm/resnet18", base: Path = Path()) -> Request:
    return Request(task=Task.BINARY, num_classes=2, estimator=name, image=(3, 32, 32), base=str(base))


def said(found: list[ParamProblem]) -> str:
    return " / ".join(f"{p.name}: {p.what}; {p.fix}" for p in found)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm/resnet81", "Did you mean resnet18"),
        ("timm/resnet18.a1_in1k", "'a1_in1k' names weights, which would have to be downloaded"),
        ("timm/hf-hub:timm/resnet18", "nothing is downloaded"),
        ("timm/local-dir:x", "nothing is downloaded"),
        ("timm/", "has no network ''"),
    ],
)
def test_a_name_that_cannot_be_is_explained(name: str, words: str) -> None:
    found = _timm.problems({}, request(name))
    assert [p.name for p in found] == [""]
    assert words in said(found)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"drop_rat": 0.1}, "did you mean 'drop_rate'"),
        ({"image_size": [4, 4]}, "from 8 to 1024 pixels"),
        ({"img_size": [4, 4]}, "from 8 to 1024 pixels"),
        ({"num_classes": 3}, "the number of classes comes from the data"),
        ({"in_chans": 2}, "1, 3"),
        ({"pretrained": True}, "would download weights"),
        ({"pretrained": "x.pth"}, "runs what they hold"),
        ({"pretrained": "x.safetensors"}, "there is no file"),
        ({"pretrained": "../x.safetensors"}, "leads out of the spec's folder"),
        ({"pretrained": 3}, "must be a path"),
        ({"block_args": 3}, "timm refuses it"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(tmp_path: Path, params: Mapping[str, JsonValue], words: str) -> None:
    assert words in said(_timm.problems(params, request(base=tmp_path)))


def test_all_of_timms_own_parameters_are_taken() -> None:
    own: dict[str, JsonValue] = {"drop_path_rate": 0.1, "depth": 2, "embed_dim": 48, "num_heads": 3}
    asked = request("timm/vit_tiny_patch16_224")
    assert _timm.problems(own, asked) == []
    plan = _timm.build({**own, "pretrained": False, "batch_size": 16}, asked)
    assert plan.params == {"name": "vit_tiny_patch16_224", "arguments": own, "weights": {}}
    assert plan.options["features"] == {"size": "auto", "channels": "auto"}


def test_a_file_of_weights_is_named_with_its_hash(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"abc")
    asked = request(base=tmp_path)
    assert _timm.problems({"pretrained": "w.safetensors"}, asked) == []
    plan = _timm.build({"pretrained": "w.safetensors"}, asked)
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert plan.options["weights"] == {str(tmp_path / "w.safetensors"): sha256}
    assert plan.params["weights"] == {"w.safetensors": sha256}
    assert plan.rounds < _timm.build({}, asked).rounds


def test_how_it_is_spelled() -> None:
    assert family_of("timm/resnet18") == "timm"
    assert family_of("timm") is None
