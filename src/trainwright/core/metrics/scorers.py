"""scikit-learn's scorers as metrics on stored predictions: same function, same options, the natural sign."""

import dataclasses
import functools
import warnings
from typing import TYPE_CHECKING

from trainwright.core.metrics.definitions import Metric, Needs
from trainwright.core.tasks import Task

if TYPE_CHECKING:
    import numpy as np

# Deviances have no upper bound, ratios neither; every other score that is maximised has 1 as its best value.
_UNBOUNDED = frozenset({"positive_likelihood_ratio"})
# Thresholded on ranks: it moves in steps like a metric of labels.
_STEPPED = frozenset({"top_k_accuracy"})


@functools.cache
def scorer_names() -> tuple[str, ...]:
    """Every name scikit-learn knows, and for ``neg_x`` also ``x``."""
    from sklearn.metrics import get_scorer_names

    names = get_scorer_names()
    return tuple(sorted({*names, *(n.removeprefix("neg_") for n in names)}))


@functools.cache
def scorer_metric(name: str, task: Task) -> Metric | None:
    """The scorer as a metric, or None where it is unknown, compares clusterings, or fails on such a target.

    Whether it fits is found by calling it on a few rows, so that it stays true for scorers of later versions.
    """
    from sklearn.metrics import get_scorer, get_scorer_names

    if task is Task.LANGUAGE:
        return None  # scikit-learn has no scorer of texts
    known = set(get_scorer_names())
    full = next((n for n in (name, f"neg_{name}") if n in known), None)
    if full is None:
        return None
    scorer = get_scorer(full)
    module = str(scorer._score_func.__module__)
    if ".cluster." in module or ("_regression" in module) != (task is Task.REGRESSION):
        return None
    metric = _describe(full, scorer._sign > 0, scorer._response_method, task)
    if not _accepts(metric, task, weighted=False):
        return None
    return metric if _accepts(metric, task, weighted=True) else dataclasses.replace(metric, weighted=False)


def score(metric: Metric, y: "np.ndarray", prediction: "np.ndarray", weight: "np.ndarray | None") -> float:
    """The scorer's own function on stored predictions.

    Raises:
        ValueError: scikit-learn says the metric is not defined for these rows.
    """
    import inspect

    import numpy as np
    from sklearn.metrics import get_scorer

    scorer = get_scorer(metric.scorer)
    options = dict(scorer._kwargs)
    accepted = inspect.signature(scorer._score_func).parameters
    if weight is not None:
        options["sample_weight"] = weight
    given = prediction
    if metric.needs == "labels":
        given = prediction.argmax(axis=1)
    elif metric.needs == "probabilities":
        if "labels" in accepted:
            options["labels"] = np.arange(prediction.shape[1])
        if prediction.shape[1] == 2 and "y_proba" not in accepted:
            given = prediction[:, 1]
    return float(scorer._score_func(y, given, **options))


def _describe(full: str, higher_is_better: bool, response: str | tuple[str, ...], task: Task) -> Metric:
    needs: Needs = "values" if task is Task.REGRESSION else "labels" if response == "predict" else "probabilities"
    name = full if higher_is_better else full.removeprefix("neg_")
    ending = next((e for e in ("macro", "micro", "weighted") if name.endswith(f"_{e}")), "as scikit-learn does it")
    return Metric(
        name=name,
        higher_is_better=higher_is_better,
        tasks=frozenset({task}),
        needs=needs,
        smooth=needs != "labels" and name not in _STEPPED,
        average=ending,
        summary=f"scikit-learn's scorer {full}" + ("" if higher_is_better else ", in its natural unit"),
        scorer=full,
        span=1.0 if higher_is_better and name not in _UNBOUNDED else None,
    )


def _accepts(metric: Metric, task: Task, *, weighted: bool) -> bool:
    """Whether scikit-learn computes it, without objection, for such targets: tried on nine plain rows."""
    y, prediction = _few_rows(task)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it warns where the value says nothing: top-2 accuracy of two classes
        try:
            score(metric, y, prediction, (y + 1.0) if weighted else None)
        except (ValueError, TypeError, Warning):
            return False
    return True


def _few_rows(task: Task) -> tuple["np.ndarray", "np.ndarray"]:
    """Targets and predictions in which every class occurs, is hit and is missed."""
    import numpy as np

    classes = 2 if task is Task.BINARY else 3
    y = np.arange(9) % classes
    if task is Task.REGRESSION:
        return y + 1.0, y + 2.0
    prediction = np.full((9, classes), 0.2)
    prediction[np.arange(9), np.where(np.arange(9) < 5, y, (y + 1) % classes)] = 1.0 - 0.2 * (classes - 1)
    return y, prediction
