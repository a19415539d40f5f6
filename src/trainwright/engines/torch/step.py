"""One optimiser step: forward and backward over its batches, the finite check, clipping, the update, the average.

Nothing non-finite reaches the weights, the optimiser's state or the average. On the CPU the host looks before each
update; elsewhere the check stays on the device, and the host reads once a block.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor, nn

from trainwright.engines.torch.batches import Batch
from trainwright.engines.torch.distributed.team import Team
from trainwright.engines.torch.full import step_too_large
from trainwright.engines.torch.losses import RowLosses
from trainwright.engines.torch.optimizers import Optimizers


@dataclass(slots=True)
class Tally:
    """Sums over the steps of a block; they stay on the device until they are read."""

    loss: "Tensor | float" = 0.0
    count: "Tensor | float" = 0.0
    norm: "Tensor | float" = 0.0
    skipped: "Tensor | float" = 0.0
    steps: int = 0
    rows: int = 0
    losses: "list[Tensor | float]" = field(default_factory=list)
    norms: "list[Tensor | float]" = field(default_factory=list)

    def read(self) -> dict[str, float]:
        """Mean loss and gradient norm of the steps, and the median and the largest of the norms that are finite; the
        loss is not finite when one of them was not."""
        skipped = float(self.skipped)
        taken = self.steps - skipped
        values = {"loss": float(self.loss) / float(self.count) if self.steps else math.nan}
        if taken:
            values["grad_norm"] = float(self.norm) / taken
            finite = [norm for norm in _numbers(self.norms) if math.isfinite(norm)]
            values |= {"usual_grad_norm": median(finite), "longest_grad_norm": max(finite)} if finite else {}
        if skipped:
            values["skipped_steps"] = skipped
        return values

    def pace(self, seconds: float) -> dict[str, float]:
        """How fast the steps were, which took that long."""
        return {"samples_per_second": self.rows / seconds, "step_seconds": seconds / self.steps}

    def each(self) -> tuple[float, ...]:
        """The loss of each step, to six digits."""
        return tuple(float(f"{value:.6g}") for value in _numbers(self.losses))


def _numbers(found: "list[Tensor | float]") -> list[float]:
    """The device is asked once for all."""
    on_device = [one for one in found if isinstance(one, Tensor)]
    return torch.stack(on_device).tolist() if on_device else [float(one) for one in found]


class Average:
    """An exponential moving average of the weights."""

    def __init__(self, params: dict[str, nn.Parameter], decay: float) -> None:
        self._params: list[Tensor] = list(params.values())
        self._decay = decay
        self.tensors = {name: p.detach().clone() for name, p in params.items()}

    def see(self, steps: int) -> None:
        """Take in the weights after ``steps`` steps; early ones count more (TensorFlow's rule): the start must go."""
        decay = min(self._decay, (1 + steps) / (10 + steps))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.tensors.values()), self._params, 1 - decay)


class Stepper:
    """Takes steps; holds what is the same in each."""

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        losses: RowLosses,
        optimizers: Optimizers,
        *,
        device: torch.device,
        amp: torch.dtype | None,
        average: Average | None,
        team: Team | None = None,
    ) -> None:
        self._forward, self._losses, self._optimizers = forward, losses, optimizers
        self._device = device
        self._team = team or Team()
        self._on_host = device.type == "cpu"
        self.average = average
        self.set_precision(amp)

    def set_precision(self, amp: torch.dtype | None) -> None:
        """Compute in this type from the next step on; None: float32. Gradients in float16 have a scaler, a new one."""
        self.amp = amp
        self.scaler = torch.amp.GradScaler(self._device.type) if amp is torch.float16 else None

    def step(self, batches: Sequence[Batch], tally: Tally, *, rate: float, clip_norm: float | None, done: int) -> bool:
        """One step; ``done`` steps came before it. False when the host knows that it was left out.

        Raises:
            StepTooLarge: the memory is full, and nothing but gradients and the network's buffers has changed.
        """
        optimizers, strategy = self._optimizers, self._team.strategy
        optimizers.zero_grad()
        with step_too_large():
            loss, count = self.accumulate(batches)
        if self.scaler is not None:
            optimizers.unscale(self.scaler)
        grads = [p.grad for p in optimizers.params if p.grad is not None]
        norm = strategy.norm(grads)
        tally.steps += 1
        tally.rows += sum(b.rows for b in batches)
        tally.count = tally.count + count
        optimizers.set_rate(rate)
        if self._on_host:
            taken = self._take_on_host(grads, loss, norm, count, tally, clip_norm)
        else:
            self._take_on_device(grads, loss, norm, count, tally, clip_norm)
            taken = True
        if taken and self.average is not None:
            self.average.see(done + 1)
        return taken

    def accumulate(self, batches: Sequence[Batch]) -> "tuple[Tensor, Tensor | float]":
        """The gradient of the step's mean loss, added to what is there; that loss, and the count it is divided by."""
        strategy = self._team.strategy
        count = self._team.total(sum((b.count for b in batches[1:]), start=batches[0].count))
        loss: Tensor | None = None
        for batch in batches:
            with strategy.pass_of(last=batch is batches[-1]):
                part = self.loss(batch, count)
                scaled = strategy.scaled(part)
                (scaled if self.scaler is None else self.scaler.scale(scaled)).backward()  # type: ignore[no-untyped-call]
            loss = part.detach() if loss is None else loss + part.detach()
        assert loss is not None
        return self._team.summed(loss), count

    def loss(self, batch: Batch, count: "Tensor | float") -> Tensor:
        """The part of a step's mean loss that one batch contributes."""
        if self.amp is None:
            scores = self._forward(batch.x)
        else:
            with torch.autocast(self._device.type, dtype=self.amp):
                scores = self._forward(batch.x)
        losses = self._losses(scores, batch.y)
        return (losses.sum() if batch.weight is None else losses @ batch.weight) / count

    def _take_on_host(
        self,
        grads: list[Tensor],
        loss: Tensor,
        norm: Tensor,
        count: "Tensor | float",
        tally: Tally,
        clip_norm: float | None,
    ) -> bool:
        value, length = loss.item(), norm.item()
        tally.loss = tally.loss + value * count
        tally.losses.append(value)
        tally.norms.append(length)
        if not (math.isfinite(value) and math.isfinite(length)):
            tally.skipped = tally.skipped + 1
            if self.scaler is not None:
                self.scaler.update()
                if math.isfinite(value):  # the scale was too high, and is half of it now
                    return True
            tally.loss = tally.loss + math.nan  # a non-finite gradient of a finite loss is told the same way
            return False
        tally.norm = tally.norm + length
        if clip_norm is not None and length > clip_norm:
            torch._foreach_mul_(grads, clip_norm / (length + 1e-6))  # 1e-6: as torch's clip_grad_norm_ has it
        if self.scaler is None:
            self._optimizers.step()
        else:
            self._optimizers.step_scaled(self.scaler)
            self.scaler.update()
        return True

    def _take_on_device(
        self,
        grads: list[Tensor],
        loss: Tensor,
        norm: Tensor,
        count: "Tensor | float",
        tally: Tally,
        clip_norm: float | None,
    ) -> None:
        finite = torch.isfinite(norm)
        if self.scaler is None:
            finite = finite & torch.isfinite(loss)
            loss = torch.where(finite, loss, torch.nan)
        tally.loss = tally.loss + loss * count
        tally.losses.append(loss)
        tally.norms.append(norm)
        tally.skipped = tally.skipped + (~finite).float()
        tally.norm = tally.norm + torch.where(finite, norm, 0.0)
        if clip_norm is not None:
            torch._foreach_mul_(grads, (clip_norm / (norm + 1e-6)).clamp(max=1.0))
        if self.scaler is not None:
            self._optimizers.step_scaled(self.scaler)
            self.scaler.update()
        else:
            self._optimizers.step_unless((~finite).float())
