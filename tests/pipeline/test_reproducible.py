"""The same spec, data, versions and threads give the same bytes, through the command and through Python alike."""

from pathlib import Path

import pandas as pd
import pytest

import trainwright
from tests.pipeline.builders import Json, Project, digests, predictions, record, sha256, spec, table

MODELS = {
    "sklearn": ("random_forest", {"n_estimators": 30}, {}),
    "lightgbm": ("lightgbm", {}, {"rounds": 40}),
    "xgboost": ("xgboost", {"subsample": 0.7}, {"rounds": 40}),
    "catboost": ("catboost", {}, {"rounds": 40}),
}


def wanted(engine: str, threads: int) -> Json:
    model, params, training = MODELS[engine]
    return spec(model, params=params, training={**training, "threads": threads})


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("engine", list(MODELS))
def test_the_same_spec_gives_the_same_bytes_again(engine: str, threads: int, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(wanted(engine, threads), table())

    # in a process of its own, where the threads are not what is looked at
    first = project.train() if threads == 1 else trainwright.train(tmp_path / "spec.yaml", out=tmp_path / "runs").run
    second = trainwright.train(tmp_path / "spec.yaml", out=tmp_path / "again").run

    assert record(first)["model"]["engine"] == engine
    assert record(first)["model"]["threads"] == threads
    assert record(first)["digests"] == record(second)["digests"]
    for path in sorted(first.rglob("model/native/**/*")):
        if path.is_file():
            assert sha256(path) == sha256(second / path.relative_to(first)), path
    for part in ("train", "val", "test"):
        pd.testing.assert_frame_equal(predictions(first, part), predictions(second, part), check_exact=True)
    for name in ("metrics", "intervals", "baselines", "primary", "gap", "best_params"):
        assert record(first)[name] == record(second)[name]


def test_another_seed_gives_another_split_and_model(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(wanted("lightgbm", 1), table())
    runs = [trainwright.train(tmp_path / "spec.yaml", out=tmp_path, overrides=[f"seed={s}"]).run for s in (1, 2)]
    splits = [pd.read_parquet(run / "data" / "split.parquet").part.tolist() for run in runs]
    assert splits[0] != splits[1]
    assert digests(runs[0])["model"] != digests(runs[1])["model"]


def test_test_rows_have_no_part_in_the_model(tmp_path: Path) -> None:
    """Two runs whose test files have nothing in common: everything but the test scores is the same."""
    frames = {"train": table(seed=1), "val": table(seed=2)}
    runs = []
    for seed in (3, 4):
        made = trainwright.train(
            wanted("xgboost", 1) | {"data": {"target": "y"}}, out=tmp_path, test=table(seed=seed), **frames
        )
        runs.append(record(made.run))
    one, other = runs
    assert one["digests"]["model"] == other["digests"]["model"]
    assert one["metrics"]["val"] == other["metrics"]["val"]
    assert one["metrics"]["test"] != other["metrics"]["test"]
    assert one["test_openings"] == other["test_openings"] == ["final evaluation"]
