"""The model checks on engines that work, and on ones that are broken in one way each."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.checks.jobs import BOOSTING, job, plan
from trainwright.checks.contract import CheckResult, Verdict
from trainwright.checks.cost import check_cost, forecast
from trainwright.checks.model_checks import check_model
from trainwright.core import registry
from trainwright.core.clock import ManualClock, SystemClock
from trainwright.core.errors import TrainingFailed
from trainwright.core.findings import Severity
from trainwright.core.plan import ModelPlan
from trainwright.core.tasks import TABLE_TASKS, Task
from trainwright.engines.contract import Job, Unit


def _model(task: Task, name: str) -> ModelPlan:
    kind = "Regressor" if task is Task.REGRESSION else "Classifier"
    unit = {"sklearn.ensemble.RandomForest": "tree", BOOSTING: "round"}.get(name, "fit")
    return plan(name + kind, unit=unit, rounds=1 if unit == "fit" else 100)


@pytest.mark.parametrize("task", sorted(TABLE_TASKS))
@pytest.mark.parametrize("name", [BOOSTING, "sklearn.ensemble.RandomForest", "sklearn.neighbors.KNeighbors"])
def test_a_sound_model_passes_everything(tmp_path: Path, task: Task, name: str) -> None:
    results = check_model(job(tmp_path, task, _model(task, name)), SystemClock())

    assert [r.verdict for r in results] == [Verdict.OK] * 5, results
    assert not list(tmp_path.iterdir())


def test_a_line_is_not_asked_to_memorise(tmp_path: Path) -> None:
    results = check_model(
        job(tmp_path, Task.BINARY, plan("sklearn.linear_model.LogisticRegression", unit="fit", rounds=1)), SystemClock()
    )

    assert results[-1].verdict is Verdict.NOT_CHECKED
    assert "by nature" in results[-1].saw


def test_a_wrong_parameter_fails_the_first_check_and_leaves_the_rest_unchecked(tmp_path: Path) -> None:
    broken = plan(BOOSTING + "Classifier", max_leaf_nodes=-5)
    results = check_model(job(tmp_path, Task.BINARY, broken), SystemClock())

    assert [r.verdict for r in results] == [Verdict.FAILED, *[Verdict.NOT_CHECKED] * 4]
    assert "max_leaf_nodes" in results[0].findings[0].what


class _Fake:
    """An engine that predicts what a test wants and takes the seconds a test wants."""

    def __init__(self, job: Job, clock: ManualClock, *, round_s: float, power: float, spoil: str) -> None:
        self.job, self.clock, self.spoil = job, clock, spoil
        self.seconds = round_s * job.train.rows**power

    def units(self) -> Iterator[Unit]:
        for k in range(self.job.plan.rounds):
            if self.spoil == "stops" and k >= 60:
                raise TrainingFailed("the library stopped")
            self.clock.advance(self.seconds)
            yield Unit(rounds=k + 1, seconds=self.seconds)

    def predict(self, X: np.ndarray) -> np.ndarray:
        rows = len(X)
        right = np.tile([0.9, 0.1], (rows, 1))
        spoilt = {
            "shape": right[:, 0],
            "nan": np.full_like(right, np.nan),
            "sum": right * 1.1,
            "type": right.astype("float32"),
        }
        return spoilt.get(self.spoil, right)

    def close(self) -> None:
        pass


def _engine(
    monkeypatch: pytest.MonkeyPatch, clock: ManualClock, *, round_s: float = 0.0, power: float = 1.0, spoil: str = ""
) -> None:
    module = SimpleNamespace(open=lambda j: _Fake(j, clock, round_s=round_s, power=power, spoil=spoil))
    monkeypatch.setattr(registry, "load", lambda kind, name: module)


@pytest.mark.parametrize(
    ("spoil", "check"),
    [("shape", "prediction_shape"), ("type", "prediction_shape"), ("nan", "probabilities"), ("sum", "probabilities")],
)
def test_broken_predictions_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: str, check: str) -> None:
    clock = ManualClock()
    _engine(monkeypatch, clock, spoil=spoil)
    results = {r.name: r for r in check_model(job(tmp_path, Task.BINARY, plan("fake")), clock)}

    assert results[check].verdict is Verdict.FAILED


def test_a_model_that_learns_nothing_is_warned_of_and_fails_to_memorise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    _engine(monkeypatch, clock)
    results = {r.name: r for r in check_model(job(tmp_path, Task.BINARY, plan("fake")), clock)}

    assert results["beats_dummy"].verdict is Verdict.WARNING
    assert results["memorises"].verdict is Verdict.FAILED


def test_a_model_that_stops_in_a_longer_training_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    _engine(monkeypatch, clock, spoil="stops")
    results = {r.name: r for r in check_model(job(tmp_path, Task.BINARY, plan("fake")), clock)}

    assert results["fits_sample"].verdict is Verdict.OK
    assert (results["memorises"].verdict, results["memorises"].findings[0].code) == (Verdict.WARNING, "model.stops")


def test_a_slow_model_is_cut_short_and_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    _engine(monkeypatch, clock, round_s=0.01)
    results = {r.name: r for r in check_model(job(tmp_path, Task.BINARY, plan("fake")), clock)}

    assert results["beats_dummy"].verdict is Verdict.NOT_CHECKED
    assert results["memorises"].verdict is Verdict.NOT_CHECKED


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_forecast_scales_small_fits_to_all_rows_and_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, power: float
) -> None:
    clock = ManualClock()
    _engine(monkeypatch, clock, round_s=1e-6, power=power)
    wanted = job(tmp_path, Task.BINARY, plan("fake", rounds=200), rows=40_000)

    seen = forecast(wanted, clock)

    assert seen.at_most == pytest.approx(200 * 1e-6 * 30_000**power, rel=0.01)
    assert seen.at_least == pytest.approx(seen.at_most / 20)


def _cost(tmp_path: Path, clock: ManualClock, budget: float | None) -> CheckResult:
    return check_cost(job(tmp_path, Task.BINARY, plan("fake", rounds=100), rows=2_000), clock, budget)


def test_a_plan_is_refused_only_when_no_useful_model_fits_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    _engine(monkeypatch, clock, round_s=0.001)  # 1.5 s a round: 150 s in all, 15 s for ten rounds

    assert _cost(tmp_path, clock, 10.0).verdict is Verdict.FAILED
    cut = _cost(tmp_path, clock, 100.0)
    assert (cut.verdict, cut.findings[0].code) == (Verdict.OK, "plan.may_be_cut")
    assert _cost(tmp_path, clock, 200.0).findings[0].code == "plan.forecast"
    assert _cost(tmp_path, clock, None).findings[0].evidence["forecast_s"] == pytest.approx(150.0)


def test_every_class_is_in_the_sample(tmp_path: Path) -> None:
    wanted = job(tmp_path, Task.MULTICLASS, _model(Task.MULTICLASS, BOOSTING), rows=8_000)
    y = np.where(wanted.train.y == 2, 0, wanted.train.y)
    y[17] = 2
    wanted = replace(wanted, train=replace(wanted.train, y=y))

    results = check_model(wanted, SystemClock())

    assert results[0].verdict is Verdict.OK
    assert not any(f.severity is Severity.ERROR for r in results for f in r.findings)
