"""Repairs on real networks, through the driver: they heal, they are recorded, and they are the same every time."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clinic.cases import Case, job_of, sick
from trainwright.core.clock import SystemClock
from trainwright.core.errors import ResourceMissing, Stopped, TrainingFailed
from trainwright.core.events import Event, Found, Repaired, Saved
from trainwright.core.jsonable import JsonValue
from trainwright.core.metrics import loss_metric
from trainwright.doctor.history import history_of
from trainwright.doctor.remedies import Planned, Policy
from trainwright.fit.chart import Chart
from trainwright.fit.driver import Fitted, fit
from trainwright.fit.jobs import open_session
from trainwright.fit.recorder import Recorder
from trainwright.fit.rules import Rules
from trainwright.fit.stop import StopRequest
from trainwright.run.checkpoints import read_checkpoint
from trainwright.run.hashes import sha256_file

pytest.importorskip("torch")


def _storm(session: Any) -> None:
    """A rate that is a thousand times too high in the fourth epoch, until something is repaired."""
    plain = session._rate

    def rate() -> float:
        return float(plain() * (1000 if session._epoch == 3 and session._course.repaired == 1 else 1))

    session._rate = rate


def room_for(most: int, *, at: int = 0) -> Callable[[Any], None]:
    """Memory for passes over so many rows, from the pass ``at`` on."""

    def tamper(session: Any) -> None:
        import torch

        network, plain, passes = session._network, session._network.forward, count()

        def forward(x: Any) -> Any:
            if network.training and next(passes) >= at and len(x) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return plain(x)

        network.forward = forward

    return tamper


SMALL = Case(name="room for 10 rows", data="wine", rounds=3, tamper=room_for(10))
SMALLER_LATER = Case(name="room for 20 rows from the sixth pass on", data="wine", rounds=3, tamper=room_for(20, at=5))
ROOMY = Case(name="room for all", data="wine", rounds=3)
MEMORY = (SMALL, SMALLER_LATER, ROOMY)


def louder(by: float) -> Callable[[Any], None]:
    """Activations in the middle that are so many times as large as they were, and outputs as they were."""

    def tamper(session: Any) -> None:
        from torch import nn

        layers = [m for m in session._network.modules() if isinstance(m, nn.Linear)]
        first, last = layers[0], layers[-1]
        first.register_forward_hook(lambda _module, _given, made: made * by)
        last.register_forward_pre_hook(lambda _module, given: (given[0] / by,))

    return tamper


_FP16: dict[str, Any] = {"batch_size": 32, "optimizer": {"lr": 0.02}, "precision": "fp16", "statistics_every": 0}
LOUD = Case(name="fp16 overflow", data="wine", family="own", rounds=4, recipe=_FP16, tamper=louder(1e6))
HALF = (LOUD,)


LATE = Case(name="a storm in epoch four", data="wine", rounds=6, tamper=_storm)


class Patient:
    """A case of the clinic in a folder of its own."""

    def __init__(self, name: str, folder: Path, **changes: int) -> None:
        known = {case.name: case for case in [*sick(), LATE, *MEMORY, *HALF]}
        self.case: Case = replace(known[name], **changes)  # type: ignore[arg-type]
        self.folder, self.events, self.stop = folder, list[Event](), StopRequest()
        folder.mkdir(parents=True, exist_ok=True)

    def train(
        self,
        policy: Policy | None = None,
        *,
        listener: Callable[[Event], None] = lambda _event: None,
        past: Iterable[Mapping[str, JsonValue]] = (),
    ) -> Fitted:
        job = job_of(self.case, self.folder / "work")
        job.workdir.mkdir(exist_ok=True)
        loss, clock = loss_metric(job.task), SystemClock()
        session = open_session(job)
        if self.case.tamper is not None:
            self.case.tamper(session)
        try:
            return fit(
                session,
                job,
                Rules(watch=loss, primary=loss, patience=self.case.patience, repairs=policy or Policy()),
                stage="fit",
                recorder=Recorder(clock=clock, started_s=0.0, listeners=[self.events.append, listener]),
                stop=self.stop,
                checkpoints=self.folder / "checkpoints",
                resumable=True,
                resume_from=read_checkpoint(self.folder / "checkpoints", "last"),
                past=past,
                anew=open_session,
            )
        finally:
            session.close()

    def weights(self, fitted: Fitted, name: str) -> str:
        target = self.folder / name
        target.mkdir()
        fitted.export(target)
        return sha256_file(target / "model.safetensors")

    def bodies(self, kind: type) -> list[object]:
        return [event.body for event in self.events if isinstance(event.body, kind)]


def stopped_at(patient: "Patient", reason: str) -> None:
    """Train until a checkpoint is written for that reason; a signal comes then."""

    def stop(event: Event) -> None:
        if isinstance(event.body, Saved) and event.body.reason == reason:
            patient.stop.signal_number = 15

    with pytest.raises(Stopped):
        patient.train(listener=stop)
    patient.stop.signal_number = None


HOT, COLD, POISONED = "rate x1000: wine", "rate /1000: wine", "infinite value in a row"


def test_a_rate_that_explodes_is_lowered_from_the_beginning_until_it_trains(tmp_path: Path) -> None:
    patient = Patient(HOT, tmp_path, rounds=8)
    fitted = patient.train()
    assert fitted.repairs
    assert {one.action for one in fitted.repairs} == {"learning_rate"}
    assert [one.helped for one in fitted.repairs][-1] is True
    assert not any(one.helped for one in fitted.repairs[:-1])
    assert len(patient.bodies(Repaired)) == len(fitted.repairs)
    first = fitted.repairs[0]
    assert (first.rounds, first.back, first.after["rounds"]) == (1, True, 0)
    assert first.values == {"measure": True}
    assert first.after["learning_rate"] < 0.3  # type: ignore[operator]
    assert fitted.progress.best_value is not None
    assert fitted.progress.best_value < 0.3
    assert history_of(patient.events).of("train_loss").values[0] < 3


def test_a_training_that_breaks_later_goes_back_to_its_best_round_and_halves_the_rate(tmp_path: Path) -> None:
    patient = Patient(LATE.name, tmp_path)
    fitted = patient.train()
    (made,) = fitted.repairs
    assert (made.rounds, made.values, made.after["rounds"], made.helped) == (4, {"factor": 0.5}, 3, True)
    assert made.after["learning_rate"] == pytest.approx(0.01)
    assert fitted.progress.rounds == 6
    losses = history_of(patient.events).of("objective")
    assert losses.steps == (1, 2, 3, 4, 5, 6)
    assert max(losses.values[3:]) < losses.values[2]


def planned(fitted: Fitted) -> tuple[Planned, ...]:
    return tuple(Planned(remedy=one.remedy, rounds=one.rounds, step=one.step) for one in fitted.repairs)


def test_repairs_of_an_earlier_training_are_made_again_bit_for_bit(tmp_path: Path) -> None:
    one, two = Patient(HOT, tmp_path / "one", rounds=6), Patient(HOT, tmp_path / "two", rounds=6)
    first = one.train()
    second = two.train(Policy(mode="off", repeat=planned(first)))
    assert [(r.rounds, r.values) for r in second.repairs] == [(r.rounds, r.values) for r in first.repairs]
    assert one.weights(first, "model") == two.weights(second, "model")


@pytest.mark.parametrize(("name", "after"), [(HOT, "the repair"), (HOT, "the end"), (LATE.name, "the repair")])
def test_a_training_that_is_stopped_after_a_repair_ends_in_the_same_bytes(
    tmp_path: Path, name: str, after: str
) -> None:
    whole, cut = Patient(name, tmp_path / "whole", rounds=6), Patient(name, tmp_path / "cut", rounds=6)
    fitted = whole.train()

    if after == "the repair":
        stopped_at(cut, "repair")
    else:
        cut.train()
    resumed = cut.train(past=[event.to_json() for event in cut.events])
    assert cut.weights(resumed, "model") == whole.weights(fitted, "model")
    assert resumed.repairs == fitted.repairs


def test_a_row_that_is_not_a_number_is_left_out_and_named(tmp_path: Path) -> None:
    patient = Patient(POISONED, tmp_path, rounds=4)
    fitted = patient.train()
    assert [(one.action, one.values) for one in fitted.repairs] == [("skip_rows", {"rows": [7]})]
    assert fitted.repairs[0].helped
    (told,) = [body.finding for body in patient.bodies(Found) if body.finding.code == "doctor.non_finite"]  # type: ignore[attr-defined]
    assert told.evidence["rows"] == [7]
    assert np.isfinite(fitted.session.predict(job_of(patient.case, tmp_path).val.X)).all()  # type: ignore[union-attr]


def test_a_rate_under_which_nothing_moves_is_raised(tmp_path: Path) -> None:
    patient = Patient(COLD, tmp_path)
    fitted = patient.train()
    assert fitted.repairs
    assert (fitted.repairs[0].values, fitted.repairs[0].back) == ({"measure": True}, True)
    assert fitted.progress.best_value is not None
    assert fitted.progress.best_value < 0.7


UNCLIPPED = "recurrent, no clip norm: digits at 0.01"


@pytest.mark.parametrize(("rate", "draw"), [("0.01", 0), ("0.03", 7)])  # a dead network, and a loss that is none
def test_gradients_that_explode_at_once_are_clipped_from_the_beginning_as_a_healthy_training_is(
    tmp_path: Path, rate: str, draw: int
) -> None:
    name = UNCLIPPED.replace("0.01", rate)
    sick, well = (Patient(name, tmp_path / folder, rounds=3, draw=draw) for folder in ("sick", "well"))
    assert sick.case.recipe is not None
    well.case = replace(sick.case, recipe={**sick.case.recipe, "clip_norm": 1.0})
    fitted, healthy = sick.train(), well.train()
    (made,) = fitted.repairs
    assert (made.symptom, made.action, made.values) == ("doctor.exploding_gradients", "clip_norm", {"norm": 1.0})
    assert (made.back, made.beginning, made.helped) == (True, True, True)
    assert (made.after["rounds"], made.after["step"]) == (0, 0)
    assert healthy.repairs == ()
    assert sick.weights(fitted, "model") == well.weights(healthy, "model")
    again = Patient(name, tmp_path / "again", rounds=3, draw=draw)
    second = again.train(Policy(mode="off", repeat=planned(fitted)))
    assert planned(second) == planned(fitted)
    assert again.weights(second, "model") == sick.weights(fitted, "as it was")


def test_a_training_that_is_stopped_after_it_began_again_ends_in_the_same_bytes(tmp_path: Path) -> None:
    whole, cut = (Patient(UNCLIPPED, tmp_path / name, rounds=3) for name in ("whole", "cut"))
    fitted = whole.train()
    stopped_at(cut, "repair")
    resumed = cut.train(past=[event.to_json() for event in cut.events])
    assert resumed.repairs == fitted.repairs
    assert cut.weights(resumed, "model") == whole.weights(fitted, "model")


def test_a_rate_that_lost_its_zeros_trains_as_the_one_that_was_meant(tmp_path: Path) -> None:
    cold, meant = Patient(COLD, tmp_path / "cold"), Patient(COLD, tmp_path / "meant")
    meant.case = replace(cold.case, params={**cold.case.params, "learning_rate": 0.02})
    fitted, healthy = cold.train(), meant.train()
    assert [(one.beginning, one.after["learning_rate"]) for one in fitted.repairs] == [(True, 0.02)]
    assert cold.weights(fitted, "model") == meant.weights(healthy, "model")


def test_suggest_says_the_change_and_makes_none(tmp_path: Path) -> None:
    patient = Patient(HOT, tmp_path, rounds=2)
    fitted = patient.train(Policy(mode="suggest"))
    assert fitted.repairs == ()
    (said,) = [f for f in fitted.findings if f.code == "doctor.repair_suggested"]
    assert "training.optimizer.lr: auto" in said.fix


def test_without_repairs_a_value_that_is_not_finite_is_the_end(tmp_path: Path) -> None:
    patient = Patient(POISONED, tmp_path, rounds=2)
    with pytest.raises(TrainingFailed):
        patient.train(Policy(mode="off"))


def test_limits_end_a_training_that_nothing_helps(tmp_path: Path) -> None:
    patient = Patient(POISONED, tmp_path, rounds=2)
    with pytest.raises(TrainingFailed) as failed:
        patient.train(Policy(skipped_rows=0, rate_changes=1))
    assert len(patient.bodies(Repaired)) == 1
    assert failed.value.findings[0].code == "doctor.non_finite"


def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_the_step_stays_the_same(tmp_path: Path) -> None:
    patient, roomy = Patient(SMALL.name, tmp_path / "small"), Patient(ROOMY.name, tmp_path / "roomy")
    fitted, whole = patient.train(), roomy.train()
    assert [(r.values, r.rounds, r.step, r.back) for r in fitted.repairs] == [
        ({"batch_size": 16, "step_rows": 32}, 0, 0, False),
        ({"batch_size": 8, "step_rows": 32}, 0, 0, False),
    ]
    assert [r.helped for r in fitted.repairs] == [False, True]
    assert [(r.before, r.after["batch_size"]) for r in fitted.repairs] == [
        ({"batch_size": 32, "step_rows": 32}, 16),
        ({"batch_size": 16, "step_rows": 32}, 8),
    ]
    for made in fitted.repairs:
        assert made.proof["rows"] == 8  # two passes over 4 rows: what fits
        assert made.proof["equivalent"] is True
        assert float(str(made.proof["difference"])) <= float(str(made.proof["tolerance"])) < 1e-4
    told = [body.finding for body in patient.bodies(Found) if body.finding.code == "doctor.out_of_memory"]  # type: ignore[attr-defined]
    assert [finding.severity.value for finding in told] == ["warning"]
    assert fitted.progress.units == whole.progress.units == 3
    assert fitted.session.facts().batch_size == whole.session.facts().batch_size == 32
    assert fitted.progress.best_value == pytest.approx(whole.progress.best_value, rel=1e-4)


@pytest.mark.parametrize("name", [SMALL.name, SMALLER_LATER.name])
def test_halved_batches_are_repeated_bit_for_bit_where_there_is_room(tmp_path: Path, name: str) -> None:
    one, two = Patient(name, tmp_path / "one"), Patient(ROOMY.name, tmp_path / "two")
    first = one.train()
    second = two.train(Policy(mode="off", repeat=planned(first)))
    assert first.repairs
    assert planned(second) == planned(first)
    assert two.weights(second, "model") == one.weights(first, "model")
    assert two.weights(second, "again") != Patient(ROOMY.name, tmp_path / "three").weights(
        Patient(ROOMY.name, tmp_path / "three").train(), "model"
    )


@pytest.mark.parametrize("when", ["repair", "end"])
def test_a_training_with_halved_batches_that_is_stopped_goes_on_with_them(tmp_path: Path, when: str) -> None:
    whole, cut = (Patient(SMALLER_LATER.name, tmp_path / name) for name in ("whole", "cut"))
    fitted = whole.train()
    (made,) = fitted.repairs
    assert (made.rounds, made.step) == (1, 1)  # 124 rows make 4 steps an epoch

    if when == "repair":
        stopped_at(cut, "repair")
    else:
        cut.train()
    cut.case = replace(cut.case, tamper=None)  # room for all: what was halved stays halved
    resumed = cut.train(past=[event.to_json() for event in cut.events])
    assert resumed.repairs == fitted.repairs
    assert cut.weights(resumed, "model") == whole.weights(fitted, "model")


def test_memory_without_room_for_one_row_is_the_end_after_the_halvings_that_are_allowed(tmp_path: Path) -> None:
    patient = Patient(SMALL.name, tmp_path)
    patient.case = replace(patient.case, tamper=room_for(0))
    with pytest.raises(ResourceMissing, match=r"in a pass over 1 rows .*smaller network") as failed:
        patient.train()
    assert (failed.value.exit_code, len(patient.bodies(Repaired))) == (8, 5)
    assert failed.value.findings[0].code == "doctor.out_of_memory"
    limited = Patient(SMALL.name, tmp_path / "limited")
    with pytest.raises(ResourceMissing, match=r"training\.batch_size: 8 and training\.accumulate: 4"):
        limited.train(Policy(batch_halvings=1))


@pytest.mark.parametrize(
    ("mode", "codes"), [("suggest", ["out_of_memory", "repair_suggested"]), ("off", ["out_of_memory"])]
)
def test_without_repairs_memory_that_is_full_is_the_end_and_says_what_to_write(
    tmp_path: Path, mode: Any, codes: list[str]
) -> None:
    with pytest.raises(ResourceMissing, match=r"training\.batch_size: 16 and training\.accumulate: 2") as failed:
        Patient(SMALL.name, tmp_path).train(Policy(mode=mode))
    assert [finding.code for finding in failed.value.findings] == [f"doctor.{code}" for code in codes]
    if mode == "suggest":
        assert failed.value.findings[1].fix == "Write training.batch_size: 16 and training.accumulate: 2"


def steep(session: Any) -> None:
    """First weights so small, and a factor after them so large, that only the gradient leaves fp16."""
    import torch
    from torch import nn

    first, second, last = (m for m in session._network.modules() if isinstance(m, nn.Linear))
    with torch.no_grad():
        for layer, by in ((first, 1e-6), (second, 0.1), (last, 3.0)):
            layer.weight.mul_(by)
        first.bias.zero_()
    first.register_forward_hook(lambda _module, _given, made: made * 1e7)


STEEP = replace(
    LOUD, name="fp16 gradients overflow", tamper=steep, recipe={**_FP16, "batch_size": 8, "checkpoint_steps": 1}
)


def half(name: str, folder: Path) -> Patient:
    patient = Patient(LOUD.name, folder)
    patient.case = LOUD if name == LOUD.name else STEEP
    return patient


@pytest.mark.parametrize(("name", "at"), [(LOUD.name, (0, 1)), (STEEP.name, (1, 1))])
def test_values_beyond_fp16_are_computed_in_bf16_and_that_is_repeated(
    tmp_path: Path, name: str, at: tuple[int, int]
) -> None:
    patient = half(name, tmp_path / "one")
    fitted = patient.train()
    made = fitted.repairs[0]
    assert (made.symptom, made.action, made.values) == (
        "doctor.precision_overflow",
        "precision",
        {"precision": "bf16"},
    )
    assert (made.rounds, made.step, made.back) == (*at, True)
    assert (made.before, made.after["precision"]) == ({"precision": "fp16"}, "bf16")
    assert made.helped
    assert fitted.session.facts().precision == "bf16"
    assert fitted.progress.rounds == patient.case.rounds
    told = [body.finding for body in patient.bodies(Found) if body.finding.code == "doctor.precision_overflow"]  # type: ignore[attr-defined]
    assert len(told) == 1
    assert told[0].fix.endswith("computing in bf16")
    again = half(name, tmp_path / "two")
    second = again.train(Policy(mode="off", repeat=planned(fitted)))
    assert planned(second) == planned(fitted)
    assert again.weights(second, "model") == patient.weights(fitted, "model")


def test_a_training_in_another_format_that_is_stopped_goes_on_in_it(tmp_path: Path) -> None:
    whole, cut = half(LOUD.name, tmp_path / "whole"), half(LOUD.name, tmp_path / "cut")
    fitted = whole.train()

    def stop(event: Event) -> None:
        if isinstance(event.body, Saved) and event.body.reason == "repair":
            cut.stop.signal_number = 15

    with pytest.raises(Stopped):
        cut.train(listener=stop)
    cut.stop.signal_number = None
    resumed = cut.train(past=[event.to_json() for event in cut.events])
    assert resumed.repairs == fitted.repairs
    assert cut.weights(resumed, "model") == whole.weights(fitted, "model")


@pytest.mark.parametrize("mode", ["suggest", "off"])
def test_what_leaves_fp16_is_only_said_where_nothing_may_be_repaired(tmp_path: Path, mode: Any) -> None:
    patient = half(STEEP.name, tmp_path / "steep")
    with pytest.raises(TrainingFailed):  # once a step is taken, its weights leave fp16 too
        patient.train(Policy(mode=mode))
    found = {body.finding.code: body.finding for body in patient.bodies(Found)}  # type: ignore[attr-defined]
    assert found["doctor.precision_overflow"].severity.value == "warning"
    with pytest.raises(TrainingFailed, match="in fp16; the same rows have finite losses in float32") as failed:
        half(LOUD.name, tmp_path / "loud").train(Policy(mode=mode))
    assert failed.value.findings[0].code == "doctor.precision_overflow"
    suggested = [finding.fix for finding in failed.value.findings if finding.code == "doctor.repair_suggested"]
    assert suggested == ["Write training.precision: bf16"] * (mode == "suggest")


def test_a_format_that_may_not_be_changed_leaves_the_training_broken(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"Set training\.precision: fp32, or bf16"):
        half(LOUD.name, tmp_path).train(Policy(precision_changes=0))


def test_overfitting_is_answered_with_what_to_write_into_the_spec(tmp_path: Path) -> None:
    patient = Patient("40 rows, large model: digits", tmp_path)
    fitted = patient.train()
    assert "doctor.overfitting" in {finding.code for finding in fitted.findings}
    (said,) = [f for f in fitted.findings if f.code == "doctor.repair_suggested"]
    assert said.evidence["symptom"] == "doctor.overfitting"
    assert "training.optimizer.weight_decay" in said.fix
    assert fitted.repairs == ()
    quiet = Patient("40 rows, large model: digits", tmp_path / "off").train(Policy(mode="off"))
    assert not [f for f in quiet.findings if f.code == "doctor.repair_suggested"]


def slow_disk(session: Any) -> None:
    """Rows that take 30 ms a batch to come, as long as nobody gathers ahead."""
    plain = session._feed.placed

    def placed() -> Any:
        source = plain()
        if session._feed.loading().workers == 0 and not hasattr(source, "slow"):
            source.slow, gather = True, source._gather

            def slowly(rows: Any) -> Any:
                time.sleep(0.03)
                return gather(rows)

            source._gather = slowly
        return source

    session._feed.placed = placed


_STREAM: dict[str, Any] = {"data_on": "stream", "num_workers": 0}
STARVED = Case(name="a slow disk", data="wine", rounds=16, patience=0, tamper=slow_disk, recipe=_STREAM)


def test_a_training_that_waits_for_its_rows_gets_threads_that_gather_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainwright.fit.repairing.available_cores", lambda: 2)
    patient = Patient(ROOMY.name, tmp_path / "starved")
    patient.case = STARVED
    fitted = patient.train()
    (made,) = fitted.repairs
    assert (made.symptom, made.values, made.back) == ("doctor.starved", {"num_workers": 2}, False)
    assert (made.before, made.after["num_workers"], made.helped) == ({"num_workers": 0}, 2, True)
    fed = Patient(ROOMY.name, tmp_path / "fed")
    fed.case = replace(STARVED, tamper=None)
    assert fed.weights(fed.train(), "model") == patient.weights(fitted, "model")
    again = Patient(ROOMY.name, tmp_path / "again")
    again.case = replace(STARVED, tamper=None)
    second = again.train(Policy(mode="off", repeat=planned(fitted)))
    assert planned(second) == planned(fitted)


@pytest.mark.parametrize(("action", "remembered"), [("num_workers", 1), ("learning_rate", 0)])
def test_threads_leave_what_the_doctor_remembers_as_it_is(action: str, remembered: int) -> None:
    """The clock decides on threads, and no other repair may hang on the clock."""
    past = [
        {"event": "started", "step": 0, "stage": "fit", "facts": {}},
        {"event": "trained", "step": 1, "seconds": 2.0, "values": {"loss": 1.0}},
        {"event": "repaired", "step": 1, "action": action, "after": {"rounds": 1, "step": 0}},
    ]
    assert len(Chart("fit", past).since.history().of("unit_seconds").values) == remembered


NORMED = Case(
    name="room for 10 rows, batch norm",
    data="wine",
    family="layers",
    params={"layers": [{"linear": 16}, "batch_norm", "relu"]},
    rounds=2,
    recipe={"batch_size": 32, "optimizer": {"lr": 0.01}},
    tamper=room_for(10),
)


def test_batch_norm_in_smaller_passes_is_called_another_training(tmp_path: Path) -> None:
    patient = Patient(ROOMY.name, tmp_path)
    patient.case = NORMED
    fitted = patient.train()
    assert [made.values["batch_size"] for made in fitted.repairs] == [16, 8]
    for made in fitted.repairs:
        assert (made.proof["equivalent"], made.proof["batch_norms"]) == (False, 1)
        assert float(str(made.proof["difference"])) > 100 * float(str(made.proof["tolerance"]))
    (told,) = [finding for finding in fitted.findings if finding.code == "doctor.not_equivalent"]
    assert told.severity.value == "warning"
    assert "1 batch norm takes its statistics" in told.why
