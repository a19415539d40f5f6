"""The luck of the best trial, measured on held-out rows: nested and repeated."""

import signal
import statistics
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests.search.builders import record, settings, told
from tests.search.whole import TickingClock, gone_on, searched
from trainwright.core.errors import DataRefused, Stopped
from trainwright.core.events import Started
from trainwright.core.metrics import find
from trainwright.core.tasks import Task
from trainwright.report.search import search_lines
from trainwright.report.trials import read_search
from trainwright.run.files import read_json
from trainwright.search.held_out import Held, held_from_json, held_to_json, measured

SPACE = {
    "max_depth": {"low": 2, "high": 12, "int": True},
    "min_samples_leaf": {"low": 1, "high": 40, "log": True, "int": True},
    "max_features": {"low": 0.3, "high": 1.0},
    "criterion": ["gini", "entropy"],
}
TREE = "sklearn.tree.DecisionTreeClassifier"  # trees on noise are guesses that differ
TRAINING = {"metric": "roc_auc"}
AUC = find("roc_auc", Task.BINARY)


def search(way, **changed):
    return {"budget": "8 trials", "seeds": 1, "search_space": SPACE, "optimism": way, "optimism_folds": 3, **changed}


def rows(kind, *, count=600, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(count, 4)).round(5), columns=list("abcd"))
    y = rng.integers(0, 2, count) == 1 if kind == "noise" else frame.a + frame.b > 0
    return frame.assign(y=np.where(y, "yes", "no"))


def outcome(work):
    """The measured optimism without what depends on time."""
    found = read_json(work.folder.path / "search" / "optimism.json")["measured"]
    divisions = [{k: v for k, v in d.items() if k != "seconds"} for d in found["divisions"]]
    return {**{k: v for k, v in found.items() if k != "seconds"}, "divisions": divisions}


@pytest.mark.parametrize("way", ["nested", "repeated"])
def test_the_best_of_many_on_noise_is_luck_and_is_seen(tmp_path, way):
    work = searched(tmp_path, search(way, budget="12 trials"), {"train": rows("noise")}, model=TREE, training=TRAINING)
    found = outcome(work)
    held = [score for d in found["divisions"] for score in d["scores"].values()]
    assert found["optimism"] > 0.03
    assert abs(statistics.fmean(held) - 0.5) < 0.05, "rows that chose nothing see chance"
    assert found["corrected"] < found["value"]
    assert abs(found["corrected"] - 0.5) < 0.05
    assert work.record["search"]["optimism"]["method"] == way
    assert len(found["divisions"]) == (3 if way == "nested" else 6)
    said = "\n".join(search_lines(SimpleNamespace(search=read_search(work.folder.path))))
    assert f"{found['corrected']:.4f}" in said, said
    assert ("3 of 3 outer folds" if way == "nested" else "6 of 6 fresh divisions") in said


@pytest.mark.parametrize("way", ["nested", "repeated"])
def test_a_signal_that_anything_finds_needs_no_luck(tmp_path, way):
    found = outcome(
        searched(tmp_path, search(way), {"train": rows("signal", count=2000)}, model=TREE, training=TRAINING)
    )
    assert abs(found["optimism"]) < 0.02
    assert found["corrected"] == pytest.approx(found["value"], abs=0.02)


@pytest.mark.parametrize("way", ["nested", "repeated"])
def test_test_rows_have_no_part_in_it(tmp_path, way):
    found = []
    for name, test in (("a", rows("noise", count=200, seed=5)), ("b", rows("noise", count=200, seed=5).assign(a=9.9))):
        work = searched(
            tmp_path / name,
            search(way, budget="3 trials"),
            {"train": rows("noise", count=300), "test": test},
            model=TREE,
            training=TRAINING,
        )
        found.append((outcome(work), told(work.folder.path), work.record["test_openings"]))
    assert found[0] == found[1]
    assert found[0][2] == []


@pytest.mark.parametrize(("way", "changed"), [("nested", {}), ("nested", {"folds": 2}), ("repeated", {})])
def test_what_was_stopped_goes_on_and_ends_the_same(tmp_path, way, changed):
    wanted, frames = search(way, budget="4 trials", **changed), {"train": rows("noise", count=300)}
    straight = searched(tmp_path / "straight", wanted, frames, model=TREE, training=TRAINING)

    def stop(event):
        if event.body == Started(stage="optimism:1"):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Stopped):
        searched(tmp_path / "stopped", wanted, frames, model=TREE, training=TRAINING, listener=stop)
    (run,) = (tmp_path / "stopped").iterdir()
    first = run / "search" / "optimism" / "0.json"
    before = first.read_bytes()
    again = gone_on(run)
    assert first.read_bytes() == before, "what was done is not done again"
    assert outcome(again) == outcome(straight)
    assert told(run) == told(straight.folder.path)
    assert gone_on(run).record["search"] == again.record["search"]


def test_a_torn_ledger_of_a_fold_costs_the_torn_trial_only(tmp_path):
    work = searched(
        tmp_path,
        search("nested", budget="4 trials"),
        {"train": rows("noise", count=300)},
        model=TREE,
        training=TRAINING,
    )
    expected, run = outcome(work), work.folder.path
    ledger = run / "search" / "optimism" / "2" / "trials.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-40])
    for name in ("optimism.json", "optimism/2.json"):
        (run / "search" / name).unlink()
    assert outcome(gone_on(run)) == expected
    assert ledger.read_bytes().splitlines()[:3] == whole.splitlines()[:3]


@pytest.mark.parametrize("way", ["nested", "repeated"])
def test_the_time_of_the_search_holds_for_the_estimate_too(tmp_path, way):
    """A look at the clock takes 10 ms here, so the machine's own speed plays no part."""
    clock = TickingClock()
    work = searched(
        tmp_path,
        search(way, budget="200 trials, 4s"),
        {"train": rows("noise", count=300)},
        model=TREE,
        training=TRAINING,
        clock=clock,
    )
    spent = sum(work.record["seconds"][stage] for stage in ("search", "optimism"))
    assert spent < 4 * 1.25, "the last unit of training may end after the time"
    assert work.record["seconds"]["search"] < (4 / 4 if way == "nested" else 3) * 1.4
    assert "search.cut" in [f.code for f in work.findings]


@pytest.mark.parametrize(("way", "wanted"), [("repeated", 6), ("nested", 3)])
def test_without_time_the_bootstrap_stands_in_and_a_finding_says_so(tmp_path, way, wanted):
    work = searched(
        tmp_path,
        search(way, budget="200 trials, 0.2s"),
        {"train": rows("noise", count=300)},
        model=TREE,
        training=TRAINING,
        clock=TickingClock(tick_s=0.05),
    )
    (finding,) = [f for f in work.findings if f.code == "search.optimism_cut"]
    assert finding.what.startswith(f"0 of {wanted} divisions")
    assert read_json(work.folder.path / "search" / "optimism.json")["measured"] is None
    known = work.record["search"]["optimism"]
    assert known is None or known["method"] == "bootstrap"


def test_too_few_groups_are_refused_before_the_search(tmp_path):
    frame = rows("noise", count=90)
    with pytest.raises(DataRefused, match="40 folds need 40 groups"):
        searched(
            tmp_path,
            search("nested", optimism_folds=40),
            {"train": pd.concat([frame[:30]] * 3)},
            model=TREE,
            training=TRAINING,
        )
    (run,) = tmp_path.iterdir()
    assert not (run / "search" / "trials.jsonl").exists()


def test_the_mean_is_over_divisions_that_have_a_score():
    found = [
        Held(scores={3: 0.70}, rows=10, seconds=1.0, trials=8, inner=0.80),
        Held(scores={}, rows=10, seconds=1.0, why="roc_auc is not defined on the held-out rows"),
        Held(scores={5: 0.50}, rows=10, seconds=1.0, trials=8, inner=0.90),
    ]
    result = measured(settings(primary=AUC), "nested", record(0, 0.85), found, wanted=3)
    assert result.optimism == pytest.approx(0.25)
    assert result.corrected == pytest.approx(0.60)
    assert result.deviation == pytest.approx(statistics.stdev([0.1, 0.4]))
    assert [held_from_json(held_to_json(h)) for h in found] == found


def test_a_loss_that_is_too_small_is_luck_as_well():
    found = [Held(scores={0: 0.5, 1: 0.4}, rows=10, seconds=1.0), Held(scores={0: 0.7, 1: 0.4}, rows=10, seconds=1.0)]
    result = measured(settings(), "repeated", record(0, 0.4), found, wanted=2)
    assert (result.optimism, result.corrected) == (pytest.approx(0.2), pytest.approx(0.6))
    assert result.scores == {"0": pytest.approx(0.6), "1": pytest.approx(0.4)}
    assert measured(settings(), "repeated", record(7, 0.4), found, wanted=2) is None
