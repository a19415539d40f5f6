"""Metrics of labels, from the confusion matrix: the same numbers as scikit-learn's, a hundred times faster."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from trainwright.core.metrics.losses import most_probable

if TYPE_CHECKING:
    import numpy as np

Tally: TypeAlias = Callable[["np.ndarray"], float]
"""From a float64 confusion matrix (true class down, predicted across) to the value; NaN where undefined."""


def cells_of(y: "np.ndarray", prediction: "np.ndarray") -> "np.ndarray":
    """Per row, its place in the flattened confusion matrix, int64."""
    import numpy as np

    classes = prediction.shape[1]
    cells: np.ndarray = np.asarray(y, dtype=np.int64) * classes + most_probable(prediction)
    return cells


def tabulate(cells: "np.ndarray", classes: int, weight: "np.ndarray | None") -> "np.ndarray":
    """The confusion matrix, weighted or not, float64."""
    import numpy as np

    counted = np.bincount(cells, weights=weight, minlength=classes * classes)
    return counted.reshape(classes, classes).astype(np.float64)


def _ratio(top: "np.ndarray", bottom: "np.ndarray") -> "np.ndarray":
    import numpy as np

    quotient: np.ndarray = np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)
    return quotient


def _per_class(table: "np.ndarray", kind: str) -> "np.ndarray":
    hits, true, predicted = table.diagonal(), table.sum(axis=1), table.sum(axis=0)
    if kind == "precision":
        return _ratio(hits, predicted)
    return _ratio(hits, true) if kind == "recall" else _ratio(2 * hits, true + predicted)


def _positive(kind: str) -> Tally:
    def value(table: "np.ndarray") -> float:
        return float(_per_class(table, kind)[1]) if table[1].any() else math.nan

    return value


def _macro(kind: str) -> Tally:
    def value(table: "np.ndarray") -> float:
        seen = (table.sum(axis=0) + table.sum(axis=1)) > 0
        return float(_per_class(table, kind)[seen].mean())

    return value


def _weighted(kind: str) -> Tally:
    def value(table: "np.ndarray") -> float:
        true = table.sum(axis=1)
        return float(_per_class(table, kind) @ true / true.sum())

    return value


def _balanced(table: "np.ndarray") -> float:
    true = table.sum(axis=1)
    return float(_per_class(table, "recall")[true > 0].mean())


def _mcc(table: "np.ndarray") -> float:
    true, predicted, rows = table.sum(axis=1), table.sum(axis=0), table.sum()
    together = float(table.trace() * rows - true @ predicted)
    spread = float(rows**2 - predicted @ predicted) * float(rows**2 - true @ true)
    return together / math.sqrt(spread) if spread > 0 else 0.0


TALLIES: Mapping[str, Tally] = {
    "balanced_accuracy": _balanced,
    "precision": _positive("precision"),
    "recall": _positive("recall"),
    "f1": _positive("f1"),
    "precision_macro": _macro("precision"),
    "recall_macro": _macro("recall"),
    "f1_macro": _macro("f1"),
    "precision_weighted": _weighted("precision"),
    "recall_weighted": _weighted("recall"),
    "f1_weighted": _weighted("f1"),
    "mcc": _mcc,
}
