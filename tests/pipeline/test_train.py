"""Whole runs: every family for tables, the run folder as promised, the model better than a guess."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

import trainwright
from tests.pipeline.builders import Project, TaskName, assert_whole, digests, predictions, record, spec, started, table
from trainwright.core import registry

KEYS = ["status", "run", "metrics", "primary", "best_params", "findings", "artifacts", "seconds"]
FILES = (
    "spec.yaml", "resolved.yaml", "run.json", "environment.json", "checks.json", "training_log.jsonl", "report.md",
    "report.html",
    "model_card.md", "handoff/manifest.json", "handoff/prompt.md", "data/fingerprint.json", "data/schema.json",
    "data/split.parquet", "model/native/hashes.json", "plots/baselines.png", "predictions/train.parquet",
    "predictions/val.parquet", "predictions/test.parquet",
)  # fmt: skip
STAGES = ("data", "data_checks", "features", "checks", "baselines", "baseline:dummy", "fit", "export", "evaluate")
TASKS: tuple[TaskName, ...] = ("binary", "multiclass", "regression")
ROUNDS = {
    "lightgbm": 60, "xgboost": 30, "catboost": 50, "hist_gradient_boosting": 20, "sklearn_mlp": 30, "sklearn": 30,
    "random_forest": 40, "extra_trees": 40,
}  # fmt: skip
ESTIMATORS = {True: "sklearn.ensemble.GradientBoostingClassifier", False: "sklearn.ensemble.GradientBoostingRegressor"}
TABLE_ENGINES = {"sklearn", "lightgbm", "xgboost", "catboost"}


def _cells() -> list[tuple[str, TaskName]]:
    """Every family that trains on an engine for tables, with each of its tasks. What is a guess itself is none."""
    found: list[tuple[str, TaskName]] = []
    for name in registry.names("families"):
        family = registry.load("families", name)
        if name != "dummy" and set(family.ENGINES) <= TABLE_ENGINES:
            found += [(name, task) for task in TASKS if task in {t.value for t in family.TASKS}]
    return found


def test_the_families_for_tables_are_all_here() -> None:
    assert {name for name, _ in _cells()} >= {
        "catboost", "extra_trees", "hist_gradient_boosting", "knn", "lightgbm", "linear", "naive_bayes",
        "random_forest", "sklearn", "sklearn_mlp", "svm", "xgboost",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("family", "task"), _cells())
def test_a_family_trains_a_whole_run_that_beats_a_guess(family: str, task: TaskName, tmp_path: Path) -> None:
    model = ESTIMATORS[task != "regression"] if family == "sklearn" else family
    training = {"rounds": ROUNDS[family]} if family in ROUNDS else {}
    project = Project(tmp_path)
    project.write(spec(model, training=training), table(task))

    if task == TASKS[0]:
        done = project("train", "spec.yaml", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        answer = done.json
    else:  # a process takes two seconds to start, and the first task has shown that it does the same
        answer = trainwright.train(tmp_path / "spec.yaml", out=tmp_path / "runs").to_json()

    assert list(answer) == KEYS
    assert answer["status"] == "done"
    assert set(answer["metrics"]) == {"train", "val", "test"}
    run = tmp_path / answer["run"]
    assert run == project.only_run()
    _assert_complete(run, task)
    _assert_announced_once(run)
    _assert_beats_dummy(run, answer["primary"])
    assert record(run)["model"]["family"] == family


def _assert_complete(run: Path, task: TaskName) -> None:
    missing = [name for name in FILES if not (run / name).is_file()]
    assert missing == []
    assert_whole(run)
    for name in ("report.md", "model_card.md", "handoff/prompt.md", "handoff/README.md"):
        assert unfilled((run / name).read_text()) == [], name
    written = record(run)
    assert written["status"] == "done"
    assert written["task"] == task
    assert written["test_openings"] == ["final evaluation"]
    checks = json.loads((run / "checks.json").read_text())["checks"]
    assert {c["name"] for c in checks} >= {"target", "target_leakage", "shared_rows", "memorises", "beats_dummy"}


def _assert_announced_once(run: Path) -> None:
    began = started(run)
    assert [stage for stage in began if stage != "report"] == list(STAGES)
    assert began.count("report") == 1


def _assert_beats_dummy(run: Path, primary: dict[str, object]) -> None:
    (dummy,) = [b for b in record(run)["baselines"] if b["name"] == "dummy"]
    model, guess = primary["value"], dummy["val"]
    assert isinstance(model, float)
    assert model > guess if primary["direction"] == "maximize" else model < guess
    assert dummy["beaten"] is True


def unfilled(document: str) -> list[str]:
    """Placeholders left in a document: ``[Like this]``, ``{{ this }}``, None, NaN. Links, lists and boxes are none."""
    text = re.sub(r"```.*?```", "", document, flags=re.DOTALL)
    text = re.sub(r"!?\[[^\]]*\]\([^)]*\)", "", text)
    return re.findall(r"\[[^\]\n]*\]|\{\{.*?\}\}|\{%.*?%\}|[|:*] *None\b(?! of)|\bnan\b|\bTODO\b", text)


def test_what_is_looked_for_as_unfilled_is_found() -> None:
    text = "Score: [value], {{ x }}, **None**, | None | None of 3, see [the log](training_log.jsonl)"
    assert unfilled(text) == ["[value]", "{{ x }}", "*None", "| None"]


# --- one run, looked at from all sides


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A folder whose run is finished."""
    made = Project(tmp_path_factory.mktemp("one run"))
    made.write(spec(training={"rounds": 40}, baselines=["dummy", "linear"]), table("multiclass"))
    made.train()
    return made


def test_the_reported_metrics_are_those_of_the_stored_predictions(project: Project) -> None:
    from sklearn import metrics

    run = project.only_run()
    for part, told in record(run)["metrics"].items():
        stored = predictions(run, part)
        classes = ["high", "low", "mid"]
        proba = stored[[f"proba_{c}" for c in classes]].to_numpy()
        expected = {
            "log_loss": metrics.log_loss(stored.target, proba, labels=classes),
            "accuracy": metrics.accuracy_score(stored.target, stored.prediction),
            "f1_macro": metrics.f1_score(stored.target, stored.prediction, average="macro"),
            "mcc": metrics.matthews_corrcoef(stored.target, stored.prediction),
        }
        assert {name: told[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_stored_predictions_are_of_the_rows_of_the_split_with_their_own_targets(project: Project) -> None:
    run = project.only_run()
    data = pd.read_csv(project.folder / "data.csv")
    split = pd.read_parquet(run / "data" / "split.parquet")
    assert sorted(split.row) == list(range(len(data)))
    for part in ("train", "val", "test"):
        stored = predictions(run, part)
        assert set(stored.row) == set(split.row[split.part == part])
        assert stored.row.is_monotonic_increasing
        assert stored.target.tolist() == data.y[stored.row].tolist()


def test_predict_gives_a_row_for_every_row_equal_to_the_stored_ones(project: Project) -> None:
    run = project.only_run()
    answer = project("predict", run, "data.csv", "-o", "scored.csv", "--json")
    assert answer.returncode == 0
    columns = ["prediction", "proba_high", "proba_low", "proba_mid"]
    assert answer.json["rows"] == 320
    assert answer.json["columns"] == columns

    scored = pd.read_csv(project.folder / "scored.csv")
    assert scored.columns.tolist() == columns
    assert len(scored) == 320
    for part in ("train", "val", "test"):
        stored = predictions(run, part)
        pd.testing.assert_frame_equal(
            scored.iloc[stored.row].reset_index(drop=True), stored[columns], check_exact=True, check_dtype=False
        )


def test_predict_without_a_file_prints_csv_alone_and_needs_no_target(project: Project) -> None:
    rows = pd.read_csv(project.folder / "data.csv").drop(columns="y").iloc[::-1]
    rows.to_csv(project.folder / "new.csv", index=False)
    printed = project("predict", project.only_run(), "new.csv")
    whole = trainwright.predict(project.only_run(), project.folder / "data.csv").frame
    assert printed.returncode == 0
    assert printed.stdout == whole.iloc[::-1].to_csv(index=False)


def test_predict_names_all_missing_columns(project: Project) -> None:
    pd.read_csv(project.folder / "data.csv")[["x0", "y"]].to_csv(project.folder / "few.csv", index=False)
    done = project("predict", project.only_run(), "few.csv", "--json")
    assert done.returncode == 3
    message = done.json["error"]["message"]
    assert all(name in message for name in ("x1", "x2", "colour"))


def test_the_sample_of_the_handoff_scores_as_it_says(project: Project) -> None:
    run = project.only_run()
    scored = trainwright.predict(run, run / "handoff" / "sample.csv").frame
    expected = pd.read_csv(run / "handoff" / "sample_predictions.csv")
    assert len(scored) == 20
    pd.testing.assert_frame_equal(scored, expected[scored.columns], check_exact=True, check_dtype=False)


def test_the_resolved_spec_gives_the_same_again(project: Project, tmp_path: Path) -> None:
    run = project.only_run()
    (project.folder / "resolved.yaml").write_bytes((run / "resolved.yaml").read_bytes())
    done = project("train", "resolved.yaml", "--json", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert digests(Path(done.json["run"])) == digests(run)


@pytest.mark.slow
def test_what_training_sets_for_a_network_is_told_once_and_as_it_was_used(tmp_path: Path) -> None:
    """Batch size and rate are keys of the family, too: the report and the resolved spec have the ones that trained."""
    pytest.importorskip("torch")
    project = Project(tmp_path)
    training = {"epochs": 3, "batch_size": 32, "optimizer": {"lr": 0.01}}
    project.write(spec("mlp", params={"hidden_sizes": [8]}, training=training), table())
    run = project.train()

    best = record(run)["best_params"]
    assert (best["batch_size"], best["learning_rate"]) == (32, 0.01)
    report = (run / "report.md").read_text()
    assert "batch_size: 32" in report
    assert "learning_rate: 0.01" in report
    (project.folder / "resolved.yaml").write_bytes((run / "resolved.yaml").read_bytes())
    again = project("train", "resolved.yaml", "--json", "--out", "again")
    assert again.returncode == 0, again.stdout
    assert digests(project.folder / again.run)["model"] == digests(run)["model"]


def test_documents_can_be_written_again_from_the_folder_alone(project: Project, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project.only_run(), copy)
    before = (copy / "report.md").read_text()
    for name in ("report.md", "report.html", "model_card.md", "handoff/manifest.json"):
        (copy / name).unlink()
    assert project("report", copy, "--json").returncode == 0
    again = (copy / "report.md").read_text()
    sizes = re.compile(r"\| [\d.,]+ (B|kB|MB) \|")  # the log has grown since
    assert sizes.sub("", again) == sizes.sub("", before)
    assert_whole(copy)


def test_for_people_the_headline_says_score_baselines_and_where_the_report_is(project: Project, tmp_path: Path) -> None:
    done = project("train", "spec.yaml", "--quiet", "--out", str(tmp_path))
    assert done.returncode == 0
    assert done.stderr == ""
    for words in ("log_loss", "beats dummy", "report.md", "trainwright predict"):
        assert words in done.stdout
