"""Where the trials stand: the ranking, which of the best are tied, how optimistic the best value is."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trainwright.core.metrics import Metric, monitor
from trainwright.core.seeds import Seeds
from trainwright.search.ledger import Record
from trainwright.search.settings import Settings

if TYPE_CHECKING:
    import numpy as np

COMPARED = 3  # of the best trials are compared under other seeds: the mission's ranking shows as many (assumption)
_RESAMPLES = 100  # of the bootstrap; its mean is then good to a tenth of its deviation
_JUDGED = 20  # trials the bootstrap picks from: one further behind is hardly ever picked, and each costs time
_STANDARD_ERRORS = 2.0  # a margin of fewer is what chance makes of equal trials (about 95 %)


def ranking(settings: Settings, trials: Sequence[Record]) -> list[Record]:
    """Finished trials with a value on all rows, the best first; those that time cut short only where no other is."""
    whole = [r for r in trials if r.value is not None and r.share == 1.0]
    complete = [r for r in whole if r.state == "complete"] or whole
    return sorted(complete, key=lambda r: (settings.cost(r.value or 0.0), r.number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A trial of the best few under several seeds: values, their mean, the model's size where it is known."""

    number: int
    values: tuple[float, ...]
    mean: float
    size: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Which trial is delivered and why.

    ``noise`` is the standard deviation of a trial's value over seeds, None where it was not measured. ``tied`` are the
    trials that cannot be told from the leader, itself included.
    """

    number: int
    leader: int
    tied: tuple[int, ...]
    noise: float | None
    standings: tuple[Standing, ...]
    why: str


def judge(settings: Settings, best: Sequence[Record], repeats: Sequence[Record]) -> Verdict:
    """Compare the best few under all their seeds. Within the noise of seeds the smaller model wins."""
    standings = [s for r in best[:COMPARED] if (s := _standing(r, repeats)) is not None]
    noise = _noise(standings)
    if len(standings) < 2 or noise is None:
        number = best[0].number
        return Verdict(
            number=number,
            leader=number,
            tied=(number,),
            noise=noise,
            standings=tuple(standings),
            why="best value; other seeds were not tried",
        )
    leader = min(standings, key=lambda s: (settings.cost(s.mean), s.number))
    margin = _STANDARD_ERRORS * noise * math.sqrt(2 / len(leader.values))
    tied = [s for s in standings if settings.cost(s.mean) - settings.cost(leader.mean) <= margin]
    chosen = min(tied, key=lambda s: (s.size if s.size is not None else math.inf, settings.cost(s.mean), s.number))
    if len(tied) == 1:
        why = f"best mean over {len(leader.values)} seeds, by more than the noise of seeds"
    elif chosen is leader:
        why = "a tie within the noise of seeds; the best mean is also the smallest model"
    else:
        why = "a tie within the noise of seeds; the smallest model wins"
    return Verdict(
        number=chosen.number,
        leader=leader.number,
        tied=tuple(sorted(s.number for s in tied)),
        noise=noise,
        standings=tuple(standings),
        why=why,
    )


def _standing(record: Record, repeats: Sequence[Record]) -> Standing | None:
    again = [r for r in repeats if r.number == record.number and r.state == "complete" and r.value is not None]
    if record.value is None or not again:
        return None
    values = (record.value, *(r.value for r in again if r.value is not None))
    sizes = [r.size for r in again if r.size is not None]
    return Standing(
        number=record.number,
        values=values,
        mean=statistics.fmean(values),
        size=statistics.fmean(sizes) if sizes else None,
    )


def _noise(standings: Sequence[Standing]) -> float | None:
    """Standard deviation over seeds, pooled over the trials."""
    several = [s for s in standings if len(s.values) > 1]
    if not several:
        return None
    return math.sqrt(statistics.fmean(statistics.variance(s.values) for s in several))


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimism:
    """How much of the best value is the luck of picking it: ``value`` as seen, ``corrected`` without it.

    ``optimism`` is their difference, positive where the value is too good.
    """

    value: float
    corrected: float
    optimism: float
    trials: int
    rows: int
    resamples: int
    method: Literal["bootstrap"] = "bootstrap"


def optimism(
    metric: Metric,
    y: "np.ndarray",
    predictions: Mapping[int, "np.ndarray"],
    *,
    weight: "np.ndarray | None",
    seeds: Seeds,
) -> Optimism | None:
    """The bootstrap bias correction of Tsamardinos, Greasidou & Borboudakis 2018 (Machine Learning 107) on validation
    rows: in each resample the best trial is picked on the drawn rows and judged on the others.

    ``predictions``: trial -> its predictions for the rows of ``y``; the best 20 take part. None with fewer than two
    trials, or where the metric is undefined in more than half of the resamples.
    """
    import numpy as np

    if len(predictions) < 2:
        return None
    sign = -1.0 if metric.higher_is_better else 1.0

    def values(numbers: Iterable[int], rows: "np.ndarray") -> dict[int, float]:
        prepared = monitor(metric, y[rows], None if weight is None else weight[rows])
        return {number: prepared(predictions[number][rows]) for number in numbers}

    def in_order(numbers: Iterable[int], rows: "np.ndarray") -> list[int]:
        costs = {number: sign * value for number, value in values(numbers, rows).items()}
        return sorted(costs, key=lambda n: (math.inf if math.isnan(costs[n]) else costs[n], n))

    generator = seeds.generator("optimism")
    every = np.arange(len(y))
    judged = in_order(predictions, every)[:_JUDGED]
    found: list[float] = []
    for _ in range(_RESAMPLES):
        drawn = generator.integers(0, len(y), len(y))
        left = np.setdiff1d(every, drawn)
        if len(left):
            picked = in_order(judged, drawn)[0]
            found.append(values([picked], left)[picked])
    defined = [v for v in found if math.isfinite(v)]
    if len(defined) * 2 < _RESAMPLES:
        return None
    best, corrected = values(judged[:1], every)[judged[0]], statistics.fmean(defined)
    return Optimism(
        value=best,
        corrected=corrected,
        optimism=sign * (corrected - best),
        trials=len(judged),
        rows=len(y),
        resamples=len(defined),
    )
