"""Metrics that are means: one loss per row, then a weighted mean, and for some a root."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np

RowLoss: TypeAlias = Callable[["np.ndarray", "np.ndarray"], "np.ndarray"]
"""(y, prediction) to one loss per row; predictions are finite, probabilities within [0, 1]."""


def most_probable(prediction: "np.ndarray") -> "np.ndarray":
    """The column of the highest probability per row, the first of equals; two columns are compared, which is faster."""
    labels: np.ndarray
    labels = prediction[:, 1] > prediction[:, 0] if prediction.shape[1] == 2 else prediction.argmax(axis=1)
    return labels


def _log_loss(y: "np.ndarray", prediction: "np.ndarray") -> "np.ndarray":
    import numpy as np

    rows, classes = prediction.shape
    chosen = prediction.ravel()[np.arange(0, rows * classes, classes) + y]
    smallest = np.finfo(np.float64).eps  # scikit-learn's own clipping
    losses: np.ndarray = -np.log(np.clip(chosen, smallest, 1 - smallest))
    return losses


def _brier(y: "np.ndarray", prediction: "np.ndarray") -> "np.ndarray":
    import numpy as np

    misses = prediction.copy()
    misses[np.arange(len(y)), y] -= 1.0
    squares: np.ndarray = np.einsum("ij,ij->i", misses, misses)
    return squares / 2 if prediction.shape[1] == 2 else squares


def _accuracy(y: "np.ndarray", prediction: "np.ndarray") -> "np.ndarray":
    hits: np.ndarray = (most_probable(prediction) == y).astype(float)
    return hits


def _absolute(y: "np.ndarray", prediction: "np.ndarray") -> "np.ndarray":
    import numpy as np

    misses: np.ndarray = np.abs(prediction - y)
    return misses


def _squared(y: "np.ndarray", prediction: "np.ndarray") -> "np.ndarray":
    misses = prediction - y
    squares: np.ndarray = misses * misses
    return squares


def _relative(y: "np.ndarray", prediction: "np.ndarray") -> "np.ndarray":
    import numpy as np

    shares: np.ndarray = np.abs(prediction - y) / np.maximum(np.abs(y), np.finfo(np.float64).eps)
    return shares


def _squared_log(y: "np.ndarray", prediction: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return _squared(np.log1p(y), np.log1p(prediction))


ROW_LOSSES: Mapping[str, RowLoss] = {
    "log_loss": _log_loss,
    "brier": _brier,
    "accuracy": _accuracy,
    "mae": _absolute,
    "rmse": _squared,
    "mean_squared_error": _squared,
    "mape": _relative,
    "rmsle": _squared_log,
}
ROOTS = frozenset({"rmse", "rmsle"})


def standard_error(name: str, y: "np.ndarray", prediction: "np.ndarray", weight: "np.ndarray | None" = None) -> float:
    """How far the mean of `ROW_LOSSES` would lie from itself on other rows of the same kind, in the metric's unit.

    One standard deviation of a mean of independent rows; a root's by the delta method (half of that over the root).
    """
    losses = ROW_LOSSES[name](y, prediction)
    if weight is None:
        mean = float(losses.sum()) / len(losses)
        error = math.sqrt(
            max(0.0, float(losses @ losses) / len(losses) - mean * mean) / len(losses)
        )  # a third of std()
    else:
        share = weight / weight.sum()
        mean = float(losses @ share)
        error = math.sqrt(float(((losses - mean) * share) @ ((losses - mean) * share)))
    if name not in ROOTS:
        return error
    return error / (2 * math.sqrt(mean)) if mean > 0 else 0.0
