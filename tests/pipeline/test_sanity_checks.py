"""Experiments on an untrained network through the real command: each stops a run by its name, and may be lifted."""

import json
from pathlib import Path

import pytest

import trainwright
from tests.pipeline.builders import Project, codes, record, spec, table
from trainwright.core.errors import ChecksFailed, SpecError
from trainwright.engines.torch import EXPERIMENTS

pytest.importorskip("torch")

NETS = """
import torch
from torch import nn


class Sound(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs.shape[0], 32), nn.ReLU())
        self.head = nn.Linear(32, outputs)

    def forward(self, x):
        return self.head(self.body(x))


class Forgotten(Sound):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.spare = nn.Linear(2, 2)


class Wide(Sound):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs + 4)
"""


def own(folder: Path, name: str, **sections: object) -> dict[str, object]:
    (folder / "nets.py").write_text(NETS)
    return spec(f"./nets.py:{name}", training={"epochs": 3, "batch_size": 64}, **sections)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_broken_network_is_exit_4_and_nothing_is_trained(project: Project) -> None:
    project.write(own(project.folder, "Wide"), table())
    answer = project("train", "spec.yaml", "--trust-code", "--json")
    assert answer.returncode == 4, answer.stdout
    assert answer.json["error"]["kind"] == "checks"
    assert "a binary target needs (64, 1)" in answer.json["error"]["message"].lower()
    assert [f["code"] for f in answer.json["error"]["findings"]] == ["model.output_shape"]
    run = project.only_run()
    assert record(run)["status"] == "failed"
    checks = {c["name"]: c["verdict"] for c in json.loads((run / "checks.json").read_text())["checks"]}
    assert checks["forward_backward"] == "ok"
    assert checks["output_shape"] == "failed"
    assert {checks[n] for n in ("overfit_batch", "fits_sample", "cost")} == {"not checked"}


def test_a_lifted_experiment_stops_nothing_and_is_said(project: Project) -> None:
    project.write(own(project.folder, "Forgotten"), table())
    with pytest.raises(ChecksFailed, match=r"spare\.bias.*checks: \{gradients_flow: false\}"):
        trainwright.check(project.folder / "spec.yaml", trust_code=True)
    project.write(own(project.folder, "Forgotten", checks={"gradients_flow": False}), table())
    done = trainwright.train(project.folder / "spec.yaml", trust_code=True, out=project.folder)
    assert "The spec lifted these checks: gradients_flow." in (done.run / "model_card.md").read_text()
    assert {"torch.data_on", "torch.device"} <= set(codes(record(done.run)["findings"]))


def test_a_sound_network_passes_each_of_them_and_is_not_asked_twice(project: Project) -> None:
    project.write(own(project.folder, "Sound"), table())
    checks = {c.name: c for c in trainwright.check(project.folder / "spec.yaml", trust_code=True).checks}
    made = [name for name in EXPERIMENTS if name != "no_look_ahead"]
    assert [checks[name].verdict.value for name in made if name != "loader_speed"] == ["ok"] * (len(made) - 1)
    assert "memorises" not in checks
    assert checks["beats_dummy"].verdict.value in ("ok", "warning")


@pytest.mark.parametrize(
    ("model", "name", "said"),
    [
        ("lightgbm", "overfit_batch", "overfit_batch is not asked of lightgbm"),
        ("mlp", "memorises", "memorises is not asked of mlp"),
        ("mlp", "overfit_bach", "Did you mean 'overfit_batch'"),
    ],
)
def test_a_lift_without_effect_is_a_mistake(project: Project, model: str, name: str, said: str) -> None:
    project.write(spec(model, checks={name: False}), table())
    with pytest.raises(SpecError, match=said):
        trainwright.check(project.folder / "spec.yaml")


def test_a_device_that_is_not_there_is_exit_2_with_its_place(project: Project) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    project.write(spec("mlp", training={"device": "cuda:1"}), table())
    answer = project("check", "spec.yaml", "--json")
    assert answer.returncode == 2, answer.stdout
    (finding,) = answer.json["error"]["findings"]
    assert finding["where"].startswith("spec.yaml:1:")
    assert "cuda:1 is not there: torch sees 0 CUDA devices" in finding["what"]
    assert "cpu" in finding["fix"]
