"""The learning rate as a function of the step: factors on the recipe's rate."""

import math
from dataclasses import dataclass

from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.recipe import Schedule

_ONE_CYCLE_START = 1 / 25  # Smith & Topin 2018, the values of torch's OneCycleLR
_ONE_CYCLE_END = 1 / 25e4
_ONE_CYCLE_RISE = 0.3
_PLATEAU_THRESHOLD = 1e-4  # relative progress that counts, as torch's ReduceLROnPlateau has it


def factor(schedule: Schedule, step: int, steps: int) -> float:
    """The factor of step ``step`` (from 0) of ``steps``; plateau: its warm-up only, see `Plateau`."""
    if schedule.name == "coslog4":
        # Holzmueller et al. 2024 (RealMLP): four cosine waves over log time
        return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * step / steps)))
    if schedule.name == "one_cycle":
        return _one_cycle(step, steps, schedule.warmup or _ONE_CYCLE_RISE)
    rising = round(schedule.warmup * steps)
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(1, steps - rising)
    if schedule.name == "cosine":
        return schedule.final + (1 - schedule.final) * 0.5 * (1 + math.cos(math.pi * done))
    if schedule.name == "linear":
        return schedule.final + (1 - schedule.final) * (1 - done)
    if schedule.name == "wsd":
        return _stable_then_down(step, steps, schedule)
    return 1.0


def _one_cycle(step: int, steps: int, rise: float) -> float:
    peak = max(1.0, rise * steps - 1)
    if step <= peak:
        return _ONE_CYCLE_START + (1 - _ONE_CYCLE_START) * 0.5 * (1 - math.cos(math.pi * step / peak))
    done = (step - peak) / max(1.0, steps - 1 - peak)
    return _ONE_CYCLE_END + (1 - _ONE_CYCLE_END) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _stable_then_down(step: int, steps: int, schedule: Schedule) -> float:
    """Constant, then down as 1 - sqrt (Haegele et al. 2024, the best of the shapes they tried)."""
    falling = max(1, round(schedule.decay * steps))
    done = (step - (steps - falling)) / falling
    return 1.0 if done <= 0 else schedule.final + (1 - schedule.final) * (1 - math.sqrt(done))


@dataclass(slots=True)
class Plateau:
    """Cuts the rate when the validation loss makes no progress; the only schedule with a memory."""

    best: float = math.inf
    waited: int = 0
    cuts: int = 0

    def see(self, loss: float, schedule: Schedule) -> None:
        """Take note of an epoch's validation loss."""
        if loss < self.best - _PLATEAU_THRESHOLD * abs(self.best) or self.best == math.inf:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > schedule.patience:
            self.cuts, self.waited = self.cuts + 1, 0

    def factor(self, schedule: Schedule) -> float:
        """What the cuts so far make of the rate."""
        return float(schedule.factor**self.cuts)

    def to_json(self) -> dict[str, JsonValue]:
        """For a saved state; no progress yet is None."""
        return {"best": None if self.best == math.inf else self.best, "waited": self.waited, "cuts": self.cuts}
