"""Signs that a training is ill. Pure functions: what was seen goes in, a finding or None comes out."""

import math
from collections.abc import Mapping

from trainwright.core.findings import Finding, Severity


def non_finite(values: Mapping[str, float], *, predictions_finite: bool, step: int, stage: str) -> Finding | None:
    """A loss, statistic or prediction that is NaN or infinite: the model is lost from here on."""
    broken = sorted(name for name, value in values.items() if not math.isfinite(value))
    if not broken and predictions_finite:
        return None
    seen = ", ".join(broken) if broken else "the predictions"
    return Finding(
        code="training.non_finite",
        severity=Severity.ERROR,
        where=stage,
        what=f"{seen} became NaN or infinite at round {step}",
        why="the learning rate is too high for this data, or the target or a feature holds extreme values",
        fix="Lower the learning rate, or look at the range of the target and of the numeric columns",
        evidence={"step": step, "values": [str(values[b]) for b in broken]},
    )
