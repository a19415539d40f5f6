"""The public Python functions: the commands with values in place of files."""

import json
from pathlib import Path

import pandas as pd
import pytest

import trainwright
from tests.pipeline.builders import Project, assert_whole, digests, predictions, spec, table
from trainwright.core.errors import ArtifactRefused, DataRefused, SpecError
from trainwright.core.events import Event, Finished, Trained
from trainwright.run.result import RunResult

FRAMES_SPEC = spec(training={"rounds": 30}) | {"data": {"target": "y"}}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A run on frames."""
    return trainwright.train(FRAMES_SPEC, out=tmp_path_factory.mktemp("api"), train=table())


def test_a_frame_and_a_file_of_the_same_rows_give_the_same_model(result: RunResult, tmp_path: Path) -> None:
    run = result.run
    project = Project(tmp_path)
    project.write(spec(training={"rounds": 30}), table())
    from_file = trainwright.train(tmp_path / "spec.yaml", out=tmp_path / "runs")
    pd.testing.assert_frame_equal(predictions(run, "test"), predictions(from_file.run, "test"), check_exact=True)
    assert digests(run)["model"] == digests(from_file.run)["model"]


def test_parts_given_as_frames_are_used_as_they_are(tmp_path: Path) -> None:
    train, val, test = table(seed=1), table(seed=2, rows=90), table(seed=3, rows=70)
    done = trainwright.train(FRAMES_SPEC, out=tmp_path, train=train, val=val, test=test)
    sizes = {part: len(predictions(done.run, part)) for part in ("train", "val", "test")}
    assert sizes == {"train": 320, "val": 90, "test": 70}
    assert predictions(done.run, "val").target.tolist() == val.y.tolist()
    assert_whole(done.run)


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_further_frame_needs_a_train_frame(part: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="needs a train frame") as caught:
        trainwright.train(FRAMES_SPEC, out=tmp_path, **{part: table()})
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_frame_stands_in_for_the_file_that_the_spec_names(result: RunResult, tmp_path: Path) -> None:
    table(seed=5).to_csv(tmp_path / "data.csv", index=False)
    both = FRAMES_SPEC | {"data": {"target": "y", "train_path": str(tmp_path / "data.csv")}}
    done = trainwright.train(both, out=tmp_path / "runs", train=table())
    assert digests(done.run)["model"] == digests(result.run)["model"]


def test_predict_takes_a_frame_and_leaves_it_as_it_was(result: RunResult) -> None:
    run = result.run
    frame = table()
    scored = trainwright.predict(run, frame)
    assert scored.path is None
    assert scored.frame.columns.tolist() == ["prediction", "proba_no", "proba_yes"]
    pd.testing.assert_frame_equal(frame, table())
    stored = predictions(run, "val")
    assert scored.frame.proba_yes[stored.row].tolist() == stored.proba_yes.tolist()


def test_what_an_event_listener_hears_is_what_is_logged(tmp_path: Path) -> None:
    heard: list[Event] = []
    done = trainwright.train(FRAMES_SPEC, out=tmp_path, train=table(), listener=heard.append)
    logged = [json.loads(line) for line in (done.run / "training_log.jsonl").read_text().splitlines()]
    assert [e.to_json()["event"] for e in heard] == [e["event"] for e in logged]
    assert sum(isinstance(e.body, Trained) for e in heard) >= 30
    assert [e.body.stage for e in heard if isinstance(e.body, Finished)][-1] == "report"


def test_check_leaves_nothing_and_tells_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = trainwright.check(FRAMES_SPEC, train=table())
    assert report.plan.model.family == "lightgbm"
    assert {c.name for c in report.checks} >= {"target_leakage", "memorises", "cost"}
    assert list(tmp_path.iterdir()) == []


def test_check_refuses_what_train_refuses(tmp_path: Path) -> None:
    leaking = table().assign(copy=lambda f: (f.y == "yes") * 1)
    for act in (lambda: trainwright.check(FRAMES_SPEC, train=leaking), lambda: _train(tmp_path, leaking)):
        with pytest.raises(DataRefused) as caught:
            act()
        assert [(f.code, f.where) for f in caught.value.findings] == [("leak.target_copy", "copy")]


def _train(folder: Path, frame: pd.DataFrame) -> object:
    return trainwright.train(FRAMES_SPEC, out=folder, train=frame)


def test_a_lifted_check_lets_the_run_go_and_is_said(tmp_path: Path) -> None:
    leaking = table().assign(copy=lambda f: (f.y == "yes") * 1)
    lifted = FRAMES_SPEC | {"checks": {"target_leakage": False}}
    done = trainwright.train(lifted, out=tmp_path, train=leaking)
    assert "The spec lifted these checks: target_leakage." in (done.run / "model_card.md").read_text()
    assert "(lifted)" in (done.run / "report.md").read_text()


def test_compare_and_runs_read_the_folders_alone(result: RunResult, tmp_path: Path) -> None:
    run = result.run
    listed = trainwright.runs(run.parent)
    assert [r.run for r in listed.rows] == [run]
    side_by_side = trainwright.compare([run, run]).markdown()
    assert run.name in side_by_side
    assert "ROC AUC" in side_by_side or "roc_auc" in side_by_side
    with pytest.raises(ArtifactRefused, match="no run folder"):
        trainwright.compare([run, tmp_path])


def test_a_run_on_frames_is_resumed_without_them(result: RunResult) -> None:
    run = result.run
    before = digests(run)
    assert trainwright.resume(run).status == "done"
    assert digests(run) == before
