"""Linear models: logistic regression, and ridge, lasso and elastic net regression, with one way to say how strong."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _sklearn_params as checked
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("sklearn",)
TASKS = TABLE_TASKS
SUMMARY = "Logistic regression; ridge, lasso or elastic net for numbers: the baseline that explains itself"
SOURCE = (
    "Defaults: scikit-learn's L2 logistic regression with C = 1 by lbfgs on standardised features, a coarser tolerance "
    "on large tables; for regression, "
    "ridge with its strength chosen by leave-one-out cross-validation (Golub, Heath & Wahba 1979). Space: C on a "
    "log scale around the default, 1e-3 to 1e3, and every penalty (assumption: no published one fits both tasks)."
)
FEATURES: FeatureStyle = "scaled"
SPACE: Mapping[str, Range] = {
    "penalty": Range(choices=("l2", "l1", "elasticnet")),
    "C": Range(low=1e-3, high=1e3, log=True),
    "l1_ratio": Range(low=0.05, high=0.95, when={"penalty": ("elasticnet",)}),
}

PENALTIES = ("l2", "l1", "elasticnet", "none")
_UNPENALISED = 1e12  # C: a penalty this weak changes no digit that matters
_ALPHAS = [float(f"1e{power}") for power in range(-4, 6)]  # ridge strengths tried by leave-one-out
_WIDE = 1000  # columns above which leave-one-out needs the decomposition of a large matrix: C = 1 instead (assumption)
_COSTLY = 100_000_000  # rows x columns x classes above which lbfgs may take 200 steps instead of 1,000 (assumption)
# Above it lbfgs ends at a gradient of 1e-3 instead of 1e-4. On diabetes130 (61,058 rows, 43 columns, 3 classes) that is
# 79 steps and 2 s instead of 338 and 8 s, with a log loss of validation rows of 0.8879 instead of 0.8891.
_LARGE = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """One estimator: where it is, its parameters, and engine options."""

    estimator: str
    params: Mapping[str, JsonValue]
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def defaults(request: Request) -> dict[str, JsonValue]:
    """L2 with C = 1, or with C chosen by cross-validation for numbers.

    C is the inverse strength in both tasks: C times the summed loss plus the penalty is minimised.
    """
    automatic = not request.task.is_classification and request.columns <= _WIDE
    return {"penalty": "l2", "C": "auto" if automatic else 1.0, "fit_intercept": True}


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """Unknown names, values out of limits, and a mixing ratio without elastic net."""
    known = ("penalty", "C", "l1_ratio", "fit_intercept", "max_iter", "tol")
    found = [checked.unknown(name, known, "linear") for name in params if name not in known]
    found += checked.choice(params, "penalty", PENALTIES)
    automatic = params.get("C") == "auto"
    if automatic and request.task.is_classification:
        found.append(ParamProblem(name="C", what="auto is for regression only", fix="give a number, or search C"))
    if not automatic:
        found += checked.number(params, "C", 0.0, 1e12, open_low=True)
    found += checked.number(params, "l1_ratio", 0.0, 1.0)
    found += checked.number(params, "tol", 0.0, 1.0, open_low=True)
    if "max_iter" in params and (type(params["max_iter"]) is not int or params["max_iter"] < 1):
        found.append(
            ParamProblem(name="max_iter", what="must be a whole number of at least 1", fix="give for example 1000")
        )
    if "fit_intercept" in params and not isinstance(params["fit_intercept"], bool):
        found.append(ParamProblem(name="fit_intercept", what="must be true or false", fix="give true or false"))
    penalty = params.get("penalty", "l2")
    if "l1_ratio" in params and penalty != "elasticnet":
        found.append(
            ParamProblem(name="l1_ratio", what=f"has no effect with penalty {penalty}", fix="set penalty: elasticnet")
        )
    if "C" in params and penalty == "none":
        found.append(ParamProblem(name="C", what="has no effect without a penalty", fix="remove it, or set a penalty"))
    return found


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan for the estimator that fits the task and the penalty."""
    merged = {**defaults(request), **params}
    chosen = _logistic(merged, request) if request.task.is_classification else _regression(merged, request)
    return ModelPlan(
        family="linear",
        engine="sklearn",
        estimator=chosen.estimator,
        params=chosen.params,
        rounds=1,
        patience=0,
        features=FEATURES,
        loss="log loss" if request.task.is_classification else "squared error",
        unit="fit",
        accepts_weights=checked.accepts_weights(chosen.estimator),
        options=chosen.options,
        notes=chosen.notes,
    )


def _logistic(merged: Mapping[str, JsonValue], request: Request) -> _Fit:
    penalty = merged["penalty"]
    cost = request.rows * max(1, request.columns) * max(1, request.num_classes - 1)
    steps = 1000 if cost <= _COSTLY else 200
    smooth = penalty in ("l2", "none")
    return _Fit(
        estimator="sklearn.linear_model.LogisticRegression",
        params={
            "C": _UNPENALISED if penalty == "none" else merged["C"],
            "l1_ratio": {"l1": 1.0, "elasticnet": merged.get("l1_ratio", 0.5)}.get(str(penalty), 0.0),
            "solver": "lbfgs" if smooth else "saga",
            "fit_intercept": merged["fit_intercept"],
            "max_iter": merged.get("max_iter", steps),
            # saga's last digits cost most of its time
            "tol": merged.get("tol", 1e-4 if smooth and cost <= _LARGE else 1e-3),
        },
    )


def _regression(merged: Mapping[str, JsonValue], request: Request) -> _Fit:
    """Ridge minimises |r|^2 + alpha |w|^2, the lasso |r|^2/(2 rows) + alpha |w|: alpha is 1/C, or 1/(C rows)."""
    penalty, strength = str(merged["penalty"]), merged["C"]
    intercept: dict[str, JsonValue] = {"fit_intercept": merged["fit_intercept"]}
    limits: dict[str, JsonValue] = {name: merged[name] for name in ("max_iter", "tol") if name in merged}
    if penalty == "none":
        return _Fit(estimator="sklearn.linear_model.Ridge", params={**intercept, **limits, "alpha": 1 / _UNPENALISED})
    if penalty == "l2" and strength == "auto":
        notes = tuple(f"{name} has no effect: the ridge strength is found in closed form" for name in limits)
        return _Fit(estimator="sklearn.linear_model.RidgeCV", params={**intercept, "alphas": _ALPHAS}, notes=notes)
    if penalty == "l2":
        assert isinstance(strength, int | float)
        return _Fit(estimator="sklearn.linear_model.Ridge", params={**intercept, **limits, "alpha": 1 / strength})
    ratio: dict[str, JsonValue] = {} if penalty == "l1" else {"l1_ratio": merged.get("l1_ratio", 0.5)}
    shape = {**intercept, "max_iter": 10_000, **limits, **ratio}
    name = "Lasso" if penalty == "l1" else "ElasticNet"
    options: dict[str, JsonValue] = {"scale_target": True}
    if strength == "auto":
        return _Fit(estimator=f"sklearn.linear_model.{name}CV", params={**shape, "cv": 5}, options=options)
    assert isinstance(strength, int | float)
    alpha = 1 / (strength * max(1, request.rows))
    return _Fit(estimator=f"sklearn.linear_model.{name}", params={**shape, "alpha": alpha}, options=options)
