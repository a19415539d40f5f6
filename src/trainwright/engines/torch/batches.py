"""Rows in batches: an epoch's order is a function of (seed, epoch), so a position is a number.

Rows live on the device (gathered and sliced there) or in host memory (gathered by worker threads ahead of their use).
Both give the same batches bit for bit. Workers are threads: NumPy gathers without the interpreter lock, and a thread
neither copies random states nor outlives a killed process.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from trainwright.engines.contract import Table
from trainwright.engines.torch.augment import augmented, is_idle
from trainwright.engines.torch.problem import Problem, scaled_target, stored_rows
from trainwright.engines.torch.recipe import Augment

_GATHER_BYTES = 32 << 20
"""Rows gathered at once on the device, then sliced: a slice costs a fifth of a gather (2 against 10 us, measured)."""

_AHEAD = 2  # batches in preparation per worker, the number torch's DataLoader has


@dataclass(slots=True)
class Batch:
    """Rows of one forward pass; ``count`` is what their losses are divided by: rows, weights or tokens."""

    x: Tensor
    y: Tensor
    weight: Tensor | None
    count: "Tensor | float"
    rows: int


@dataclass(frozen=True, slots=True)
class Grid:
    """How an epoch of ``rows`` divides into steps of ``step_rows`` rows, taken in batches of ``batch_size``.

    The last batch of a step has what is left. A last one of one row joins the one before it, as batch norm knows no
    spread of one; batches of one row stay what they are.
    """

    rows: int
    batch_size: int
    step_rows: int

    @property
    def steps(self) -> int:
        """Steps in an epoch; one row that is left over joins the last."""
        whole, rest = divmod(self.rows, self.step_rows)
        return max(1, whole + (rest > 1))

    def batches(self, step: int) -> list[tuple[int, int]]:
        """First and last position (exclusive) in the epoch's order of each batch of a step."""
        size = self.step_rows
        end = self.rows if step == self.steps - 1 else (step + 1) * size
        starts = list(range(step * size, end, self.batch_size))
        if self.batch_size > 1 and len(starts) > 1 and end - starts[-1] == 1:
            starts.pop()
        return list(zip(starts, [*starts[1:], end], strict=True))


def epoch_order(rows: int, seed: int) -> Tensor:
    """A permutation of the rows."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(seed))


class Source(Protocol):
    """Training rows that come in batches."""

    def batches(self, order: Tensor, spans: Sequence[tuple[int, int]], *, epoch_seed: int) -> Iterator[Batch]:
        """A batch for each span of the order; ``epoch_seed`` is the epoch's for augmentation."""
        ...

    def close(self) -> None:
        """End the workers."""
        ...


class _Finisher:
    """What is done to gathered rows on the device: targets, weights, augmentation, types."""

    def __init__(self, table: Table, problem: Problem, device: torch.device, augment: Augment, *, channels_last: bool):
        language = problem.goal == "language"
        self.y = None if language else scaled_target(table.y, problem).to(device)
        weight = None if table.weight is None else np.ascontiguousarray(table.weight, dtype=np.float32)
        self.weight = None if weight is None else torch.from_numpy(weight).to(device)
        self.kind = problem.inputs.kind
        self.device = device
        self.augment = None if self.kind != "image" or is_idle(augment) else augment
        self.channels_last = channels_last and self.kind == "image"

    def batches(self, x: Tensor, rows: Tensor, spans: Sequence[tuple[int, int]], epoch_seed: int) -> Iterator[Batch]:
        """Cut gathered rows (``rows``: their numbers, on the device) into batches."""
        if self.augment is not None:
            x = augmented(x, rows, self.augment, seed=epoch_seed)
        if self.kind in ("tokens", "language"):
            x = x.long()
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        y = x if self.y is None else self.y.index_select(0, rows)
        weight = None if self.weight is None else self.weight.index_select(0, rows)
        for a, b in spans:
            yield self._batch(x[a:b], y[a:b], None if weight is None else weight[a:b])

    def _batch(self, x: Tensor, y: Tensor, weight: Tensor | None) -> Batch:
        count: Tensor | float = float(len(x)) if weight is None else weight.sum()
        if self.y is None:
            tokens = (x[:, 1:] > 0).sum(1)
            count = tokens.sum() if weight is None else (tokens * weight).sum()
        return Batch(x, y, weight, count, len(x))


class DeviceRows:
    """All rows on the device."""

    def __init__(self, table: Table, problem: Problem, device: torch.device, augment: Augment, *, channels_last: bool):
        self._x = torch.from_numpy(stored_rows(table.X, problem.inputs)).to(device)
        self._finish = _Finisher(table, problem, device, augment, channels_last=channels_last)
        self._row_bytes = max(1, prod(self._x.shape[1:]) * self._x.element_size())

    def batches(self, order: Tensor, spans: Sequence[tuple[int, int]], *, epoch_seed: int) -> Iterator[Batch]:
        """See `Source.batches`."""
        order = order.to(self._x.device)
        for group in _groups(spans, max(1, _GATHER_BYTES // self._row_bytes)):
            first = group[0][0]
            rows = order[first : group[-1][1]]
            local = [(a - first, b - first) for a, b in group]
            yield from self._finish.batches(self._x.index_select(0, rows), rows, local, epoch_seed)

    def close(self) -> None:
        """Nothing runs."""


class StreamedRows:
    """Rows in host memory (an array or a memory map), gathered batch by batch."""

    def __init__(
        self,
        table: Table,
        problem: Problem,
        device: torch.device,
        augment: Augment,
        *,
        channels_last: bool,
        workers: int,
    ):
        self._table, self._inputs, self._device = table, problem.inputs, device
        self._finish = _Finisher(table, problem, device, augment, channels_last=channels_last)
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="rows") if workers else None

    def batches(self, order: Tensor, spans: Sequence[tuple[int, int]], *, epoch_seed: int) -> Iterator[Batch]:
        """See `Source.batches`."""
        numbers = order.numpy()
        for x, (a, b) in self._gathered(numbers, spans):
            rows = order[a:b].to(self._device, non_blocking=True)
            there = x.to(self._device, non_blocking=True)
            yield from self._finish.batches(there, rows, [(0, b - a)], epoch_seed)

    def _gathered(
        self, order: np.ndarray, spans: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[Tensor, tuple[int, int]]]:
        if self._pool is None:
            for a, b in spans:
                yield self._gather(order[a:b]), (a, b)
            return
        waiting: deque[tuple[Future[Tensor], tuple[int, int]]] = deque()
        coming = iter(spans)
        try:
            for span in coming:
                waiting.append((self._pool.submit(self._gather, order[span[0] : span[1]]), span))
                if len(waiting) >= _AHEAD * self._workers:
                    future, done = waiting.popleft()
                    yield future.result(), done
            while waiting:
                future, done = waiting.popleft()
                yield future.result(), done
        finally:
            for future, _ in waiting:
                future.cancel()

    def _gather(self, rows: np.ndarray) -> Tensor:
        x = torch.from_numpy(stored_rows(self._table.X[rows], self._inputs))
        return x.pin_memory() if self._device.type == "cuda" else x

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _groups(spans: Sequence[tuple[int, int]], rows: int) -> Iterator[list[tuple[int, int]]]:
    """Neighbouring spans, together at most that many rows (or one span)."""
    group: list[tuple[int, int]] = []
    for span in spans:
        if group and span[1] - group[0][0] > rows:
            yield group
            group = []
        group.append(span)
    if group:
        yield group
