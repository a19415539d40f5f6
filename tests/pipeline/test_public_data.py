"""Public tables, from a file to a model with nothing but `init` and `train`: better than the floor in their README."""

from pathlib import Path

import pytest

from tests.pipeline.builders import Project, assert_whole, record

FLOORS = {
    "titanic.csv": ("Survived", "roc_auc", 0.823),
    "california_housing.csv": ("median_house_value", "rmse", 47_631.0),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", list(FLOORS))
def test_init_and_train_alone_beat_the_floor(shared_data: Path, tmp_path: Path, name: str) -> None:
    target, metric, floor = FLOORS[name]
    project = Project(tmp_path)
    drafted = project("init", shared_data / name, "--target", target, "-o", "spec.yaml", "--json")
    assert drafted.returncode == 0, drafted.stdout
    run = project.train("-o", f"training.metric={metric}")
    written = record(run)
    value = written["metrics"]["test"][metric]
    assert value > floor if written["primary"]["direction"] == "maximize" else value < floor
    assert all(b["beaten"] for b in written["baselines"])
    assert_whole(run)
