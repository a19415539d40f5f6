"""From rows to predictions, in blocks of one fixed size, so that a row's prediction does not depend on its company."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainwright.engines.torch.losses import RowLosses, next_tokens
from trainwright.engines.torch.problem import Problem, stored_rows

if TYPE_CHECKING:
    from trainwright.engines.contract import Floats, Matrix

_BLOCK_WORK = {"cpu": 2e9, "cuda": 1e12, "mps": 1e11}
"""Multiply-adds of one forward pass of a block. Assumption: about 0.1 s on one CPU core, 20 ms on a GPU."""

_BLOCK_CELLS = {"cpu": 1 << 21, "cuda": 1 << 26, "mps": 1 << 24}
"""Numbers in a block's inputs or outputs: 8 MB on a CPU, which its caches hold in part."""

_SMALLEST, _LARGEST = 16, {"cpu": 1024, "cuda": 16384, "mps": 4096}


def block_rows(problem: Problem, num_parameters: int, device: str) -> int:
    """Rows of a block: a power of two, from the sizes of the network and of a row alone."""
    work = max(1, num_parameters * problem.positions)
    scores = problem.outputs * (problem.positions if problem.goal == "language" else 1)
    cells = max(1, int(np.prod(problem.inputs.shape)), scores)
    wanted = min(_BLOCK_WORK[device] / work, _BLOCK_CELLS[device] / cells)
    size = _SMALLEST
    while size * 2 <= min(wanted, _LARGEST[device]):
        size *= 2
    return size


class Evaluator:
    """Computes predictions of a network whose weights may be other ones than it holds (an average)."""

    def __init__(self, network: nn.Module, problem: Problem, device: torch.device, *, block: int) -> None:
        self._network, self._problem, self._device, self._block = network, problem, device, block

    def predict(self, X: "Matrix", weights: Mapping[str, Tensor] | None = None) -> "Floats":
        """Predictions in the shapes of the contract; a language model's are nats a row."""
        out = [_numpy(readable(self._scores(x, weights), x, self._problem))[:count] for x, count in self._blocks(X)]
        return np.concatenate(out) if out else np.empty((0,), dtype=np.float64)

    def next_token(self, ids: "np.ndarray") -> "Floats":
        """See `trainwright.engines.contract.Continues`."""
        length = self._problem.inputs.shape[0] - 1
        x = torch.from_numpy(np.ascontiguousarray(ids[-length:], dtype=np.int64))[None].to(self._device)
        return _numpy(self._scores(x, None)[0, -1].double().softmax(0))

    def mean_loss(
        self, X: "Matrix", y: Tensor, weight: Tensor | None, losses: RowLosses, weights: Mapping[str, Tensor] | None
    ) -> float:
        """The weighted mean of a loss over rows; per token for a language model. ``y`` lies on the CPU."""
        total, count, first = 0.0, 0.0, 0
        for x, rows in self._blocks(X):
            wanted = x if self._problem.goal == "language" else _padded(y[first : first + rows], len(x))
            found = losses(self._scores(x, weights), wanted.to(self._device)).double().cpu()[:rows]
            each = torch.ones(rows, dtype=torch.float64) if weight is None else weight[first : first + rows].double()
            units = (x[:rows, 1:] > 0).sum(1).cpu() if self._problem.goal == "language" else 1.0
            total, count = total + float((found * each).sum()), count + float((each * units).sum())
            first += rows
        return total / count

    def _blocks(self, X: "Matrix") -> Iterator[tuple[Tensor, int]]:
        """Rows on the device, block by block: padded to the block's size, and how many of them are real."""
        for first in range(0, int(X.shape[0]), self._block):
            part = torch.from_numpy(stored_rows(X[first : first + self._block], self._problem.inputs))
            x = _padded(part, self._block).to(self._device)
            yield (x.long() if self._problem.inputs.kind in ("tokens", "language") else x), len(part)

    def _scores(self, x: Tensor, weights: Mapping[str, Tensor] | None) -> Tensor:
        self._network.eval()
        with torch.inference_mode():
            if weights is None:
                return self._network(x)  # type: ignore[no-any-return]
            return functional_call(self._network, dict(weights), (x,))  # type: ignore[no-any-return]


def _padded(rows: Tensor, size: int) -> Tensor:
    """Filled up with copies of the first row, which no network finds strange."""
    missing = size - len(rows)
    return rows if not missing else torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])])


def readable(scores: Tensor, x: Tensor, problem: Problem) -> Tensor:
    """Probabilities, values or nats in float64 from raw scores."""
    wide = scores.to(torch.float64) if scores.device.type != "mps" else scores.cpu().double()
    if problem.goal == "language":
        wide, wanted = next_tokens(wide, x.to(wide.device))
        logs = wide.log_softmax(2).gather(2, wanted[:, :, None])[:, :, 0]
        return -(logs * (wanted != 0)).sum(1)
    if problem.goal == "multiclass":
        found = wide.softmax(-1)
        found = found.mean(1) if found.ndim == 3 else found
        return found / found.sum(1, keepdim=True)
    if problem.goal == "binary":
        positive = _mean_of_members(torch.sigmoid(wide))
        return torch.stack([1.0 - positive, positive], dim=1)
    values = wide.exp() if problem.log_link else wide * problem.scale + problem.shift
    return _mean_of_members(values)


def _mean_of_members(values: Tensor) -> Tensor:
    """(B, 1) or (B, M, 1) to (B,)."""
    return values[..., 0].mean(1) if values.ndim == 3 else values[:, 0]


def _numpy(values: Tensor) -> "np.ndarray":
    return np.ascontiguousarray(values.cpu().numpy())
