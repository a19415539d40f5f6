"""The processes of a training: who they are, which rows each takes, what they add up, what rank 0 tells the others.

A batch's rows go to the ranks by their position in it. Losses are divided by the count of the whole step, so the sum
of all gradients is the gradient of one process but for rounding. Dropout draws from a stream per rank: with it (and
with batch norm, whose statistics are those of a rank's rows) another number of processes is another noise.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.engines.torch.batches import Batch, Source
from trainwright.engines.torch.distributed.strategies import Alone, Replicated

_TIMEOUT = timedelta(minutes=30)
"""How long a rank waits for the others. Assumption: an evaluation or a save takes less. A rank that dies is noticed at
once (its connections close, its launcher looks ten times a second); this is for one that hangs."""

_MESSAGE_BYTES = 8192  # a command with a path, whose length Linux limits to 4096


class Team:
    """The processes of a training; one alone in the usual case, and then nothing is sent."""

    def __init__(self, rank: int = 0, size: int = 1, strategy: Alone | None = None) -> None:
        self.rank, self.size = rank, size
        self.strategy = strategy or Alone()

    def total(self, value: "Tensor | float") -> "Tensor | float":
        """The sum over the ranks; a plain number is known to all already."""
        if self.size == 1 or not isinstance(value, Tensor):
            return value
        value = value.detach().clone()
        dist.all_reduce(value)
        return value

    def summed(self, value: Tensor) -> Tensor:
        """The sum of a tensor over the ranks."""
        total = self.total(value)
        assert isinstance(total, Tensor)
        return total

    def least(self, value: int) -> int:
        """The smallest value of any rank."""
        if self.size == 1:
            return value
        found = torch.tensor([value])
        dist.all_reduce(found, op=dist.ReduceOp.MIN)
        return int(found)

    def meet(self) -> None:
        """Wait until every rank is here."""
        self.least(0)

    def leaders(self, compute: Callable[[], float]) -> float:
        """What rank 0 computes; the others wait for it."""
        if self.size == 1:
            return compute()
        found = torch.tensor([compute() if self.rank == 0 else 0.0], dtype=torch.float64)
        dist.broadcast(found, 0)
        return float(found)

    def batches(
        self, source: Source, order: Tensor, spans: Sequence[tuple[int, int]], *, epoch_seed: int
    ) -> Iterator[Batch]:
        """This rank's part of each batch."""
        if self.size == 1:
            yield from source.batches(order, spans, epoch_seed=epoch_seed)
            return
        shares = [share(b - a, self.rank, self.size) for a, b in spans]
        parts = [order[a:b][picked] for (a, b), (picked, _) in zip(spans, shares, strict=True)]
        cuts, end = list[tuple[int, int]](), 0
        for part in parts:
            cuts.append((end, end + len(part)))
            end += len(part)
        mine = source.batches(torch.cat(parts), cuts, epoch_seed=epoch_seed) if parts else iter(())
        for batch, (a, b), (_, counts) in zip(mine, spans, shares, strict=True):
            yield _of_all(batch, b - a, counts=counts)

    def announce(self, command: Mapping[str, JsonValue]) -> None:
        """Rank 0 tells the others what all do next."""
        text = dumps(command).encode()
        if len(text) > _MESSAGE_BYTES:
            raise ValueError(f"a command of {len(text)} bytes is too long: {command}")
        padded = torch.zeros(_MESSAGE_BYTES, dtype=torch.uint8)
        padded[: len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        dist.broadcast(padded, 0)

    def listen(self) -> Mapping[str, Any]:
        """What rank 0 announces next."""
        received = torch.zeros(_MESSAGE_BYTES, dtype=torch.uint8)
        dist.broadcast(received, 0)
        command = json.loads(bytes(received.tolist()).rstrip(b"\0"))
        assert isinstance(command, dict)
        return command


def share(rows: int, rank: int, size: int) -> tuple[slice, bool]:
    """The positions of a batch that a rank takes, and whether they count.

    Every rank needs two rows, as batch norm knows no spread of one. Where a batch has too few, the ranks left over look
    at rows of others, which count nothing: all ranks must take part in each exchange.
    """
    working = min(size, max(1, rows // 2))
    return slice(rank if rank < working else 0, None, working), rank < working


def _of_all(batch: Batch, rows: int, *, counts: bool) -> Batch:
    """A part of a batch with what its losses are divided by: rows of all ranks, or a tensor still to be added up."""
    count = batch.count if isinstance(batch.count, Tensor) else float(rows)
    if counts:
        return replace(batch, count=count, rows=rows)
    nothing = torch.zeros(len(batch.x), device=batch.x.device)
    return replace(batch, weight=nothing, count=count * 0 if isinstance(count, Tensor) else count, rows=rows)


def join(device: str, strategy: str) -> tuple[Team, str]:
    """Meet the other processes, as torchrun's environment says; the team, and the device of this process."""
    rank, size, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if device == "cuda":
        torch.cuda.set_device(local)
        dist.init_process_group("cpu:gloo,cuda:nccl", timeout=_TIMEOUT)
        return Team(rank, size, _strategy(strategy, rank, size, device)), f"cuda:{local}"
    dist.init_process_group("gloo", timeout=_TIMEOUT)
    return Team(rank, size, _strategy(strategy, rank, size, device)), device


def _strategy(name: str, rank: int, size: int, device: str) -> Alone:
    if name == "ddp":
        return Replicated(rank, size)
    from trainwright.engines.torch.distributed.sharded import Sharded

    return Sharded(rank, size, device)


def leave() -> None:
    """Part from the others, all at the same time."""
    dist.barrier()
    dist.destroy_process_group()


def count_gpus() -> int:
    """GPUs that torch sees."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def local_batch_norm(network: nn.Module, team: Team) -> list[Finding]:
    """Say that batch norm sees a rank's rows only."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if team.size == 1 or not norms:
        return []
    return [
        Finding(
            code="torch.local_batch_norm",
            severity=Severity.INFO,
            where="training.distributed",
            what=f"the {len(norms)} batch norms of the network take their statistics from the rows of one process, "
            f"1/{team.size} of a batch",
            why="the result differs from that of one process by more than rounding",
            fix="Raise training.batch_size, or use a network with layer or group norm",
            evidence={"layers": len(norms), "processes": team.size},
        )
    ]
