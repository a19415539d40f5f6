"""The loop: early stopping, best round, budget, signals, resume, and the refusal of non-finite steps."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from trainwright.core.clock import ManualClock
from trainwright.core.errors import ArtifactRefused, Stopped, TrainingFailed
from trainwright.core.events import Evaluated, Event, Finished, Found, Saved, Trained
from trainwright.core.findings import Finding, Severity
from trainwright.core.metrics import find
from trainwright.core.plan import ModelPlan
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.engines.contract import Job, ModelFacts, Table, Unit
from trainwright.engines.repairs import Repair
from trainwright.fit.driver import fit
from trainwright.fit.recorder import Recorder
from trainwright.fit.rules import Rules
from trainwright.fit.stop import StopRequest
from trainwright.run.checkpoints import read_checkpoint
from trainwright.run.hashes import seal

RMSE = find("rmse", Task.REGRESSION)


class Walker:
    """A model that predicts a constant, one position of a given path per round."""

    keeps_predictions = True

    def __init__(self, path: list[float], clock: ManualClock, *, keeps_every_round: bool = True) -> None:
        self.path, self.clock, self.position = path, clock, 0
        self.keeps_every_round = keeps_every_round

    def units(self) -> Iterator[Unit]:
        while self.position < len(self.path):
            self.position += 1
            self.clock.advance(1.0)
            yield Unit(rounds=self.position, seconds=1.0)

    def predict_part(self, part: Literal["train", "val"]) -> np.ndarray:
        return np.full(4, self.path[self.position - 1])

    def predict(self, X: np.ndarray, *, rounds: int | None = None) -> np.ndarray:
        return np.full(len(X), self.path[(rounds or self.position) - 1])

    def save(self, folder: Path) -> None:
        (folder / "position").write_text(str(self.position))

    def restore(self, folder: Path) -> None:
        self.position = int((folder / "position").read_text())

    def export(self, folder: Path, *, rounds: int | None = None) -> None:
        (folder / "position").write_text(str(rounds or self.position))

    def facts(self, *, rounds: int | None = None) -> ModelFacts:
        return ModelFacts(
            num_parameters=1, parameters_kind="constant", optimizer="", learning_rate=None, batch_size=None
        )

    def apply(self, repair: Repair) -> None:
        raise ValueError(repair.action)

    def close(self) -> None:
        pass


class Run:
    """One call of the driver on a path of constants; the target is zero, so the RMSE is the constant's size."""

    def __init__(self, tmp_path: Path, path: list[float], *, keeps_every_round: bool = True, patience: int = 2) -> None:
        self.clock, self.events, self.tmp_path = ManualClock(), list[Event](), tmp_path
        self.session = Walker(path, self.clock, keeps_every_round=keeps_every_round)
        self.rules = Rules(watch=RMSE, primary=RMSE, patience=patience, checkpoint_every_s=1e9)
        self.stop, self.resumable = StopRequest(), True
        table = Table(X=np.zeros((4, 1)), y=np.zeros(4))
        plan = ModelPlan(
            family="walker", engine="walker", estimator="", params={}, rounds=len(path), patience=patience,
            features="native", loss="squared error", unit="round",
        )  # fmt: skip
        self.job = Job(
            task=Task.REGRESSION, num_classes=0, plan=plan, train=table, val=table, feature_names=("x",),
            categorical=(), category_sizes=(), seeds=Seeds(0), threads=1, device="cpu", workdir=tmp_path,
        )  # fmt: skip

    def __call__(self, **rules: float) -> int:
        from dataclasses import replace

        recorder = Recorder(clock=self.clock, started_s=0.0, listeners=[self.events.append])
        fitted = fit(
            self.session, self.job, replace(self.rules, **rules), stage="fit", recorder=recorder, stop=self.stop,
            checkpoints=self.tmp_path / "checkpoints", resumable=self.resumable,
            resume_from=read_checkpoint(self.tmp_path / "checkpoints", "last"),
        )  # fmt: skip
        self.fitted = fitted
        return fitted.rounds

    def bodies(self, kind: type) -> list[object]:
        return [e.body for e in self.events if isinstance(e.body, kind)]


@pytest.mark.parametrize("keeps_every_round", [True, False])
def test_the_best_round_is_selected(tmp_path: Path, keeps_every_round: bool) -> None:
    run = Run(tmp_path, [5, 4, 1, 2, 3, 0], keeps_every_round=keeps_every_round)
    assert run() == 3
    assert run.fitted.predict(np.zeros((1, 1))) == 1
    assert run.fitted.progress.reason == "early_stopping"
    assert run.fitted.progress.rounds == 5


def test_without_patience_all_rounds_are_kept(tmp_path: Path) -> None:
    assert Run(tmp_path, [1, 2, 3], patience=0)() == 3


def test_a_gain_below_min_delta_is_none(tmp_path: Path) -> None:
    assert Run(tmp_path, [5, 4.9, 4.8, 4.7])(min_delta=0.5) == 1


def test_the_deadline_ends_training_after_the_present_round(tmp_path: Path) -> None:
    run = Run(tmp_path, [9, 8, 7, 6, 5])
    assert run(deadline_s=2.5) == 3
    assert run.fitted.progress.reason == "time_budget"


def test_a_best_round_that_a_killed_training_reached_is_not_taken_for_another(tmp_path: Path) -> None:
    """The checkpoint to go on from is older than the best one, and the budget ends training before it is reached."""
    path = [5.0, 4, 4, 1, 2, 2]
    killed = Run(tmp_path, path, keeps_every_round=False, patience=9)
    killed(deadline_s=1.5)
    for name in ("best", "last"):
        (tmp_path / "checkpoints" / name).rename(tmp_path / f"{name} of round 2")
    Run(tmp_path, path, keeps_every_round=False, patience=9)()
    last = tmp_path / "checkpoints" / "last"
    shutil.rmtree(last)
    (tmp_path / "last of round 2").rename(last)
    state = json.loads((last / "state.json").read_text())
    state["state"]["progress"]["reason"] = ""
    (last / "state.json").write_text(json.dumps(state))
    seal(last)

    again = Run(tmp_path, path, keeps_every_round=False, patience=9)
    assert again(deadline_s=0.5) == 4
    assert again.fitted.progress.rounds == 3
    assert again.fitted.predict(np.zeros((1, 1))) == 1
    assert again.fitted.progress.best_value == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_non_finite_prediction_ends_it_as_a_failure(tmp_path: Path, bad: float) -> None:
    run = Run(tmp_path, [3, 2, bad, 1])
    with pytest.raises(TrainingFailed, match="NaN or infinite at round 3"):
        run()
    assert [b.best for b in run.bodies(Evaluated)] == [True, True]  # type: ignore[attr-defined]


@pytest.mark.parametrize("keeps_every_round", [True, False])
def test_a_stopped_training_goes_on_where_it_was(tmp_path: Path, keeps_every_round: bool) -> None:
    import signal

    path = [5.0, 4, 1, 2, 3, 0]
    straight = Run(tmp_path / "a", path, keeps_every_round=keeps_every_round)
    straight()
    first = Run(tmp_path / "b", path, keeps_every_round=keeps_every_round)
    first.stop.signal_number = signal.SIGTERM
    with pytest.raises(Stopped) as stopped:
        first()
    assert stopped.value.exit_code == 75
    again = Run(tmp_path / "b", path, keeps_every_round=keeps_every_round)
    assert again() == straight.fitted.rounds
    assert again.fitted.progress == straight.fitted.progress
    evaluated = [*first.bodies(Evaluated), *again.bodies(Evaluated)]
    assert evaluated == straight.bodies(Evaluated)


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    first = Run(tmp_path, [5, 4, 1, 2, 3, 0])
    first()
    again = Run(tmp_path, [5, 4, 1, 2, 3, 0])
    assert again() == 3
    assert again.bodies(Trained) == []


def test_every_unit_is_in_the_event_stream_and_the_end_has_a_reason(tmp_path: Path) -> None:
    run = Run(tmp_path, [3, 2, 1])
    run()
    assert [e.step for e in run.events if isinstance(e.body, Trained)] == [1, 2, 3]
    (finished,) = run.bodies(Finished)
    assert finished == Finished(stage="fit", reason="rounds", facts={"rounds": 3, "selected": 3})
    assert [b.path for b in run.bodies(Saved)] == ["checkpoints/last"]  # type: ignore[attr-defined]


def test_a_damaged_best_checkpoint_is_refused_with_what_to_do(tmp_path: Path) -> None:
    run = Run(tmp_path, [5, 4, 1, 2, 3, 0], keeps_every_round=False)
    run()
    (tmp_path / "checkpoints" / "best" / "engine" / "position").write_text("9")
    with pytest.raises(ArtifactRefused, match=r"missing or damaged. Delete .*checkpoints and resume"):
        Run(tmp_path, [5, 4, 1, 2, 3, 0], keeps_every_round=False)()


class Climber(Walker):
    """A walker whose rounds are of two units each: a position is half a round."""

    values: Mapping[str, float] = {}

    def units(self) -> Iterator[Unit]:
        while self.position < len(self.path):
            self.position += 1
            self.clock.advance(1.0)
            whole = self.position % 2 == 0
            yield Unit(
                rounds=self.position // 2, seconds=1.0, whole=whole, step=int(not whole), values=dict(self.values)
            )


class Climb(Run):
    """One call of the driver on half rounds; rounds count whole ones."""

    def __init__(self, tmp_path: Path, path: list[float], *, patience: int = 2) -> None:
        from dataclasses import replace

        super().__init__(tmp_path, path, keeps_every_round=False, patience=patience)
        self.session = Climber(path, self.clock, keeps_every_round=False)
        self.job = replace(self.job, plan=replace(self.job.plan, rounds=len(path) // 2))


def test_units_inside_a_round_are_told_and_not_evaluated(tmp_path: Path) -> None:
    run = Climb(tmp_path, [9, 5, 9, 4, 9, 3])
    assert run() == 3
    assert [b.step_in_round for b in run.bodies(Trained)] == [1, 0, 1, 0, 1, 0]  # type: ignore[attr-defined]
    assert len(run.bodies(Evaluated)) == 3


@pytest.mark.parametrize(("path", "best"), [([5.0, 4, 3, 9], 3.0), ([5.0, 4, 8, 9], 4.0)])
def test_a_budget_that_ends_inside_a_round_is_judged_there(tmp_path: Path, path: list[float], best: float) -> None:
    run = Climb(tmp_path, path)
    assert run(deadline_s=2.5) == 1
    assert run.fitted.progress.reason == "time_budget"
    assert (run.fitted.progress.rounds, run.fitted.progress.step) == (1, 1)
    assert len(run.bodies(Evaluated)) == 2
    assert run.fitted.predict(np.zeros((1, 1))) == best
    again = Climb(tmp_path, path)
    again(deadline_s=2.5)
    assert again.bodies(Trained) == []
    assert again.fitted.predict(np.zeros((1, 1))) == best


def test_a_budget_that_ends_inside_the_first_round_delivers_what_there_is(tmp_path: Path) -> None:
    run = Climb(tmp_path, [5, 4, 3, 2])
    assert run(deadline_s=0.5) == 0
    assert run.fitted.predict(np.zeros((1, 1))) == 5


def test_a_signal_inside_a_round_is_saved_there_and_goes_on_exactly(tmp_path: Path) -> None:
    import signal

    path = [5.0, 4, 9, 2, 3, 6, 7, 8]
    straight = Climb(tmp_path / "a", path)
    straight()
    first = Climb(tmp_path / "b", path)
    first.stop.signal_number = signal.SIGTERM
    with pytest.raises(Stopped):
        first()
    assert first.bodies(Evaluated) == []
    again = Climb(tmp_path / "b", path)
    assert again() == straight.fitted.rounds == 2
    assert again.fitted.progress == straight.fitted.progress
    assert again.bodies(Evaluated) == straight.bodies(Evaluated)


def test_a_loss_that_is_not_finite_inside_a_round_ends_it(tmp_path: Path) -> None:
    run = Climb(tmp_path, [5, 4, 3, 2])
    run.session.values = {"loss": float("nan")}  # type: ignore[attr-defined]
    with pytest.raises(TrainingFailed, match="loss became NaN"):
        run()
    assert run.bodies(Saved) == []


def test_findings_of_the_engine_are_told_once_and_handed_on(tmp_path: Path) -> None:
    said = Finding(code="x.y", severity=Severity.INFO, where="here", what="took the second way")
    run = Run(tmp_path / "a", [2, 1])
    run()
    assert run.fitted.findings == ()
    run = Run(tmp_path / "b", [2, 1])
    run.session.findings = lambda: [said]  # type: ignore[attr-defined]
    run()
    assert run.fitted.findings == (said,)
    assert run.bodies(Found) == [Found(finding=said)]


class Forest(Walker):
    """A model whose predictions take a tenth of a second a round."""

    def predict(self, X: np.ndarray, *, rounds: int | None = None) -> np.ndarray:
        self.clock.advance(0.1 * (rounds or self.position))
        return super().predict(X, rounds=rounds)


@pytest.mark.parametrize("keeps_every_round", [True, False])
def test_time_to_score_a_model_of_many_rounds_is_set_aside(tmp_path: Path, keeps_every_round: bool) -> None:
    path = [float(n) for n in range(100, 0, -1)]
    run = Run(tmp_path, path, patience=0)
    run.session = Forest(path, run.clock, keeps_every_round=keeps_every_round)
    run(deadline_s=40.0)
    rounds, trained_s = run.session.position, run.clock.elapsed()
    if not keeps_every_round:  # its predictions take the same at any round, and are not tried
        assert (rounds, trained_s) == (40, 40.0)
        return
    scored_s = 0.1 * rounds * 3  # four rows for training, twice four for validation and test
    assert trained_s + scored_s <= 41.0, "a unit takes one second, and the last one may begin before the limit"
    assert trained_s + 1.5 * scored_s >= 39.0, "and no time is given away but what writing the model is given"


def test_a_deadline_for_training_alone_sets_nothing_aside(tmp_path: Path) -> None:
    path = [float(n) for n in range(100, 0, -1)]
    run = Run(tmp_path, path, patience=0)
    run.session = Forest(path, run.clock, keeps_every_round=True)
    run(deadline_s=40.0, scored_in_time=False)
    assert (run.session.position, run.clock.elapsed()) == (40, 40.0)
