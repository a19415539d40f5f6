"""Small trainings by several gloo processes, for tests."""

import multiprocessing
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainwright.core.jsonable import JsonValue
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.engines.contract import Job, Session, Table
from trainwright.engines.torch.distributed.leading import Led, follow, open_shared
from trainwright.engines.torch.distributed.team import Team, join, leave
from trainwright.engines.torch.files import STATE_JSON, read_document
from trainwright.engines.torch.stored import stored_groups
from trainwright.families import layers
from trainwright.families.contract import Request

TOLERANCE = 2e-5
"""Between one process and several, in weights of size 1 after 3 epochs: float32 sums in another order."""

ROWS = 203  # not a multiple of the batch, and an odd last batch

LAYERS: JsonValue = [{"linear": 16}, "relu", {"linear": 16}, "relu"]

Make = Callable[[Path], Job]


def job(folder: Path, *, weights: bool = False, rows: int = ROWS, epochs: int = 3, **recipe: JsonValue) -> Job:
    """A small regression by a network without noise or batch norm."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows + 50, 5)).astype(np.float32)
    y = X @ rng.normal(size=5) + 0.1 * rng.normal(size=rows + 50)
    weight = rng.uniform(0.5, 2.0, rows + 50) if weights else None
    params: dict[str, JsonValue] = {"layers": LAYERS}
    plan = layers.build(params, Request(task=Task.REGRESSION, num_classes=0, rows=rows, columns=5, rounds=epochs))
    options: dict[str, JsonValue] = {"recipe": {"batch_size": 32, "statistics_every": 2, **recipe}}
    plan = replace(plan, options={**plan.options, **options})
    cut = slice(None, rows), slice(rows, None)
    train, val = (Table(X=X[c], y=y[c], weight=None if weight is None else weight[c]) for c in cut)
    return Job(
        task=Task.REGRESSION,
        num_classes=0,
        plan=plan,
        train=train,
        val=val,
        feature_names=tuple("abcde"),
        categorical=(),
        category_sizes=(),
        seeds=Seeds(1),
        threads=1,
        device="cpu",
        workdir=folder,
    )


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training in a folder: from the start or from a ``saved`` state, to the end or to epoch ``stop``.

    Leaves its state under ``saved`` (where it stops early) or ``end``, and beside it the losses and predictions of each
    epoch and the last statistics of layers, as NPZ.
    """

    make: Make
    folder: Path
    stop: int = 0
    resume: Path | None = None


def alone(training: Training) -> None:
    """By this process."""
    _drive(open_shared(training.make(training.folder), Team()), training)


def spread(trainings: Sequence[Training], *, size: int = 2, strategy: str = "ddp") -> None:
    """One after another, by several processes."""
    ports = [free_port() for _ in trainings]
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=_member, args=(rank, size, ports, strategy, trainings)) for rank in range(size)]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    for process in started:
        process.kill()
    assert [process.exitcode for process in started] == [0] * size


def meet(rank: int, size: int, port: int, strategy: str) -> Team:
    """This process's place among others."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return join("cpu", strategy)[0]


def _member(rank: int, size: int, ports: Sequence[int], strategy: str, trainings: Sequence[Training]) -> None:
    for port, training in zip(ports, trainings, strict=True):
        team = meet(rank, size, port, strategy)
        session = open_shared(training.make(training.folder), team)
        if rank:
            follow(session, team)
        else:
            led = Led(session, team)
            _drive(led, training)
            led.close()
        leave()
    os._exit(0)  # as the worker does


def _drive(session: Session, training: Training) -> None:
    if training.resume is not None:
        session.restore(training.resume)
    losses, predicted, layers_seen = [], [], {}
    for unit in session.units():
        losses.append(unit.values["loss"])
        predicted.append(session.predict_part("val"))
        layers_seen = {f"{layer} {name}": v for layer, values in unit.statistics.items() for name, v in values.items()}
        if unit.rounds == training.stop:
            break
    out = training.folder / ("saved" if training.stop else "end")
    out.mkdir(parents=True)
    session.save(out)
    np.savez(training.folder / f"{out.name}.npz", losses=losses, predicted=predicted, **layers_seen)


def state_of(folder: Path) -> dict[str, np.ndarray]:
    """Every tensor of a saved state, whole."""
    groups = stored_groups(folder, read_document(folder, STATE_JSON)["shares"], ("weights", "training"))
    return {f"{i}.{name}": stored.whole().numpy() for i, group in enumerate(groups) for name, stored in group.items()}


def distance(a: Path, b: Path) -> float:
    """The largest difference of any number in two saved states."""
    first, second = state_of(a), state_of(b)
    assert first.keys() == second.keys()
    return max(float(np.abs(first[n].astype(np.float64) - second[n]).max()) for n in first)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
