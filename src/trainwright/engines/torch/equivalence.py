"""Whether a step in smaller batches is the same step: the gradient of the same rows, once in one pass, once in two."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Tensor, nn

from trainwright.doctor.capacity import Equivalence, Pass
from trainwright.engines.repairs import OutOfMemory
from trainwright.engines.torch.batches import Batch, Grid
from trainwright.engines.torch.device import exact_products, private_randomness, seed_generators
from trainwright.engines.torch.full import Buffers, is_full, release
from trainwright.engines.torch.parts import Parts
from trainwright.engines.torch.step import Stepper

Cut: TypeAlias = Callable[[Sequence[tuple[int, int]]], list[Batch]]

_ROUNDOFF = 2.0**-24  # of float32, in which both gradients are computed


def batch_norms(network: nn.Module) -> int:
    """Modules whose output for a row depends on the other rows of its pass."""
    return sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules())


def undone(parts: Parts, grid: Grid, said: str) -> OutOfMemory:
    """The error for a step that did not fit, with what it has left freed; to be called when what said so is gone."""
    parts.optimizers.zero_grad()
    release(parts.device)
    tried = Pass(
        device=str(parts.device),
        batch_rows=grid.batch_size,
        step_rows=grid.step_rows,
        least_rows=2 if batch_norms(parts.network) else 1,
    )
    return OutOfMemory(f"{tried.device} ran out of memory in a pass over {tried.batch_rows} rows ({said})", tried)


def compare(parts: Parts, batches: Cut, rows: int, *, seed: int) -> Equivalence:
    """Compare the gradient of ``rows`` rows in one pass and in two; fewer where one pass does not fit.

    ``batches(cuts)`` are these rows cut into passes, each from its first row to its last (exclusive). Both gradients
    are taken in float32 from the network as it is, without its noise (dropout) and with batch norm as in training. The
    difference is the largest one of any weight, as a share of the largest gradient of any weight in either half. Two
    orders of one sum of n numbers differ by 2 (n - 1) u at most, of the sum of their sizes (Higham 2002, section 4.2);
    n is here the rows with their positions, or the width of a layer where that is more. Weights, buffers and
    generators stay.
    """
    network, device = parts.network, parts.device
    stepper = Stepper(network, parts.losses, parts.optimizers, device=device, amp=None, average=None)
    norms = batch_norms(network)
    widest = max((max(p.shape) for p in network.parameters() if p.ndim), default=1)
    buffers, training, size, noise = Buffers(network), network.training, rows, False
    buffers.keep()
    try:
        with private_randomness(device), exact_products(device):
            while size >= (4 if norms else 2):
                try:
                    network.train()
                    noise = _draws(stepper, parts, batches([(0, size)]), seed)
                    with _silent(network, noise):
                        difference = _difference(stepper, parts, batches, size, seed)
                except (RuntimeError, MemoryError) as error:
                    if not is_full(error):
                        raise
                else:
                    return Equivalence(
                        rows=size,
                        difference=difference if math.isfinite(difference) else None,
                        tolerance=2 * _ROUNDOFF * max(size * parts.problem.positions, widest),
                        batch_norms=norms,
                        noise=noise,
                    )
                parts.optimizers.zero_grad()
                release(device)
                size //= 2
    finally:
        parts.optimizers.zero_grad()
        buffers.put_back()
        network.train(training)
    return Equivalence(rows=0, difference=None, tolerance=0.0, batch_norms=norms, noise=noise)


def _draws(stepper: Stepper, parts: Parts, batches: list[Batch], seed: int) -> bool:
    """Whether a pass in training draws random numbers."""
    seed_generators(parts.device, seed)
    before = _generator(parts.device)
    with torch.no_grad():
        stepper.loss(batches[0], batches[0].count)
    return not torch.equal(before, _generator(parts.device))


def _difference(stepper: Stepper, parts: Parts, batches: Cut, size: int, seed: int) -> float:
    middle = size - size // 2
    halves = batches([(0, middle), (middle, size)])
    whole, count = _gradient(stepper, parts, batches([(0, size)]), seed)
    both, _ = _gradient(stepper, parts, halves, seed)
    first, part = _gradient(stepper, parts, halves[:1], seed)
    share = part / count
    largest = max(float((f.abs() * share + (b - f * share).abs()).max()) for f, b in zip(first, both, strict=True))
    apart = max(float((w - b).abs().max()) for w, b in zip(whole, both, strict=True))
    return apart / largest if largest > 0 else apart


def _gradient(stepper: Stepper, parts: Parts, batches: list[Batch], seed: int) -> tuple[list[Tensor], float]:
    """In host memory, where it takes nothing from the passes; and what the step's losses were divided by."""
    parts.optimizers.zero_grad()
    seed_generators(parts.device, seed)
    _, count = stepper.accumulate(batches)
    return [p.grad.detach().float().cpu().clone() for p in parts.optimizers.params if p.grad is not None], float(count)


@contextmanager
def _silent(network: nn.Module, noise: bool) -> Iterator[None]:
    """Without noise: modules as in evaluation, but batch norm and recurrent ones (cuDNN differentiates them only in
    training) as in training."""
    if not noise:
        yield
        return
    recurrent = {m: m.dropout for m in network.modules() if isinstance(m, nn.RNNBase)}
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.RNNBase):
            module.training = True
    for module in recurrent:
        module.dropout = 0.0
    try:
        yield
    finally:
        for module, dropout in recurrent.items():
            module.dropout = dropout
        network.train()


def _generator(device: torch.device) -> Tensor:
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else torch.get_rng_state()
