"""Whole runs with a search, through the real command."""

import json
import shutil
import time
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from tests.pipeline.builders import (
    TIMEOUT_S,
    Project,
    assert_whole,
    codes,
    digests,
    events,
    finish,
    record,
    spec,
    started,
    table,
)
from tests.search.builders import told

SEARCH = {
    "budget": "8 trials",
    "search_space": {
        "num_leaves": {"low": 4, "high": 32, "log": True, "int": True},
        "learning_rate": {"low": 0.03, "high": 0.3, "log": True},
    },
}


def wanted(**changed):
    training = {"rounds": 40, **changed.pop("training", {})}
    model = changed.pop("model", "lightgbm")
    return spec(model, training=training, hyperparameter_search={**SEARCH, **changed})


def summary(run: Path):
    return json.loads((run / "search" / "summary.json").read_text())


@pytest.mark.slow
def test_a_search_ends_in_the_winners_model_and_its_spec_trains_the_same_again(tmp_path):
    project = Project(tmp_path)
    project.write(wanted(), table(rows=600))
    run = project.train()
    assert_whole(run)

    found, ledger = summary(run), told(run)
    assert found["trials"] == 8
    assert [t["number"] for t in ledger if t["repeat"] == 0] == list(range(8))
    assert ledger[0]["origin"] == "the family's defaults"
    best = next(t for t in ledger if t["number"] == found["number"])
    assert record(run)["primary"]["value"] == pytest.approx(best["value"], abs=1e-9)
    assert record(run)["best_params"].items() >= best["params"].items()
    assert record(run)["from_trial"] == found["number"]
    assert started(run).count("fit") == 1
    assert [e["number"] for e in events(run) if e["event"] == "trial"] == list(range(8))

    resolved = YAML(typ="safe").load((run / "resolved.yaml").read_text())
    assert resolved["architecture"]["architecture_spec"]["num_leaves"] == best["params"]["num_leaves"]
    text = (run / "resolved.yaml").read_text()
    assert f"num_leaves: {best['params']['num_leaves']}  # trial {found['number']}" in text
    shutil.copy(run / "resolved.yaml", tmp_path / "again.yaml")
    again = project("train", "again.yaml", "--json")
    assert again.returncode == 0, again.stdout
    assert digests(tmp_path / again.run)["model"] == digests(run)["model"], "kept, and the same bytes as trained alone"

    report = (run / "report.md").read_text()
    assert f"num_leaves: {best['params']['num_leaves']}" in report.split("### Best Configuration")[1].split("```")[1]
    rows = [line for line in report.splitlines() if line.startswith(("| 1 |", "| **1** |", "| 2 |", "| **2** |"))]
    assert len(rows) == 2
    assert (run / "plots" / "search_history.png").is_file()


@pytest.mark.slow
def test_a_search_cannot_reach_the_test_rows(tmp_path):
    """Other test rows, and every trial is the same; they are opened once, at the end."""
    frame = table(rows=500)
    ledgers = []
    for name, test in (("a", table(rows=200, seed=5)), ("b", table(rows=200, seed=5).assign(x0=9.9, y="no"))):
        project = Project(tmp_path / name)
        project.write(
            {**wanted(), "data": {"train_path": "data.csv", "test_path": "t.csv", "target": "y"}}, frame, t=test
        )
        run = project.train()
        ledgers.append(told(run))
        assert record(run)["test_openings"] == ["final evaluation"]
    assert ledgers[0] == ledgers[1]
    assert ledgers[0]


def below_zero():
    """A target that a gamma or Poisson objective refuses."""
    return table("regression", rows=300).assign(y=lambda frame: frame.y - 60)


@pytest.mark.slow
def test_trials_that_fail_are_told_and_the_search_goes_on(tmp_path):
    project = Project(tmp_path)
    space = {"search_space": {"objective": ["squared_error", "gamma", "absolute_error"]}, "method": "grid"}
    project.write(wanted(**space), below_zero())
    run = project.train()
    ends = {t["params"]["objective"]: t["state"] for t in told(run) if t["repeat"] == 0}
    assert ends["gamma"] == "failed"
    assert ends["squared_error"] in ("complete", "pruned")
    failed = next(t for t in told(run) if t["state"] == "failed")
    assert "gamma" in failed["reason"]
    assert "search.trials_failed" in codes(record(run)["findings"])


@pytest.mark.slow
def test_when_every_trial_fails_the_run_fails_with_the_reason(tmp_path):
    project = Project(tmp_path)
    project.write(wanted(search_space={"objective": ["gamma", "poisson"]}, method="grid"), below_zero())
    done = project("train", "spec.yaml", "--json")
    assert done.returncode == 5
    assert "all 2 trials of the search failed" in done.json["error"]["message"]


@pytest.mark.slow
def test_folds_judge_trials_and_the_final_model_is_trained_on_all_rows(tmp_path):
    project = Project(tmp_path)
    project.write(wanted(model="hist_gradient_boosting", folds=3, budget="4 trials", search_space={}), table(rows=300))
    run = project.train()
    whole = [t for t in told(run) if t["state"] == "complete" and t["repeat"] == 0]
    assert all(len(t["folds"]) == 3 for t in whole)
    assert all(t["value"] == pytest.approx(sum(t["folds"]) / 3) for t in whole)
    assert "from_trial" not in record(run)
    assert summary(run)["judged_by"] == "3 folds of the training rows"


@pytest.mark.slow
def test_a_time_budget_is_kept_with_the_search_in_it(tmp_path):
    """The clock is looked at between units; what is checked is that the search ended by time and the run was whole."""
    project = Project(tmp_path)
    project.write(wanted(budget="100000 trials", search_space={}, training={"time_budget": "25s"}), table(rows=500))
    run = project.train()
    assert summary(run)["reason"] == "time"
    assert "search.cut" in codes(record(run)["findings"])
    assert_whole(run)


@pytest.mark.slow
def test_a_trial_that_takes_all_the_time_is_delivered_and_not_begun_again(tmp_path):
    project = Project(tmp_path)
    training = {"time_budget": "20s", "rounds": 1_000_000, "early_stopping": None}
    project.write(wanted(training=training), table(rows=2000))
    run = project.train()
    assert summary(run)["states"] == {"cut": 1}
    assert record(run)["from_trial"] == 0
    assert record(run)["model"]["stopped_by"] == "time_budget"
    assert record(run)["model"]["rounds_run"] == told(run)[0]["curve"][-1][0]
    assert {"budget.stopped", "search.cut"} <= codes(record(run)["findings"])


@pytest.mark.slow
def test_a_network_is_searched_by_its_words_and_kept(tmp_path):
    pytest.importorskip("torch")
    project = Project(tmp_path)
    space = {
        "learning_rate": {"low": 0.005, "high": 0.1, "log": True},
        "hidden_sizes": [[16, 16], [8]],
        "dropout": [0.0],
    }
    project.write(wanted(model="mlp", search_space=space, budget="3 trials", training={"rounds": 4}), table(rows=300))
    run = project.train()
    found = summary(run)
    assert record(run)["best_params"]["hidden_sizes"] in ([16, 16], [8])
    assert record(run).get("from_trial") in (None, found["number"]), "kept only where it has the best value"
    shutil.copy(run / "resolved.yaml", tmp_path / "again.yaml")
    again = project("train", "again.yaml", "--json")
    assert again.returncode == 0, again.stdout
    assert digests(tmp_path / again.run)["predictions"] == digests(run)["predictions"]


@pytest.mark.slow
def test_a_process_that_dies_costs_its_trial_a_second_try(tmp_path):
    """What is killed is trained again: the ledger is that of a search in which nothing died."""
    project = Project(tmp_path)
    project.write(wanted(parallel=2, training={"threads": 2, "rounds": 120}), table(rows=2000))
    expected = told(project.train("--out", "straight"))
    process = project.start("train", "spec.yaml", "--out", tmp_path / "killed", "--quiet")
    ends = time.monotonic() + TIMEOUT_S
    while not [p for p in (tmp_path / "killed").glob("*/search/trials.jsonl") if p.stat().st_size]:
        assert time.monotonic() < ends, "no trial ended"
        time.sleep(0.005)  # a file cannot be waited for
    children = psutil.Process(process.pid).children()
    next(c for c in children if "trainwright.stages.trial_process" in c.cmdline()).kill()
    assert finish(process).returncode == 0
    (run,) = (tmp_path / "killed").iterdir()
    assert told(run) == expected


@pytest.mark.slow
def test_cheap_trials_on_part_of_the_rows_lead_to_full_ones(tmp_path):
    project = Project(tmp_path)
    project.write(wanted(cheap_trials=True, budget="18 trials", pruner="none", seeds=1), table(rows=50_000))
    run = project.train()
    trials = [t for t in told(run) if t["repeat"] == 0]
    cheap = [t for t in trials if t["share"] < 1]
    later = [t for t in trials if t["origin"].endswith("on more rows")]
    assert summary(run)["shares"] == [0.333333, 1.0]
    assert len(cheap) > len(trials) / 2
    assert later
    assert all(t["share"] == 1 and any(t["params"] == c["params"] for c in cheap) for t in later)
    best = next(t for t in trials if t["number"] == summary(run)["number"])
    assert best["share"] == 1, "a model that saw part of the rows is not delivered"
    assert record(run)["primary"]["value"] == pytest.approx(best["value"], abs=1e-9)
