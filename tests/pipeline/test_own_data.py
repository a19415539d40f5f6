"""A data set of the user's own through the real command: asked for, trained on, predicted."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.pipeline.builders import ROOT, Project, assert_whole, digests, spec

EXAMPLE = ROOT / "examples" / "own_data.py"
DATA = {"train_path": "./own_data.py:TrainSet", "test_path": "./own_data.py:TestSet"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    shutil.copy(EXAMPLE, tmp_path)
    project = Project(tmp_path)
    project.write(spec("lightgbm", data=DATA, training={"rounds": 20}))
    return project


def test_it_is_not_run_unasked(project: Project) -> None:
    done = project("train", "spec.yaml", "--json")
    assert done.returncode == 2
    message = done.json["error"]["message"]
    assert message.count("a spec may not run code by itself") == 2, "both places at once"
    assert "data.train_path" in message
    assert "data.test_path" in message
    assert not (project.folder / "runs").exists()
    done = project("init", "own_data.py:TrainSet", "--target", "y")
    assert done.returncode == 2
    assert "examples/own_data.yaml" in done.stderr


@pytest.mark.slow
def test_train_and_predict(project: Project) -> None:
    run = project.train("--trust-code")
    assert_whole(run)
    record = json.loads((run / "run.json").read_text())
    assert record["data"]["rows"] == {"train": 960, "val": 240, "test": 300}
    assert record["primary"]["value"] > 0
    done = project("predict", run, "./own_data.py:TestSet")
    assert done.returncode == 2
    assert "DATA: ./own_data.py:TestSet: this is Python code" in done.stderr
    done = project("predict", run, "./own_data.py:TestSet", "--trust-code", "-o", "scored.csv")
    assert done.returncode == 0, done.stderr
    scored = pd.read_csv(project.folder / "scored.csv")
    stored = pd.read_parquet(run / "predictions" / "test.parquet")
    assert len(scored) == 300
    for name in ("proba_saw", "proba_sine", "proba_square"):
        assert scored[name].to_numpy() == pytest.approx(stored[name].to_numpy(), abs=1e-12)
    done = project("predict", run, "./own_data.py:TestSets", "--trust-code")
    assert done.returncode == 2
    assert "Did you mean 'TestSet'?" in done.stderr
    again = project.train("--trust-code")
    assert digests(again) == digests(run)


@pytest.mark.slow
def test_other_values_are_other_data(project: Project) -> None:
    """A run that is resumed over a data set that gives other values is refused."""
    process = project.start("train", "spec.yaml", "--trust-code", "-o", "training.rounds=100000",
                            "-o", "training.early_stopping=null", "-o", "training.checkpoint_every=0.1s")  # fmt: skip
    try:
        while not list(project.folder.glob("runs/*/checkpoints/last*")):
            assert process.poll() is None, process.communicate()
    finally:
        process.kill()
        process.communicate()
    run = project.only_run()
    done = project("resume", run)
    assert done.returncode == 2
    assert "--trust-code" in done.stderr
    path = project.folder / "own_data.py"
    path.write_text(path.read_text().replace("seed=1)", "seed=3)"))
    done = project("resume", run, "--trust-code")
    assert done.returncode == 3
    assert "the data changed since" in done.stderr
