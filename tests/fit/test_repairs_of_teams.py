"""Repairs of a training by two processes: all of them go back to the beginning, and the same repairs are made again."""

import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.clinic.cases import job_of, sick
from tests.engines.torch.teams import free_port, job, meet
from trainwright.core.clock import SystemClock
from trainwright.core.jsonable import to_json
from trainwright.core.metrics import loss_metric
from trainwright.doctor.remedies import Planned, Policy, Remedy
from trainwright.engines.contract import Job
from trainwright.engines.torch.distributed.leading import Led, follow, open_shared
from trainwright.engines.torch.distributed.team import leave
from trainwright.fit.driver import fit
from trainwright.fit.recorder import Recorder
from trainwright.fit.rules import Rules
from trainwright.fit.stop import StopRequest
from trainwright.run.hashes import sha256_file

REMEDY = tuple(one.name for one in fields(Remedy))
KEYS = (*REMEDY, "rounds", "step")
HOT = partial(job, epochs=4, optimizer={"name": "adamw", "lr": 30.0})
STREAMED = partial(job, epochs=2, data_on="stream", num_workers=0)


def poisoned(folder: Path) -> Job:
    """One row holds a value that is none."""
    (case,) = [case for case in sick() if case.name == "infinite value in a row"]
    return job_of(replace(case, rounds=2), folder)


def member(
    rank: int, port: int, folder: Path, repeat: Sequence[Planned], make: Callable[[Path], Job], strategy: str
) -> None:
    team = meet(rank, 2, port, strategy)
    work = folder / f"rank-{rank}"
    work.mkdir(parents=True)
    mine = make(work)
    session = open_shared(mine, team)
    if rank:
        follow(session, team)
    else:
        led, clock, loss = Led(session, team), SystemClock(), loss_metric(mine.task)
        fitted = fit(
            led,
            mine,
            Rules(watch=loss, primary=loss, patience=0, repairs=Policy(repeat=tuple(repeat))),
            stage="fit",
            recorder=Recorder(clock=clock, started_s=0.0, listeners=[]),
            stop=StopRequest(),
            checkpoints=folder / "checkpoints",
            resumable=True,
            anew=lambda _job: led.beginning(),
        )
        (folder / "model").mkdir()
        fitted.export(folder / "model")
        told = {"repairs": [asdict(one) for one in fitted.repairs], "best": fitted.progress.best_value}
        (folder / "told.json").write_text(json.dumps(to_json(told)))
        led.close()
    leave()
    os._exit(0)  # as the worker does


def train(
    folder: Path,
    repeat: Sequence[Planned] = (),
    *,
    make: Callable[[Path], Job] = HOT,
    strategy: str = "ddp",
) -> tuple[list[dict[str, object]], str]:
    """Two processes; the repairs that were made, and the hash of the model."""
    context, port = multiprocessing.get_context("spawn"), free_port()
    started = [context.Process(target=member, args=(rank, port, folder, repeat, make, strategy)) for rank in range(2)]
    for process in started:
        process.start()
    for process in started:
        process.join(200)
    for process in started:
        process.kill()
    assert [process.exitcode for process in started] == [0, 0]
    told = json.loads((folder / "told.json").read_text())
    return told["repairs"], sha256_file(folder / "model" / "model.safetensors")


def planned_from(repairs: Sequence[dict[str, object]]) -> list[Planned]:
    """The same repairs at the same positions."""
    return [
        Planned(remedy=Remedy(**{key: one[key] for key in REMEDY}), rounds=one["rounds"], step=one["step"])  # type: ignore[arg-type]
        for one in repairs
    ]


@pytest.mark.slow
def test_two_processes_go_back_to_the_beginning_together_and_repeat_it(tmp_path: Path) -> None:
    repairs, model = train(tmp_path / "first")
    assert repairs[0]["values"] == {"measure": True}
    assert (repairs[0]["back"], repairs[-1]["helped"]) == (True, True)
    assert repairs[0]["after"]["learning_rate"] < 1  # type: ignore[index]
    planned = planned_from(repairs)
    again, same = train(tmp_path / "again", planned)
    assert [[one[key] for key in KEYS] for one in again] == [[one[key] for key in KEYS] for one in repairs]
    assert same == model


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_rows_that_broke_a_step_of_two_processes_are_found_by_both_and_left_out(tmp_path: Path, strategy: str) -> None:
    repairs, model = train(tmp_path / "first", make=poisoned, strategy=strategy)
    assert [(one["action"], one["values"]) for one in repairs] == [("skip_rows", {"rows": [7]})]
    planned = planned_from(repairs)
    again, same = train(tmp_path / "again", planned, make=poisoned, strategy=strategy)
    assert [[one[key] for key in KEYS] for one in again] == [[one[key] for key in KEYS] for one in repairs]
    assert same == model


@pytest.mark.slow
def test_more_threads_gather_the_rows_of_two_processes_with_the_same_bits(tmp_path: Path) -> None:
    remedy = Remedy(symptom="doctor.starved", action="num_workers", values={"num_workers": 2})
    more = Planned(remedy=remedy, rounds=1, step=0)
    repairs, model = train(tmp_path / "more", [more], make=STREAMED)
    assert [(one["action"], one["after"]["num_workers"]) for one in repairs] == [("num_workers", 2)]  # type: ignore[index]
    none, same = train(tmp_path / "as it was", make=STREAMED)
    assert (none, same) == ([], model)
