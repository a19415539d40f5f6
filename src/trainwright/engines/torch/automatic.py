"""What ``auto`` means: batch size, learning rate, steps in a unit. Each choice is a function of the job, and said."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from trainwright.core.findings import Finding, Severity
from trainwright.engines.torch.problem import Problem
from trainwright.engines.torch.recipe import OptimizerName

_T = TypeVar("_T")

_UNIT_WORK = {"cpu": 1e11, "cuda": 1e14, "mps": 3e12}
"""Operations in a unit. Assumption: about 5 s on one CPU core, on a GPU 1 to 5 s: how often signals, the budget and due
checkpoints are looked at."""

_UNIT_STEPS = 5_000
"""The most steps in a unit: where a network is so small that a step costs its 0.5 ms of overhead (measured), 2.5 s."""

_FEWEST_STEPS = 8  # assumption: fewer steps an epoch than this and a small table learns too slowly
_STEPS_KEPT = 64  # assumption: a GPU's batch grows while an epoch keeps this many steps

_TEST_STEPS = 100  # Smith 2017 runs the test over an epoch or less; fastai settled on 100 steps
_RANGES: dict[str, tuple[float, float]] = {"sgd": (1e-5, 10.0)}
_USUAL_RANGE = (1e-6, 1.0)
_SMOOTHING = 0.9  # assumption: averages over about ten batches; fastai has 0.98 without batches of a table's noise
_ABOVE_MIDDLE = 2.0
"""What the rate in the middle of the fall is multiplied with. Measured on 27 trainings of small networks (nine tables,
40 epochs, constant rate) and on five of three layers of 256: the validation loss over that of the best of seven rates,
geometric mean, is 1.44 and 2.60 with 2, and 1.56 and 2.27 with 1 (fastai's `valley`). A tenth of the rate of the lowest
loss (fastai's `minimum`) gives 1.57 and 2.96: a small table is learned by heart within the test, so that its lowest
loss is at the end. The rate of the steepest descent gives 3.1 and 4.1."""
_KNOWN_BY = 2.5
"""The factor by which a range test knows a rate: on four small tables, six draws each, it found 0.015 to 0.046 where
0.02 trained well (`benchmarks/clinic.py`)."""
_DIVERGED = 4.0  # fastai stops the test at four times the best loss


def unit_steps(problem: Problem, num_parameters: int, rows: int, device: str) -> int:
    """Steps in a unit: forward and backward cost 6 operations per weight and position (Kaplan et al. 2020)."""
    work = 6.0 * max(1, num_parameters) * problem.positions * rows
    return max(1, min(int(_UNIT_WORK[device] / work), _UNIT_STEPS))


def batch_size(rows: int, device: torch.device, probe: Callable[[int], None]) -> tuple[int, Finding]:
    """A batch size by the number of rows; on CUDA a larger one while it fits and an epoch keeps its steps.

    The rule follows what Gorishniy et al. 2021 used: 256 to 50,000 rows, 512 to 200,000, 1024 above.
    """
    size = 256 if rows < 50_000 else 512 if rows < 200_000 else 1024
    while size > 16 and rows < size * _FEWEST_STEPS:
        size //= 2
    why, tried = f"by rule from {rows} training rows", [size]
    if device.type == "cuda":
        largest = max(size, 1 << max(0, (rows // _STEPS_KEPT).bit_length() - 1))
        size, tried = _fitting(size, largest, probe)
        why = f"the largest power of two that fits into the memory of {device} and leaves {_STEPS_KEPT} steps an epoch"
    return size, Finding(
        code="torch.batch_size",
        severity=Severity.INFO,
        where="training.batch_size",
        what=f"auto took batches of {size} rows, {why}",
        evidence={"rows": rows, "tried": tried, "chosen": size},
    )


def _fitting(smallest: int, largest: int, probe: Callable[[int], None]) -> tuple[int, list[int]]:
    size, best, tried = smallest, 0, list[int]()
    while size <= largest:
        tried.append(size)
        try:
            probe(size)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            break
        best, size = size, size * 2
    size = smallest // 2
    while not best and size >= 1:
        tried.append(size)
        try:
            probe(size)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            size //= 2
            continue
        best = size
    if not best:
        raise torch.OutOfMemoryError("not even one row fits")
    return best, tried


def learning_rate(
    optimizer: OptimizerName,
    steps: Iterator[_T],
    loss_after: Callable[[_T, int, float], float],
    *,
    written: float | None = None,
) -> tuple[float, Finding]:
    """The range test of Smith 2017: rates rise until the loss diverges; one from the middle of its fall is taken.

    ``loss_after(step, number, rate)`` trains a copy one step and returns the loss before it. ``written`` is the rate of
    the spec that was no good: see `same_digits`.
    """
    low, high = _RANGES.get(optimizer, _USUAL_RANGE)
    rates = [low * (high / low) ** (i / (_TEST_STEPS - 1)) for i in range(_TEST_STEPS)]
    losses: list[float] = []
    mean = 0.0
    for number, rate in enumerate(rates):
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss_after(next(steps), number, rate)
        smooth = mean / (1 - _SMOOTHING ** (number + 1))
        if not math.isfinite(smooth) or (losses and abs(smooth) > _DIVERGED * max(abs(min(losses)), 1e-12)):
            break
        losses.append(smooth)
    measured = _from_curve(rates, losses)
    found = measured if written is None else same_digits(measured, written)
    digits = "" if found == measured else f", as {found:.3g}: the digits of {written:g}, which was written"
    return found, Finding(
        code="torch.learning_rate",
        severity=Severity.INFO,
        where="training.optimizer.lr",
        what=f"auto took a learning rate of {measured:.3g}, {_ABOVE_MIDDLE:g} times the one in the middle of the "
        f"loss's fall in a range test of {len(losses)} steps{digits}",
        fix=f"Set training.optimizer.lr: {found:.3g} to leave the test out",
        evidence={"rates": rates[: len(losses)][::5], "losses": [round(v, 6) for v in losses[::5]]},
    )


def same_digits(measured: float, written: float) -> float:
    """The rate ``written`` times the power of ten that brings it nearest to the ``measured`` one.

    Assumption: a rate that is far off has lost or won zeros, and its digits are what was meant. The measured one is
    taken where they are further from it than measuring is from itself, and where the power is 0: that rate was no good.
    """
    power = round(math.log10(measured / written))
    found = float(f"{written * 10.0**power:.12g}")
    return found if power and 1 / _KNOWN_BY < found / measured < _KNOWN_BY else measured


def _from_curve(rates: Sequence[float], losses: Sequence[float]) -> float:
    if not losses:
        return rates[0]
    first, last = _fall(losses)
    third = (last - first) / 3
    return float(f"{_ABOVE_MIDDLE * rates[first + int(third) + int(third / 2)]:.3g}")


def _fall(losses: Sequence[float]) -> tuple[int, int]:
    """Where the longest falling subsequence begins (as if its steps were neighbours) and ends: fastai's `valley`."""
    length, last = [1] * len(losses), 0
    for i in range(1, len(losses)):
        length[i] = 1 + max((length[j] for j in range(i) if losses[i] < losses[j]), default=0)
        last = i if length[i] > length[last] else last
    return max(0, last - length[last]), last


def checkpointed(blocks: int) -> Finding:
    """Say what activation checkpointing found to recompute."""
    return Finding(
        code="torch.activation_checkpointing",
        severity=Severity.INFO if blocks else Severity.WARNING,
        where="training.activation_checkpointing",
        what=f"{blocks} blocks of the network are recomputed in the backward pass"
        if blocks
        else "the network has no list of blocks, so nothing is recomputed and no memory saved",
        fix="" if blocks else "Remove it, or lower training.batch_size",
        evidence={"blocks": blocks},
    )
