"""Two gloo processes on one job: the same training as one process, but for rounding."""

import multiprocessing
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from trainwright.core.jsonable import JsonValue
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.engines.contract import Job, Table
from trainwright.engines.torch.distributed import Led, Team, follow, join, leave, open_shared, share
from trainwright.engines.torch.files import read_tensors
from trainwright.families import layers
from trainwright.families.contract import Request

TOLERANCE = 2e-5
"""Between one process and two, in weights of size 1 after 3 epochs: float32 sums in another order."""

ROWS = 203  # not a multiple of the batch, and an odd last batch

LAYERS: JsonValue = [{"linear": 16}, "relu", {"linear": 16}, "relu"]


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


def lead(make: Callable[[Path], Job], folder: Path, *, stop_after: int = 0, resume: bool = False) -> None:
    """What rank 0 (or the only process) does: train, save."""
    session = open_shared(make(folder), Team())
    _drive(session, folder, stop_after=stop_after, resume=resume)


def _drive(session, folder: Path, *, stop_after: int, resume: bool) -> None:
    if resume:
        session.restore(folder / "saved")
    losses = []
    for unit in session.units():
        losses.append(unit.values["loss"])
        if unit.rounds == stop_after:
            break
    out = folder / ("saved" if stop_after else "end")
    out.mkdir()
    session.save(out)
    np.save(folder / f"losses-{out.name}.npy", losses)


def member(
    rank: int, size: int, port: int, strategy: str, make: Callable[[Path], Job], folder: Path, stop: int, resume: bool
) -> None:
    """One process of several."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    team, _ = join("cpu", strategy)
    session = open_shared(make(folder), team)
    if rank:
        follow(session, team)
    else:
        led = Led(session, team)
        _drive(led, folder, stop_after=stop, resume=resume)
        led.close()
    leave()


def spread(
    make: Callable[[Path], Job],
    folder: Path,
    *,
    size: int = 2,
    strategy: str = "ddp",
    stop: int = 0,
    resume: bool = False,
) -> None:
    """Train by several processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    started = [
        context.Process(target=member, args=(rank, size, port, strategy, make, folder, stop, resume))
        for rank in range(size)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    for process in started:
        process.kill()
    assert [process.exitcode for process in started] == [0] * size


def distance(a: Path, b: Path) -> float:
    """The largest difference of any weight."""
    first, second = (read_tensors(p / "weights.safetensors") for p in (a, b))
    assert first.keys() == second.keys()
    return max(float((first[n].double() - second[n].double()).abs().max()) for n in first)


CASES = {
    "plain": partial(job),
    "accumulated": partial(job, accumulate=3),
    "weighted": partial(job, weights=True),
    "weighted and accumulated, clipped, averaged": partial(job, weights=True, accumulate=2, clip_norm=0.5, ema=0.99),
    "a last batch of three rows": partial(job, rows=32 * 6 + 3),
    "streamed": partial(job, data_on="stream"),
    "plateau": partial(job, scheduler={"name": "plateau", "patience": 1}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_as_one(tmp_path: Path, name: str) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    lead(CASES[name], one)
    spread(CASES[name], two)
    losses = [np.load(folder / "losses-end.npy") for folder in (one, two)]
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=TOLERANCE)
    assert distance(one / "end", two / "end") < TOLERANCE


@pytest.mark.slow
def test_three_processes_with_a_batch_for_two(tmp_path: Path) -> None:
    one, three = tmp_path / "one", tmp_path / "three"
    for folder in (one, three):
        folder.mkdir()
    make = partial(job, rows=32 * 6 + 5)
    lead(make, one)
    spread(make, three, size=3)
    assert distance(one / "end", three / "end") < TOLERANCE


@pytest.mark.slow
def test_a_resume_by_as_many_processes_is_exact_and_by_others_close(tmp_path: Path) -> None:
    whole, again, alone = (tmp_path / name for name in ("whole", "again", "alone"))
    make = partial(job, epochs=4)
    for folder in (whole, again, alone):
        folder.mkdir()
    spread(make, whole)
    spread(make, again, stop=2)
    spread(make, again, resume=True)
    assert distance(whole / "end", again / "end") == 0.0
    (alone / "saved").symlink_to(again / "saved")
    lead(make, alone, resume=True)
    assert distance(whole / "end", alone / "end") < TOLERANCE


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 9, 10, 11, 64])
def test_every_row_counts_once_and_no_rank_is_left_with_one(rows: int, size: int) -> None:
    shares = [share(rows, rank, size) for rank in range(size)]
    counted = [row for picked, counts in shares if counts for row in range(rows)[picked]]
    assert sorted(counted) == list(range(rows))
    assert all(len(range(rows)[picked]) >= min(2, rows) for picked, _ in shares)


def test_a_team_of_one_sends_nothing(tmp_path: Path) -> None:
    team = Team()
    network = torch.nn.Linear(2, 1)
    assert team.strategy.wrapped(network, steady=True) is network
    assert team.total(torch.tensor(2.0)) == 2.0
    assert team.leaders(lambda: 3.0) == 3.0
    assert team.least(4) == 4


def test_a_job_keeps_its_identity_whatever_the_team(tmp_path: Path) -> None:
    """A checkpoint of one number of processes can be taken up by another."""
    first, second = open_shared(job(tmp_path), Team()), open_shared(replace(job(tmp_path)), Team())
    saved = tmp_path / "saved"
    saved.mkdir()
    first.save(saved)
    second.restore(saved)
