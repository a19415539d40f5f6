"""Weights in shares: the same training as that of one process but for rounding, and states that any number takes up."""

import errno
import json
import multiprocessing
import os
import signal
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from tests.engines.torch.teams import TOLERANCE, Training, alone, distance, free_port, job, meet, spread, state_of
from trainwright.core.errors import ArtifactRefused, ResourceMissing, SpecError
from trainwright.engines.torch.distributed import sharded
from trainwright.engines.torch.distributed.leading import Led, follow, open_shared
from trainwright.engines.torch.distributed.sharded import blocks_of
from trainwright.engines.torch.distributed.team import Team
from trainwright.engines.torch.stored import first_rows, index_of, stored_groups
from trainwright.run.checkpoints import read_checkpoint, write_checkpoint

CASES = {
    "plain": partial(job, epochs=4),
    "accumulated": partial(job, accumulate=3),
    "weighted, accumulated, clipped, averaged": partial(job, weights=True, accumulate=2, clip_norm=0.5, ema=0.99),
    "a last batch of three rows": partial(job, rows=32 * 6 + 3),
    "sgd, plateau": partial(job, optimizer={"name": "sgd", "lr": 0.1}, scheduler={"name": "plateau", "patience": 1}),
    "schedule-free": partial(job, optimizer={"name": "schedule_free_adamw", "lr": 0.01}),
    "range test": partial(job, optimizer={"name": "adamw", "lr": "auto"}),
    "recomputed": partial(job, activation_checkpointing=True),
}

MUON = partial(job, optimizer={"name": "muon", "lr": 0.01})
MUON_TOLERANCE = 1e-3
"""In losses: torch's Muon makes its updates orthogonal in bfloat16, which rounds at 4e-3."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All trainings by two processes with shares, one start for all: ``two/NAME``, and resumed ones."""
    root = tmp_path_factory.mktemp("sharded")
    make = CASES["plain"]
    alone(Training(make=make, folder=root / "began alone", stop=2))
    spread(
        [
            *(Training(make=make, folder=root / "two" / name) for name, make in CASES.items()),
            Training(make=MUON, folder=root / "muon"),
            Training(make=make, folder=root / "began", stop=2),
            Training(make=make, folder=root / "2 to 2", resume=root / "began/saved"),
            Training(make=make, folder=root / "1 to 2", resume=root / "began alone/saved"),
        ],
        strategy="fsdp",
    )
    return root


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_with_shares_train_as_one(trained: Path, name: str, tmp_path: Path) -> None:
    alone(Training(make=CASES[name], folder=tmp_path))
    one, two = np.load(tmp_path / "end.npz"), np.load(trained / "two" / name / "end.npz")
    assert one["losses"][-1] < one["losses"][0]
    assert one.files == two.files
    numbers = [name for name in one.files if "saturated" not in name]  # which are those of a process's own rows
    for number in numbers:  # losses, predictions of rank 0, gradients and updates of every layer
        np.testing.assert_allclose(two[number], one[number], rtol=10 * TOLERANCE, atol=TOLERANCE, err_msg=number)
    assert distance(tmp_path / "end", trained / "two" / name / "end") < TOLERANCE


@pytest.mark.slow
def test_muon_sees_whole_matrices(trained: Path, tmp_path: Path) -> None:
    alone(Training(make=MUON, folder=tmp_path))
    one, two = np.load(tmp_path / "end.npz"), np.load(trained / "muon/end.npz")
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=MUON_TOLERANCE)


@pytest.mark.slow
def test_every_process_writes_its_share(trained: Path) -> None:
    end = trained / "two/plain/end"
    document = json.loads((end / "state.json").read_text())
    assert sorted(document["files"]) == sorted(p.name for p in end.iterdir() if p.name != "state.json")
    sizes = [(end / f"training-{rank}.safetensors").stat().st_size for rank in (0, 1)]
    assert abs(sizes[0] - sizes[1]) < 0.2 * sizes[0]
    assert not [p for p in trained.rglob("*") if p.suffix in (".metadata", ".pkl", ".pt")]


@pytest.mark.slow
def test_a_resume_by_as_many_processes_is_exact(trained: Path) -> None:
    for path in sorted((trained / "two/plain/end").iterdir()):
        assert path.read_bytes() == (trained / "2 to 2/end" / path.name).read_bytes()


@pytest.mark.slow
def test_a_resume_by_another_number_of_processes_is_close(trained: Path, tmp_path: Path) -> None:
    make = CASES["plain"]
    alone(Training(make=make, folder=tmp_path / "2 to 1", resume=trained / "began/saved"))
    three = Training(make=make, folder=tmp_path / "2 to 3", resume=trained / "began/saved")
    spread([three], size=3, strategy="fsdp")
    for end in (tmp_path / "2 to 1/end", tmp_path / "2 to 3/end", trained / "1 to 2/end"):
        assert 0 < distance(trained / "two/plain/end", end) < TOLERANCE


@pytest.mark.slow
def test_a_damaged_share_is_refused(trained: Path, tmp_path: Path) -> None:
    saved = trained / "began/saved"
    for path in saved.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = bytearray((tmp_path / "training-1.safetensors").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "training-1.safetensors").write_bytes(damaged)
    with pytest.raises(ArtifactRefused, match=r"training-1\.safetensors"):
        open_shared(CASES["plain"](tmp_path), Team()).restore(tmp_path)


def _unlucky_in_its_saves(rank: int, port: int, folder: Path) -> None:
    team = meet(rank, 2, port, "fsdp")
    session = open_shared(job(folder), team)
    if rank == 0:
        led = Led(session, team)
        for number, _ in enumerate(led.units()):
            try:
                write_checkpoint(folder / "checkpoints", "last", {"number": number}, led.save)
            except ResourceMissing as error:
                (folder / "refused.txt").write_text(f"{number}: {error.message}")
        return
    write, calls = sharded.write_tensors, []

    def dying(path: Path, tensors: dict[str, torch.Tensor]) -> None:
        calls.append(path)
        if len(calls) == 3:  # the first of two groups, in the second save
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if len(calls) == 5:  # the second group, in the third save
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, tensors)

    sharded.write_tensors = dying
    follow(session, team)


@pytest.mark.slow
def test_a_full_disk_or_a_lost_process_in_a_save_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    port = free_port()
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_unlucky_in_its_saves, args=(rank, port, tmp_path)) for rank in (0, 1)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert both[1].exitcode == -signal.SIGKILL
    assert both[0].exitcode not in (0, None)
    assert (tmp_path / "refused.txt").read_text().startswith("1: cannot write")
    checkpoint = read_checkpoint(tmp_path / "checkpoints", "last")
    assert checkpoint is not None
    assert checkpoint.state == {"number": 0}
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["last"]
    open_shared(job(tmp_path), Team()).restore(checkpoint.engine_folder)


class PastTheCall(nn.Module):
    """Reads the weight of a block that it does not call."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(5, 1)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.blocks[0].weight.T


class Scalar(nn.Linear):
    """Has a weight without a dimension."""

    def __init__(self) -> None:
        super().__init__(5, 1)
        self.temperature = nn.Parameter(torch.tensor(1.0))


def _told(port: int, folder: Path) -> None:
    team = meet(0, 1, port, "fsdp")
    told = []
    for network in (Scalar(), PastTheCall()):
        try:
            forward = team.strategy.wrapped(network, steady=True)
            with team.strategy.pass_of(last=True):
                forward(torch.ones(4, 5))
        except SpecError as error:
            told.append(error.message)
    (folder / "told.json").write_text(json.dumps(told))
    os._exit(0)


@pytest.mark.slow
def test_networks_that_cannot_be_cut_are_refused_with_what_to_do(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_told, args=(free_port(), tmp_path))
    process.start()
    process.join(60)
    scalar, past = json.loads((tmp_path / "told.json").read_text())
    assert "temperature" in scalar
    assert "Write strategy: ddp" in scalar
    assert "block(x)" in past


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 16])
def test_rows_are_found_whoever_wrote_them(tmp_path: Path, rows: int, processes: int) -> None:
    whole = torch.arange(rows * 2).reshape(rows, 2)
    bounds = [*first_rows(rows, processes), rows]
    cut = [len(part) for part in whole.chunk(processes)]
    assert [b - a for a, b in pairwise(bounds)] == cut + [0] * (processes - len(cut))
    for rank in range(processes):
        share = {"t": whole[bounds[rank] : bounds[rank + 1]]}
        extra = {"n": torch.tensor(7.0)} if rank == 0 else {}
        sharded.write_tensors(tmp_path / f"g-{rank}.safetensors", {**share, **extra})
    index = {"g": index_of("g", {"t": (rows, 2)}, {"n": ()}, processes)}
    (found,) = stored_groups(tmp_path, json.loads(json.dumps(index)), ("g",))
    assert torch.equal(found["t"].whole(), whole)
    assert found["n"].whole() == 7.0
    for first in range(rows + 1):
        for end in range(first, rows + 1):
            assert torch.equal(found["t"].rows(first, end), whole[first:end])


def test_blocks_are_the_entries_of_module_lists_inner_ones_first() -> None:
    inner = nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])
    outer = nn.Sequential(nn.Linear(2, 2))
    outer.parts = inner
    network = nn.Sequential(nn.Linear(2, 2))
    network.blocks = nn.ModuleList([outer, nn.ModuleList([nn.Tanh()]), outer])
    assert blocks_of(network) == [inner[0], outer]


@pytest.mark.slow
def test_a_state_of_one_process_and_of_two_hold_the_same_names(trained: Path) -> None:
    one, two = state_of(trained / "began alone/saved"), state_of(trained / "began/saved")
    assert {n: t.shape for n, t in one.items()} == {n: t.shape for n, t in two.items()}
