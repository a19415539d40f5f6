"""Metrics for the training loop: prepared once for the targets, then fast for every new prediction."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from trainwright.core.metrics.definitions import Metric
from trainwright.core.metrics.losses import ROOTS, ROW_LOSSES
from trainwright.core.metrics.per_character import PER_CHARACTER
from trainwright.core.metrics.ranking import Ranking, auc_of_two
from trainwright.core.metrics.tallies import TALLIES, cells_of, tabulate
from trainwright.core.metrics.values import check_shapes, compute, ranked_classes, usable, why_undefined

if TYPE_CHECKING:
    import numpy as np

Monitor: TypeAlias = Callable[["np.ndarray"], float]
"""From predictions to the value `compute` would give (to 1e-12, relative for regression)."""


def monitor(metric: Metric, y: "np.ndarray", weight: "np.ndarray | None") -> Monitor:
    """The metric for these targets, ready to be called after every unit of training.

    The result takes predictions as `compute` does and returns NaN where that does. Metrics without a fast form go
    through `compute`.
    """
    import numpy as np

    y = np.asarray(y)
    if why_undefined(metric, y):
        return lambda _prediction: math.nan
    value = _fast(metric.name, y.astype(np.int64) if metric.needs != "values" else y.astype(np.float64), weight)
    if value is None:
        return lambda prediction: compute(metric, y, prediction, weight=weight)
    fast = value

    def guarded(prediction: "np.ndarray") -> float:
        prediction = np.asarray(prediction, dtype=np.float64)
        check_shapes(metric, y, prediction)
        if not usable(metric, prediction):
            return math.nan
        number = fast(prediction)
        return number if math.isfinite(number) else math.nan

    return guarded


def _fast(name: str, y: "np.ndarray", weight: "np.ndarray | None") -> Monitor | None:
    if name in ROW_LOSSES:
        return _mean(name, y, weight)
    if name in TALLIES:
        return lambda p: TALLIES[name](tabulate(cells_of(y, p), p.shape[1], weight))
    if name == "r2":
        return _r2(y, weight)
    if name in PER_CHARACTER:
        characters = float(y.sum())
        return lambda p: PER_CHARACTER[name](float(p.sum()) / characters)
    if name == "roc_auc":
        return _roc_auc(y) if weight is None else _ranked(y, weight, Ranking.roc_auc)
    return _ranked(y, weight, Ranking.average_precision) if name == "pr_auc" else None


def _mean(name: str, y: "np.ndarray", weight: "np.ndarray | None") -> Monitor:
    import numpy as np

    losses = ROW_LOSSES[name]
    share = None if weight is None else weight / weight.sum()

    def value(prediction: "np.ndarray") -> float:
        rows = losses(y, prediction)
        mean = float(rows.mean() if share is None else np.dot(rows, share))
        return math.sqrt(mean) if name in ROOTS else mean

    return value


def _r2(y: "np.ndarray", weight: "np.ndarray | None") -> Monitor:
    import numpy as np

    weight = np.ones(len(y)) if weight is None else weight
    spread = float(weight @ (y - np.average(y, weights=weight)) ** 2)

    def value(prediction: "np.ndarray") -> float:
        return r2_from(float(weight @ (y - prediction) ** 2), spread)

    return value


def r2_from(left: float, spread: float) -> float:
    """R squared from two sums of squares; a constant target scores as scikit-learn does: 1 if hit, else 0."""
    if spread > 0:
        return 1 - left / spread
    return 1.0 if left == 0 else 0.0


def _roc_auc(y: "np.ndarray") -> Monitor:
    sides: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def value(prediction: "np.ndarray") -> float:
        import numpy as np

        chosen = ranked_classes(y, prediction.shape[1]) if not sides else list(sides)
        for c in chosen:
            sides.setdefault(c, (np.flatnonzero(y == c), np.flatnonzero(y != c)))
        aucs = [auc_of_two(prediction[sides[c][0], c], prediction[sides[c][1], c]) for c in chosen]
        return sum(aucs) / len(aucs)

    return value


def _ranked(y: "np.ndarray", weight: "np.ndarray | None", of: Callable[[Ranking], float]) -> Monitor:
    def value(prediction: "np.ndarray") -> float:
        chosen = ranked_classes(y, prediction.shape[1])
        scores = [of(Ranking(prediction[:, c], y == c, weight)) for c in chosen]
        return sum(scores) / len(scores)

    return value
