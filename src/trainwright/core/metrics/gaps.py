"""How much better the model is on the rows it learned from, and whether that should worry."""

import math
from dataclasses import dataclass
from typing import Literal

from trainwright.core.amounts import amount
from trainwright.core.metrics.definitions import Metric
from trainwright.core.metrics.intervals import Interval

# Assumptions, both: no source gives a threshold. A tenth of the way from chance to perfect is a difference people act
# on. Errors have no scale of their own and move faster: where validation R2 is 0.85, an RMSE lower by a quarter on
# training rows is an R2 of 0.92 there.
SCORE_SHARE = 0.10
ERROR_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Training against validation. ``gap`` is above zero when training is better, in the metric's unit."""

    metric: str
    train: float
    val: float
    gap: float
    verdict: Literal["Acceptable", "Concerning"]
    rule: str


def overfit_gap(metric: Metric, train: float, val: float, val_interval: Interval) -> Gap:
    """Judge the gap: concerning when it is both large and more than the noise of the validation rows.

    A gap alone does not prove harm: validation chose the round. It says how little training numbers tell, and that more
    rows or stronger regularisation may help.
    """
    gap = train - val if metric.higher_is_better else val - train
    scale = metric.span if metric.span is not None else abs(val)
    share = SCORE_SHARE if metric.span is not None else ERROR_SHARE
    noise = (val_interval.high - val_interval.low) / 2
    noise = 0.0 if math.isnan(noise) else noise
    concerning = gap > share * scale and gap > noise
    return Gap(
        metric=metric.name,
        train=train,
        val=val,
        gap=gap,
        verdict="Concerning" if concerning else "Acceptable",
        rule=_rule(metric, share, scale, noise),
    )


def _rule(metric: Metric, share: float, scale: float, noise: float) -> str:
    of = f"the {scale:g} between chance and perfect" if metric.span is not None else "the validation value"
    return (
        f"concerning when training is better than validation by more than {share:.0%} of {of} "
        f"({_bound(share * scale)}) and by more than half the validation interval's width ({_bound(noise)}); "
        f"{share:.0%} is an assumption"
    )


def _bound(value: float) -> str:
    """A bound as people write it: 0.05, not 0.0500."""
    text = amount(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text
