"""How sure a value is: the percentile bootstrap over rows."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from trainwright.core.metrics.definitions import Metric
from trainwright.core.metrics.losses import ROOTS, ROW_LOSSES
from trainwright.core.metrics.monitors import r2_from
from trainwright.core.metrics.per_character import PER_CHARACTER
from trainwright.core.metrics.ranking import Ranking
from trainwright.core.metrics.tallies import TALLIES, cells_of
from trainwright.core.metrics.values import calibration_bins, compute, ranked_classes
from trainwright.core.seeds import Seeds

if TYPE_CHECKING:
    import numpy as np

# Efron & Tibshirani 1993, "An Introduction to the Bootstrap", sections 13.3 and 19.3: 1000 resamples for percentile
# intervals; 200 is the least they trust for a standard error, so we never go below it to save time.
RESAMPLES = 1000
_LEAST_RESAMPLES = 200
# Rows x resamples x cost that fit in about five seconds on one core: 100,000 rows x 1000 resamples of ROC AUC took 2 s
# (benchmark in docs/metrics.md). A fixed amount of work, not a time limit: the same data give the same interval.
_WORK = 2e8
# A metric without a fast form costs about this many times the work per row (accuracy_score on 100,000 rows: 25 ms).
_SLOW = 20

Statistic: TypeAlias = Callable[["np.ndarray"], float]
"""From (rows,) float64 counts, how often each row occurs in a resample, to the metric's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where the value would lie for other rows of the same kind; ``resamples`` is the number really used."""

    low: float
    high: float
    level: float
    resamples: int


def bootstrap_interval(
    metric: Metric,
    y: "np.ndarray",
    prediction: "np.ndarray",
    *,
    weight: "np.ndarray | None" = None,
    seeds: Seeds,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval:
    """Percentile bootstrap (Efron & Tibshirani 1993, chapter 13): rows drawn with replacement, not stratified.

    Fewer resamples are used where rows or metric make them dear, never fewer than 200 unless fewer are asked for.
    Resamples in which the metric is undefined do not count; both ends are NaN where the metric is undefined as such
    or in more than half of them. The model is fixed: this is the noise of the rows, not of training.
    """
    import numpy as np

    if math.isnan(compute(metric, y, prediction, weight=weight)):
        return Interval(low=math.nan, high=math.nan, level=level, resamples=0)
    y, prediction = np.asarray(y), np.asarray(prediction, dtype=np.float64)
    statistic, cost = _statistic(metric, y, prediction, weight)
    used = affordable(len(y) * cost, resamples)
    generator = seeds.generator("bootstrap", metric.name)
    values = np.empty(used)
    for i in range(used):
        drawn = generator.integers(0, len(y), len(y))
        values[i] = statistic(np.bincount(drawn, minlength=len(y)).astype(np.float64))
    defined = values[np.isfinite(values)]
    if len(defined) * 2 < used:
        return Interval(low=math.nan, high=math.nan, level=level, resamples=len(defined))
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), level=level, resamples=len(defined))


def affordable(work_per_resample: float, wanted: int) -> int:
    """How many of the wanted resamples fit into the fixed amount of work."""
    return min(wanted, max(_LEAST_RESAMPLES, int(_WORK / max(work_per_resample, 1))))


def _statistic(
    metric: Metric, y: "np.ndarray", prediction: "np.ndarray", weight: "np.ndarray | None"
) -> tuple[Statistic, float]:
    """The metric as a function of row counts, and its cost per row (1 is one pass over the rows)."""
    import numpy as np

    weights = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    if metric.needs == "probabilities":
        prediction = np.clip(prediction, 0.0, 1.0)
    if metric.needs != "values":
        y = y.astype(np.int64)
    if metric.name in ROW_LOSSES:
        return _mean(metric.name, ROW_LOSSES[metric.name](y, prediction), weights), 1
    if metric.name in TALLIES:
        return _tally(metric.name, cells_of(y, prediction), prediction.shape[1], weights), 1
    if metric.name == "r2":
        return _r2(y, prediction, weights), 1
    if metric.name in PER_CHARACTER:
        return _per_character(metric.name, y, prediction), 1
    if metric.name == "calibration_error":
        return _calibration(*calibration_bins(y, prediction), weights), 1
    if metric.name in {"roc_auc", "pr_auc"}:
        chosen = ranked_classes(y, prediction.shape[1])
        rankings = [Ranking(prediction[:, c], y == c, weights) for c in chosen]
        return _ranked(metric.name, rankings), 2 * len(chosen)
    return _repeated(metric, y, prediction, weight), _SLOW


def _mean(name: str, losses: "np.ndarray", weights: "np.ndarray") -> Statistic:
    weighted = losses * weights

    def value(counts: "np.ndarray") -> float:
        mean = float(counts @ weighted) / float(counts @ weights)
        return math.sqrt(mean) if name in ROOTS else mean

    return value


def _tally(name: str, cells: "np.ndarray", classes: int, weights: "np.ndarray") -> Statistic:
    import numpy as np

    def value(counts: "np.ndarray") -> float:
        table = np.bincount(cells, weights=counts * weights, minlength=classes * classes)
        return TALLIES[name](table.reshape(classes, classes))

    return value


def _r2(y: "np.ndarray", prediction: "np.ndarray", weights: "np.ndarray") -> Statistic:
    centred = y - y.mean()
    squares = (y - prediction) ** 2

    def value(counts: "np.ndarray") -> float:
        weighted = counts * weights
        mean = float(weighted @ centred) / float(weighted.sum())
        return r2_from(float(weighted @ squares), float(weighted @ (centred - mean) ** 2))

    return value


def _per_character(name: str, y: "np.ndarray", prediction: "np.ndarray") -> Statistic:
    characters = y.astype(float)

    def value(counts: "np.ndarray") -> float:
        return PER_CHARACTER[name](float(counts @ prediction) / float(counts @ characters))

    return value


def _calibration(bins: "np.ndarray", excess: "np.ndarray", weights: "np.ndarray") -> Statistic:
    import numpy as np

    weighted = excess * weights

    def value(counts: "np.ndarray") -> float:
        return float(np.abs(np.bincount(bins, weights=weighted * counts)).sum() / (counts @ weights))

    return value


def _ranked(name: str, rankings: list[Ranking]) -> Statistic:
    def value(counts: "np.ndarray") -> float:
        # Counts stand for rows in file order; each class sorts the same resample its own way.
        pick = Ranking.roc_auc if name == "roc_auc" else Ranking.average_precision
        scores = [pick(r, counts[r.order]) for r in rankings]
        defined = [s for s in scores if not math.isnan(s)]
        return sum(defined) / len(defined) if defined else math.nan

    return value


def _repeated(metric: Metric, y: "np.ndarray", prediction: "np.ndarray", weight: "np.ndarray | None") -> Statistic:
    import numpy as np

    rows = np.arange(len(y))

    def value(counts: "np.ndarray") -> float:
        chosen = np.repeat(rows, counts.astype(np.int64))
        return compute(metric, y[chosen], prediction[chosen], weight=None if weight is None else weight[chosen])

    return value
