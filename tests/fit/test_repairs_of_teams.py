"""Repairs of a training by two processes: all of them go back to the beginning, and the same repairs are made again."""

import json
import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.engines.torch.teams import free_port, job, meet
from trainwright.core.clock import SystemClock
from trainwright.core.jsonable import to_json
from trainwright.core.metrics import loss_metric
from trainwright.doctor.remedies import Planned, Policy
from trainwright.engines.torch.distributed.leading import Led, follow, open_shared
from trainwright.engines.torch.distributed.team import leave
from trainwright.fit.driver import fit
from trainwright.fit.recorder import Recorder
from trainwright.fit.rules import Rules
from trainwright.fit.stop import StopRequest
from trainwright.run.hashes import sha256_file

KEYS = ("symptom", "action", "values", "rounds", "step", "back")
HOT = partial(job, epochs=4, optimizer={"name": "adamw", "lr": 30.0})


def member(rank: int, port: int, folder: Path, repeat: Sequence[Planned]) -> None:
    team = meet(rank, 2, port, "ddp")
    work = folder / f"rank-{rank}"
    work.mkdir(parents=True)
    mine = HOT(work)
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


def train(folder: Path, repeat: Sequence[Planned] = ()) -> tuple[list[dict[str, object]], str]:
    """Two processes; the repairs that were made, and the hash of the model."""
    context, port = multiprocessing.get_context("spawn"), free_port()
    started = [context.Process(target=member, args=(rank, port, folder, repeat)) for rank in range(2)]
    for process in started:
        process.start()
    for process in started:
        process.join(200)
    for process in started:
        process.kill()
    assert [process.exitcode for process in started] == [0, 0]
    told = json.loads((folder / "told.json").read_text())
    return told["repairs"], sha256_file(folder / "model" / "model.safetensors")


@pytest.mark.slow
def test_two_processes_go_back_to_the_beginning_together_and_repeat_it(tmp_path: Path) -> None:
    repairs, model = train(tmp_path / "first")
    assert repairs[0]["values"] == {"measure": True}
    assert (repairs[0]["back"], repairs[-1]["helped"]) == (True, True)
    assert repairs[0]["after"]["learning_rate"] < 1  # type: ignore[index]
    planned = [Planned(**{key: one[key] for key in KEYS}) for one in repairs]  # type: ignore[arg-type]
    again, same = train(tmp_path / "again", planned)
    assert [[one[key] for key in KEYS] for one in again] == [[one[key] for key in KEYS] for one in repairs]
    assert same == model
