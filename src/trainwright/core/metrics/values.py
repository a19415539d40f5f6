"""The values of metrics, by scikit-learn, from stored predictions. An undefined metric is NaN, never an error."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.core.metrics.definitions import Metric, metrics_for
from trainwright.core.metrics.per_character import PER_CHARACTER
from trainwright.core.metrics.scorers import score
from trainwright.core.tasks import Task

if TYPE_CHECKING:
    import numpy as np

CALIBRATION_BINS = 15  # Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2 and table 1
_ROUNDING = 1e-6  # a float32 softmax misses [0, 1] by less than this; anything further out is no probability


@dataclass(frozen=True, slots=True)
class _Rows:
    y: "np.ndarray"
    prediction: "np.ndarray"
    weight: "np.ndarray | None"

    @property
    def labels(self) -> "np.ndarray":
        labels: np.ndarray = self.prediction.argmax(axis=1)
        return labels


def compute(metric: Metric, y: "np.ndarray", prediction: "np.ndarray", *, weight: "np.ndarray | None" = None) -> float:
    """The metric's value in its natural unit.

    ``y``: (rows,) int class codes, or float values. ``prediction``: (rows, classes) probabilities, or (rows,) values.
    ``weight``: (rows,), above zero. NaN where the metric is undefined: see `why_undefined`; also for predictions that
    are not finite or no probabilities.

    Raises:
        ValueError: the shapes do not belong together.
    """
    import numpy as np

    y, prediction = np.asarray(y), np.asarray(prediction, dtype=np.float64)
    check_shapes(metric, y, prediction)
    if why_undefined(metric, y) or not usable(metric, prediction):
        return math.nan
    if metric.needs == "probabilities":
        prediction = np.clip(prediction, 0.0, 1.0)
    weight = weight if metric.weighted else None
    rows = _Rows(y, prediction, weight)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # scikit-learn warns where a class is missing; the value says it
        try:
            value = score(metric, y, prediction, weight) if metric.scorer else _VALUES[metric.name](rows)
        except ValueError:  # scikit-learn's way to say "undefined here"; shapes were checked above
            return math.nan
    return value if math.isfinite(value) else math.nan


def compute_all(
    task: Task, y: "np.ndarray", prediction: "np.ndarray", *, weight: "np.ndarray | None" = None
) -> dict[str, float]:
    """Every metric of our table for the task, in the table's order; undefined ones are left out."""
    values = {m.name: compute(m, y, prediction, weight=weight) for m in metrics_for(task)}
    return {name: value for name, value in values.items() if not math.isnan(value)}


def confusion(y: "np.ndarray", prediction: "np.ndarray") -> "np.ndarray":
    """Counts of rows, int64, shape (classes, classes): true class down, most probable class across."""
    import numpy as np

    classes = prediction.shape[1]
    cells = np.asarray(y).astype(np.int64) * classes + prediction.argmax(axis=1)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def why_undefined(metric: Metric, y: "np.ndarray") -> str:
    """Why these targets do not define the metric, as a sentence's end; empty where they do."""
    if len(y) == 0:
        return "there are no rows"
    if metric.name in {"roc_auc", "pr_auc"} and (y == y[0]).all():
        return "only one class occurs"
    if metric.name in {"precision", "recall", "f1"} and not (y == 1).any():
        return "the positive class does not occur"
    if metric.name == "r2" and len(y) < 2:
        return "it needs two rows"
    if metric.name in PER_CHARACTER and y.sum() <= 0:
        return "there are no characters"
    if metric.name == "mape" and (y == 0).any():
        return "some targets are 0, which it divides by"
    if metric.name == "rmsle" and (y < 0).any():
        return "some targets are negative"
    return ""


def check_shapes(metric: Metric, y: "np.ndarray", prediction: "np.ndarray") -> None:
    """Refuse arrays that do not belong together.

    Raises:
        ValueError: as it says.
    """
    dimensions = 1 if metric.needs == "values" else 2
    if y.ndim != 1 or prediction.ndim != dimensions or len(y) != len(prediction):
        wanted = "(rows,) and (rows,)" if dimensions == 1 else "(rows,) and (rows, classes)"
        raise ValueError(f"{metric.name} needs shapes {wanted}, got {y.shape} and {prediction.shape}")


def usable(metric: Metric, prediction: "np.ndarray") -> bool:
    """Whether predictions are finite and, where the metric needs that, probabilities or non-negative."""
    import numpy as np

    if not np.isfinite(prediction).all():
        return False
    if metric.needs == "probabilities":
        return bool(prediction.min() >= -_ROUNDING and prediction.max() <= 1 + _ROUNDING)
    return metric.name != "rmsle" or bool(prediction.min() >= 0)


def calibration_bins(y: "np.ndarray", prediction: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
    """Per row: its bin (0..14) and how far the outcome (0 or 1) lies above the confidence.

    Binary: the confidence is the positive class's probability (Naeini et al. 2015, "Obtaining Well Calibrated
    Probabilities Using Bayesian Binning"); multiclass: the highest probability (Guo et al. 2017). Bins are
    (0, 1/15], (1/15, 2/15] ... with 0 in the first.
    """
    import numpy as np

    binary = prediction.shape[1] == 2
    confidence = prediction[:, 1] if binary else prediction.max(axis=1)
    right = (y == 1) if binary else (prediction.argmax(axis=1) == y)
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS) - 1, 0, CALIBRATION_BINS - 1).astype(np.int64)
    return bins, right - confidence


def _calibration_error(rows: _Rows) -> float:
    import numpy as np

    bins, excess = calibration_bins(rows.y, rows.prediction)
    weight = np.ones(len(excess)) if rows.weight is None else rows.weight
    return float(np.abs(np.bincount(bins, weights=excess * weight)).sum() / weight.sum())


def ranked_classes(y: "np.ndarray", classes: int) -> list[int]:
    """The classes whose one-against-the-rest ranking is defined: the positive one, or all that occur."""
    return [1] if classes == 2 else [c for c in range(classes) if 0 < (y == c).sum() < len(y)]


def _over_classes(function: str) -> Callable[[_Rows], float]:
    def value(rows: _Rows) -> float:
        import numpy as np
        from sklearn import metrics

        one = getattr(metrics, function)
        chosen = ranked_classes(rows.y, rows.prediction.shape[1])
        scores = [one(rows.y == c, rows.prediction[:, c], sample_weight=rows.weight) for c in chosen]
        return float(np.mean(scores))

    return value


def _by_labels(function: str, average: str | None = None) -> Callable[[_Rows], float]:
    def value(rows: _Rows) -> float:
        from sklearn import metrics

        one = getattr(metrics, function)
        if average is None:
            return float(one(rows.y, rows.labels, sample_weight=rows.weight))
        return float(one(rows.y, rows.labels, average=average, sample_weight=rows.weight, zero_division=0))

    return value


def _by_probabilities(function: str) -> Callable[[_Rows], float]:
    def value(rows: _Rows) -> float:
        import numpy as np
        from sklearn import metrics

        labels = np.arange(rows.prediction.shape[1])
        return float(getattr(metrics, function)(rows.y, rows.prediction, sample_weight=rows.weight, labels=labels))

    return value


def _by_values(function: str) -> Callable[[_Rows], float]:
    def value(rows: _Rows) -> float:
        from sklearn import metrics

        return float(getattr(metrics, function)(rows.y, rows.prediction, sample_weight=rows.weight))

    return value


def _max_error(rows: _Rows) -> float:
    from sklearn.metrics import max_error

    return float(max_error(rows.y, rows.prediction))


def _per_character(name: str) -> Callable[[_Rows], float]:
    def value(rows: _Rows) -> float:
        return PER_CHARACTER[name](float(rows.prediction.sum()) / float(rows.y.sum()))

    return value


_VALUES: dict[str, Callable[[_Rows], float]] = {
    "roc_auc": _over_classes("roc_auc_score"),
    "pr_auc": _over_classes("average_precision_score"),
    "log_loss": _by_probabilities("log_loss"),
    "brier": _by_probabilities("brier_score_loss"),
    "calibration_error": _calibration_error,
    "accuracy": _by_labels("accuracy_score"),
    "balanced_accuracy": _by_labels("balanced_accuracy_score"),
    "precision": _by_labels("precision_score", "binary"),
    "recall": _by_labels("recall_score", "binary"),
    "f1": _by_labels("f1_score", "binary"),
    "precision_macro": _by_labels("precision_score", "macro"),
    "recall_macro": _by_labels("recall_score", "macro"),
    "f1_macro": _by_labels("f1_score", "macro"),
    "precision_weighted": _by_labels("precision_score", "weighted"),
    "recall_weighted": _by_labels("recall_score", "weighted"),
    "f1_weighted": _by_labels("f1_score", "weighted"),
    "mcc": _by_labels("matthews_corrcoef"),
    "rmse": _by_values("root_mean_squared_error"),
    "mae": _by_values("mean_absolute_error"),
    "r2": _by_values("r2_score"),
    "median_ae": _by_values("median_absolute_error"),
    "mape": _by_values("mean_absolute_percentage_error"),
    "rmsle": _by_values("root_mean_squared_log_error"),
    "max_error": _max_error,
    **{name: _per_character(name) for name in PER_CHARACTER},
}
