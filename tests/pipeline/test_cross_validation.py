"""Folds, what is delivered after them, and baselines: one that beats the model is said, or delivered."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from tests.pipeline.builders import Json, Project, assert_whole, codes, predictions, record, spec, table

LINEAR_WINS = spec("auto", training={"rounds": 5}, baselines=["dummy", "linear"])


def linear_table() -> pd.DataFrame:
    """A target that is a straight line: no tree does it better."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    frame["y"] = frame @ [3.0, -2.0, 1.0, 0.5] + 0.1 * rng.normal(size=300)
    return frame


def grouped_table() -> pd.DataFrame:
    frame = table("binary")
    frame["person"] = np.repeat(np.arange(len(frame) // 8), 8)
    return frame


def timed_table() -> pd.DataFrame:
    frame = table("regression")
    frame["day"] = (np.datetime64("2024-01-01") + np.arange(len(frame))).astype(str)
    return frame


CASES = {
    "stratified": (table, {}, {}),
    "group": (grouped_table, {"columns": {"group": "person"}}, {}),
    "time": (timed_table, {"columns": {"time": "day"}}, {"final": "ensemble"}),
}


@pytest.fixture(scope="module", params=list(CASES))
def folded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, pd.DataFrame]:
    """A finished run with four folds of each strategy."""
    make, data, final = CASES[request.param]
    frame = make()
    project = Project(tmp_path_factory.mktemp("folds"))
    folds = {"folds": 4, "strategy": request.param, **final}
    project.write(spec(data=data, training={"rounds": 30}, cross_validation=folds), frame)
    return request.param, project.train(), frame


@pytest.mark.slow
def test_out_of_fold_predictions_give_the_scores_of_the_folds(folded: tuple[str, Path, pd.DataFrame]) -> None:
    strategy, run, frame = folded
    oof = predictions(run, "oof")
    training_rows = predictions(run, "train").row
    summary = record(run)["cross_validation"]
    assert summary == json.loads((run / "cross_validation.json").read_text())
    assert summary["strategy"] == strategy
    assert [f["fold"] for f in summary["folds"]] == [0, 1, 2, 3]
    assert sum(f["rows"] for f in summary["folds"]) == len(oof)
    assert oof.row.is_unique
    assert oof.target.tolist() == frame.y[oof.row].tolist()
    if strategy == "time":
        unheld = set(training_rows) - set(oof.row)
        assert unheld == set(sorted(training_rows)[: len(unheld)]), "only the first rows are never held out"
        ends = np.cumsum([f["rows"] for f in summary["folds"]])
        parts = [oof.iloc[end - f["rows"] : end] for end, f in zip(ends, summary["folds"], strict=True)]
        found = [metrics.root_mean_squared_error(p.target, p.prediction) for p in parts]
        assert [f["metrics"]["rmse"] for f in summary["folds"]] == pytest.approx(found, abs=1e-9)
    else:
        assert set(oof.row) == set(training_rows)
        right = (oof.target == oof.prediction).sum()
        told = sum(f["metrics"]["accuracy"] * f["rows"] for f in summary["folds"])
        assert told == pytest.approx(right)
    name = record(run)["primary"]["name"]
    values = [f["metrics"][name] for f in summary["folds"]]
    assert summary["mean"][name] == pytest.approx(np.mean(values))
    assert summary["std"][name] == pytest.approx(np.std(values, ddof=1))
    assert_whole(run)


@pytest.mark.slow
def test_out_of_fold_predictions_are_not_those_of_a_model_that_saw_the_row(
    folded: tuple[str, Path, pd.DataFrame],
) -> None:
    _, run, _ = folded
    joined = predictions(run, "oof").merge(predictions(run, "train"), on="row", suffixes=("_oof", "_train"))
    columns = [c for c in joined if c.startswith(("prediction_", "proba_yes_"))]
    numeric = joined[columns].select_dtypes("number")
    assert (numeric.iloc[:, 0] != numeric.iloc[:, 1]).mean() > 0.9


@pytest.mark.slow
def test_what_is_delivered_after_folds_is_what_was_asked_for(folded: tuple[str, Path, pd.DataFrame]) -> None:
    strategy, run, _ = folded
    members = sorted(p.name for p in (run / "model" / "native").glob("member-*"))
    if CASES[strategy][2]:
        assert members == [f"member-{n}" for n in range(4)]
        assert "model.ensemble" in codes(record(run)["findings"])
        for n in range(4):
            for path in (run / "folds" / str(n) / "model" / "member-0").rglob("*.*"):
                copy = run / "model" / "native" / f"member-{n}" / path.relative_to(path.parents[1])
                assert copy.read_bytes() == path.read_bytes()
    else:
        assert members == ["member-0"]
        assert "model.ensemble" not in codes(record(run)["findings"])


def test_groups_stay_on_one_side_of_the_split_and_of_every_fold(tmp_path: Path) -> None:
    """A feature that is the person: out-of-fold scores are chance when no person is on both sides."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(80), 5)
    own = rng.permutation(np.repeat(["no", "yes"], 40))[person]
    frame = pd.DataFrame({"person": person, "height": person * 1.0 + 0.5, "noise": rng.normal(size=400), "y": own})
    project = Project(tmp_path)
    wanted = spec(
        "knn",
        data={"columns": {"group": "person"}},
        cross_validation={"folds": 4, "strategy": "group"},
        checks={"target_leakage": False, "group_leakage": False},
    )
    project.write(wanted, frame)
    run = project.train()
    parts = {part: set(person[predictions(run, part).row]) for part in ("train", "val", "test")}
    assert not parts["train"] & parts["val"]
    assert not parts["train"] & parts["test"]
    assert not parts["val"] & parts["test"]
    assert record(run)["cross_validation"]["mean"]["accuracy"] < 0.75


# --- baselines


@pytest.mark.slow
def test_auto_delivers_the_baseline_that_beats_it(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(LINEAR_WINS, linear_table())
    run = project.train()
    written = record(run)
    (finding,) = [f for f in written["findings"] if f["code"] == "plan.simpler_chosen"]
    assert written["model"]["family"] == "linear"
    assert written["primary"]["value"] == pytest.approx(finding["evidence"]["chosen"])
    assert finding["evidence"]["chosen"] < finding["evidence"]["left"]
    assert "baseline.not_beaten" not in codes(written["findings"])
    assert [b["name"] for b in written["baselines"]] == ["dummy"]
    assert "linear was chosen over" in (run / "report.md").read_text()
    assert_whole(run)


@pytest.mark.slow
def test_a_named_model_is_delivered_and_losing_is_said(tmp_path: Path) -> None:
    project = Project(tmp_path)
    wanted: Json = {**LINEAR_WINS, "architecture": {"model_type": "lightgbm"}}
    project.write(wanted, linear_table())
    done = project("train", "spec.yaml", "--quiet")
    assert done.returncode == 0
    assert "DOES NOT BEAT linear" in done.stdout
    written = record(project.only_run())
    assert written["model"]["family"] == "lightgbm"
    assert {b["name"]: b["beaten"] for b in written["baselines"]} == {"dummy": True, "linear": False}
    assert "baseline.not_beaten" in codes(written["findings"])
    assert "**" in next(line for line in _lines(project.only_run(), "does not beat") if "linear" in line)


def _lines(run: Path, words: str) -> list[str]:
    return [line for line in (run / "report.md").read_text().splitlines() if words in line]
