"""What a fitted estimator is: how many numbers it learned, and which features it leans on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from trainwright.core.plan import ModelPlan
from trainwright.engines.contract import ModelFacts
from trainwright.engines.sklearn._estimators import Estimator

if TYPE_CHECKING:
    import numpy as np

    from trainwright.engines.contract import Matrix


def facts(
    estimator: Estimator, plan: ModelPlan, names: tuple[str, ...], X: "Matrix", notes: tuple[str, ...]
) -> ModelFacts:
    """Describe a fitted estimator. ``X`` (training rows) gives coefficients their scale."""
    inner = _inner(estimator)
    count, kind = parameters(inner)
    shares, importance_kind = _importance(inner, names, X)
    rate = plan.params.get("learning_rate", plan.params.get("learning_rate_init"))
    if not isinstance(rate, int | float):
        rate = plan.params.get("learning_rate_init", plan.params.get("eta0"))
    batch = getattr(inner, "batch_size", None)
    if batch == "auto":
        batch = min(200, X.shape[0])  # MLP's own rule
    return ModelFacts(
        num_parameters=count,
        parameters_kind=kind,
        optimizer="; ".join((_optimizer(inner), *notes)),
        learning_rate=float(rate) if isinstance(rate, int | float) else None,
        batch_size=batch if isinstance(batch, int) else None,
        importance=shares,
        importance_kind=importance_kind,
    )


def parameters(estimator: Estimator) -> tuple[int, str]:
    """How many trained numbers an estimator has, and what they are."""
    if hasattr(estimator, "_predictors"):
        nodes = [tree.nodes for block in estimator._predictors for tree in block]
        return sum(len(n) for n in nodes), "leaf values and thresholds"
    if hasattr(estimator, "estimators_"):
        return sum(parameters(tree)[0] for tree in _flat(estimator.estimators_)), "leaf values and thresholds"
    if hasattr(estimator, "tree_"):
        width = int(estimator.tree_.value.shape[1] * estimator.tree_.value.shape[2])
        leaves = int(estimator.tree_.n_leaves)
        return leaves * width + int(estimator.tree_.node_count) - leaves, "leaf values and thresholds"
    if hasattr(estimator, "coefs_"):
        return sum(w.size for w in (*estimator.coefs_, *estimator.intercepts_)), "weights and biases"
    if hasattr(estimator, "support_vectors_"):
        return int(estimator.support_vectors_.size + estimator.dual_coef_.size), "support vectors and their weights"
    if hasattr(estimator, "coef_"):
        return _size(estimator.coef_) + _size(getattr(estimator, "intercept_", 0.0)), "coefficients"
    if hasattr(estimator, "_fit_X"):
        return _size(estimator._fit_X), "values of stored rows"
    for name in ("theta_", "feature_log_prob_"):
        if hasattr(estimator, name):
            twice = 2 if name == "theta_" else 1  # a mean and a variance
            return twice * _size(getattr(estimator, name)) + len(estimator.classes_), "class statistics"
    for name in ("class_prior_", "constant_"):
        if hasattr(estimator, name):
            return _size(getattr(estimator, name)), "constants"
    return sum(
        _size(v) for k, v in vars(estimator).items() if k.endswith("_") and hasattr(v, "dtype")
    ), "fitted numbers"


def _inner(estimator: Estimator) -> Estimator:
    calibrated = getattr(estimator, "calibrated_classifiers_", None)
    return calibrated[0].estimator if calibrated else estimator


def _flat(estimators: object) -> list[Estimator]:
    import numpy as np

    return list(np.asarray(estimators, dtype=object).ravel())


def _size(value: object) -> int:
    import numpy as np

    shape = getattr(value, "shape", None)
    return int(np.prod(shape)) if shape is not None else int(np.size(np.asarray(value)))


def _optimizer(estimator: Estimator) -> str:
    for name in ("solver", "algorithm", "kernel"):
        value = getattr(estimator, name, None)
        if isinstance(value, str):
            return f"{type(estimator).__name__}, {name} {value}"
    return type(estimator).__name__


def _importance(estimator: Estimator, names: tuple[str, ...], X: "Matrix") -> tuple[Mapping[str, float], str]:
    import numpy as np

    if hasattr(estimator, "feature_importances_"):
        return _shares(np.asarray(estimator.feature_importances_), names), "impurity"
    coefficients = getattr(estimator, "coef_", None)
    if coefficients is None or getattr(estimator, "kernel", "linear") != "linear":
        return {}, ""
    dense = coefficients.toarray() if hasattr(coefficients, "toarray") else np.asarray(coefficients)
    absolute = np.abs(dense).reshape(-1, dense.shape[-1]).mean(axis=0)
    return _shares(absolute * _deviation(X), names), "absolute standardised coefficient"


def _deviation(X: "Matrix") -> "np.ndarray":
    import numpy as np

    mean = np.asarray(X.mean(axis=0), dtype=np.float64).ravel()
    squares = np.asarray((X.multiply(X) if hasattr(X, "multiply") else X * X).mean(axis=0), dtype=np.float64).ravel()
    return np.sqrt(np.maximum(squares - mean**2, 0.0))


def _shares(values: "np.ndarray", names: tuple[str, ...]) -> dict[str, float]:
    total = float(values.sum())
    if len(values) != len(names) or not 0 < total < float("inf"):
        return {}
    return {name: float(value) / total for name, value in zip(names, values, strict=True)}
