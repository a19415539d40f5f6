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
    """A repair without what was seen of the illness: one that is repeated is made before anything is looked at."""
    return {key: value for key, value in repair.items() if key not in ("evidence", "what")}


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
