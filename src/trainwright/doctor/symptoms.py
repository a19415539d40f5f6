"""Signs that a training is ill. Pure functions: what was seen goes in, a finding or None comes out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from trainwright.core.findings import Finding, Severity

_STARVED, _FED = 0.5, 0.25
"""The share of time spent waiting for data above which a training is starved, and below which it no longer is. From one
half on the data takes longer than the training itself. The lower one is an assumption: it keeps one cause from being
told again and again."""

_IDLE, _BUSY = 30.0, 50.0  # percent of the time a GPU works (assumption): below the first its host is what is slow
_WINDOW_S, _WINDOW_UNITS = 1.0, 3  # what is judged: at least so much training, in so many units (assumption)


def non_finite(values: Mapping[str, float], *, predictions_finite: bool, step: int, stage: str) -> Finding | None:
    """A loss, statistic or prediction that is NaN or infinite: the model is lost from here on."""
    broken = sorted(name for name, value in values.items() if not math.isfinite(value))
    if not broken and predictions_finite:
        return None
    seen = ", ".join(broken) if broken else "the predictions"
    return Finding(
        code="doctor.non_finite",
        severity=Severity.ERROR,
        where=stage,
        what=f"{seen} became NaN or infinite at round {step}",
        why="the learning rate is too high for this data, or the target or a feature holds extreme values",
        fix="Lower the learning rate, or look at the range of the target and of the numeric columns",
        evidence={"step": step, "values": [str(values[b]) for b in broken]},
    )


@dataclass(frozen=True, slots=True)
class Waits:
    """What `starved` remembers of the latest units: seconds, the share waited for data, percent the device worked."""

    units: tuple[tuple[float, float, float | None], ...] = ()
    hungry: bool = False
    idle: bool = False


def starved(
    before: Waits, values: Mapping[str, float], seconds: float, *, step: int, stage: str
) -> tuple[Waits, Finding | None]:
    """A training whose device waits: for data (``data_wait_share``), or for its host (``device_use_percent``).

    Told once, and again only after it was well in between.
    """
    share = values.get("data_wait_share")
    if share is None or seconds <= 0:
        return before, None
    units = _latest((*before.units, (seconds, share, values.get("device_use_percent"))))
    total = sum(s for s, _, _ in units)
    if len(units) < _WINDOW_UNITS or total < _WINDOW_S:
        return Waits(units, before.hungry, before.idle), None
    waited = sum(s * w for s, w, _ in units) / total
    used = [(s, u) for s, _, u in units if u is not None]
    use = sum(s * u for s, u in used) / sum(s for s, _ in used) if used else None
    hungry = waited >= (_FED if before.hungry else _STARVED)
    idle = not hungry and use is not None and use < (_BUSY if before.idle else _IDLE)
    finding = None
    if hungry and not before.hungry:
        finding = _hungry(waited, use, step, stage)
    elif idle and not before.idle and not before.hungry:
        assert use is not None
        finding = _idle(waited, use, step, stage)
    return Waits(units, hungry, idle), finding


def _latest(units: tuple[tuple[float, float, float | None], ...]) -> tuple[tuple[float, float, float | None], ...]:
    """The fewest of the latest units that are enough to judge."""
    while len(units) > _WINDOW_UNITS and sum(s for s, _, _ in units[1:]) >= _WINDOW_S:
        units = units[1:]
    return units


def _hungry(waited: float, use: float | None, step: int, stage: str) -> Finding:
    seen = "" if use is None else f"; the device worked {use:.0f}% of the time"
    return Finding(
        code="doctor.starved",
        severity=Severity.WARNING,
        where=stage,
        what=f"{waited:.0%} of the training time is spent waiting for data, at round {step}{seen}",
        why="From one half on, the data takes longer than the training itself",
        fix="Set training.data_on: device where the rows fit, raise training.num_workers, put the data on a faster "
        "disk, or leave out augmentation",
        evidence={"data_wait_share": round(waited, 4), "device_use_percent": use, "step": step},
    )


def _idle(waited: float, use: float, step: int, stage: str) -> Finding:
    return Finding(
        code="doctor.device_idle",
        severity=Severity.WARNING,
        where=stage,
        what=f"the device works {use:.0f}% of the time at round {step}, and does not wait for data ({waited:.0%})",
        why="The host is what is slow: steps are too small for the device",
        fix="Raise training.batch_size (or write auto), set training.compile: true, or train on the processor",
        evidence={"data_wait_share": round(waited, 4), "device_use_percent": use, "step": step},
    )
