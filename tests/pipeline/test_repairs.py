"""A run whose rate destroys its model: repaired, told everywhere, and the same again from ``resolved.yaml``."""

import shutil
from pathlib import Path

import pytest

import trainwright
from tests.pipeline.builders import Json, Project, digests, events, record, sha256, spec, table

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

SAME = {"doctor.overfitting", "doctor.learned_by_heart", "doctor.label_noise", "fit.overfit"}


def hot(**training: object) -> Json:
    recipe = {"epochs": 5, "batch_size": 32, "optimizer": {"name": "adamw", "lr": 30.0}}
    params = {"hidden_sizes": [16]}
    return spec("mlp", params=params, training={**recipe, "scheduler": "constant", **training})


def changes(repair: Json) -> Json:
    """A repair without what was seen of the illness: one that is repeated is made before anything is looked at, and
    where there is more memory more rows are compared."""
    return {key: value for key, value in repair.items() if key not in ("evidence", "what", "proof")}


def test_a_run_repairs_itself_and_its_resolved_spec_repeats_it_bit_for_bit(tmp_path: Path) -> None:
    project = Project(tmp_path / "first", fresh=True)
    project.write(hot(), table())
    run = project.train()

    made = record(run)["repairs"]
    assert made[0]["symptom"] == "doctor.loss_exploding"
    assert made[0]["values"] == {"measure": True}
    assert made[-1]["helped"]
    assert made[0]["after"]["learning_rate"] < 30
    assert sum(event["event"] == "repaired" for event in events(run)) == len(made)
    assert "doctor.loss_exploding" in {finding["code"] for finding in record(run)["findings"]}
    assert "**Repairs**" in (run / "report.md").read_text()
    resolved = (run / "resolved.yaml").read_text()
    assert "repeat:  # repair" in resolved

    again = Project(tmp_path / "again", fresh=True)
    again.folder.mkdir()
    shutil.copy(tmp_path / "first" / "data.csv", again.folder)
    (again.folder / "spec.yaml").write_text(resolved)
    second = again.train("-o", "training.repairs.mode=off")
    assert [changes(one) for one in record(second)["repairs"]] == [changes(one) for one in made]
    assert digests(second) == digests(run)
    for path in (run / "model" / "native").rglob("*.safetensors"):
        assert sha256(path) == sha256(second / path.relative_to(run))


def test_a_repaired_run_that_is_stopped_and_resumed_ends_in_the_same_bytes(tmp_path: Path) -> None:
    whole, cut = Project(tmp_path / "whole", fresh=True), Project(tmp_path / "cut", fresh=True)
    for project in (whole, cut):
        project.write(hot(checkpoint_every="0.01s"), table())
    run = whole.train()
    process = cut.start("train", "spec.yaml", "--json")
    log = "*/training_log.jsonl"
    while process.poll() is None and not any(
        b'"repaired"' in path.read_bytes() for path in (cut.folder / "runs").glob(log)
    ):
        pass
    process.kill()
    process.communicate()
    done = cut("resume", cut.only_run(), "--json")
    assert done.returncode == 0, done.stderr
    assert digests(cut.only_run()) == digests(run)
    assert record(cut.only_run())["repairs"] == record(run)["repairs"]


def test_overfitting_is_told_once_by_the_one_who_saw_the_training(tmp_path: Path) -> None:
    rows = table(rows=120)
    rows["y"] = rows["y"].sample(frac=1, random_state=3).to_numpy()
    long = {"epochs": 60, "batch_size": 16, "optimizer": {"name": "adamw", "lr": 0.02}, "early_stopping": None}
    given = spec("mlp", params={"hidden_sizes": [64]}, training={**long, "scheduler": "constant"})
    run = trainwright.train(given | {"data": {"target": "y"}}, out=tmp_path, train=rows).run
    assert record(run)["gap"]["verdict"] == "Concerning"
    said = {finding["code"] for finding in record(run)["findings"]} & SAME
    assert len(said) == 1
    assert said < {"doctor.overfitting", "doctor.learned_by_heart"}


NET = """
import os

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.stack = nn.Sequential(nn.LazyLinear(16), nn.ReLU(), nn.Linear(16, outputs))
        self.stack(torch.zeros(2, inputs.shape[0]))

    def forward(self, x):
        rank, room = os.environ.get("FULL_RANK"), int(os.environ.get("ROOM", "1000"))
        if self.training and len(x) > room and rank in (None, os.environ.get("RANK")):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.stack(x)
"""


def roomless(folder: Path, **training: object) -> Project:
    """A network of one's own, whose memory ``ROOM`` rows fill."""
    project = Project(folder)
    plan = spec("./net.py:Net", training={"epochs": 3, "batch_size": 64, "optimizer": {"lr": 0.01}, **training})
    project.write(plan, table())
    (folder / "net.py").write_text(NET)
    return project


def test_full_memory_is_repaired_told_everywhere_and_repeated_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROOM", "40")
    project = roomless(tmp_path)
    run = project.train("--trust-code")
    (made,) = record(run)["repairs"]
    assert (made["action"], made["values"]) == ("halve_batch", {"batch_size": 32, "step_rows": 64})
    assert made["helped"]
    assert made["proof"]["equivalent"]
    assert made["proof"]["difference"] <= made["proof"]["tolerance"]
    assert made["proof"]["rows"] == 32  # 64 do not fit
    assert record(run)["model"]["batch_size"] == 64
    assert "with the same gradient" in (run / "report.md").read_text()
    found = {finding["code"]: finding for finding in record(run)["findings"]}
    assert found["doctor.out_of_memory"]["severity"] == "warning"

    monkeypatch.delenv("ROOM")
    resolved = (run / "resolved.yaml").read_text()
    assert "action: halve_batch" in resolved
    (project.folder / "spec.yaml").write_text(resolved)
    second = project.train("--trust-code", "-o", "training.repairs.mode=off")
    assert record(second)["repairs"][0]["proof"]["rows"] == 64
    assert [changes(one) for one in record(second)["repairs"]] == [changes(one) for one in record(run)["repairs"]]
    assert digests(second) == digests(run)


def test_full_memory_without_repairs_is_exit_8_with_the_lines_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = roomless(tmp_path, repairs="off")
    monkeypatch.setenv("ROOM", "40")
    done = project("train", "spec.yaml", "--json", "--trust-code")
    assert done.returncode == 8
    assert "training.batch_size: 32 and training.accumulate: 2" in done.json["error"]["message"]


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_of_several_without_memory_ends_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: str
) -> None:
    project = roomless(tmp_path, distributed={"strategy": "ddp", "processes": 2})
    monkeypatch.setenv("ROOM", "20")
    monkeypatch.setenv("FULL_RANK", rank)
    done = project("train", "spec.yaml", "--json", "--trust-code")  # which has its own limit, if the others wait on
    assert done.returncode == (8 if rank == "0" else 5)
    assert "out of memory in a pass over 64 rows" in done.json["error"]["message"]
