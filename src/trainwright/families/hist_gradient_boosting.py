"""scikit-learn's histogram gradient boosting."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _sklearn_params as checked
from trainwright.families._booster_words import ROUNDS, rate_of, rounds_for
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("sklearn",)
TASKS = TABLE_TASKS
SUMMARY = "scikit-learn's histogram gradient boosting: native categories and missing values, nothing to install"
SOURCE = (
    "Defaults: LGBM-TD of Holzmüller, Grinsztajn & Steinwart 2024, 'Better by default' (rate 0.04 and 50 leaves of 40 "
    "rows for classes, 0.05 and 100 leaves of 3 rows for regression; 1,000 rounds, early stopping), carried over to "
    "the same algorithm; its row sampling has no counterpart here. Space: after "
    "that of Grinsztajn, Oyallon & Varoquaux 2022, its limits rounded and max_features added (assumption)."
)
FEATURES: FeatureStyle = "native"
SPACE: Mapping[str, Range] = {
    "learning_rate": Range(low=0.01, high=0.3, log=True),
    "max_leaf_nodes": Range(low=8, high=256, log=True, integer=True),
    "max_depth": Range(choices=(None, 2, 3, 4)),
    "min_samples_leaf": Range(low=3, high=100, log=True, integer=True),
    "l2_regularization": Range(low=1e-4, high=10.0, log=True),
    "max_features": Range(choices=(1.0, 0.9, 0.7, 0.5)),
}

_PATIENCE = 50  # the paper's 300 rounds cost more time than they gain at these rates (assumption)
_SMALL = 2000  # below it leaves of 40 rows leave too few splits: scikit-learn's 20 (assumption)
_DECIDED = {
    **checked.DECIDED,
    "tol": "early stopping is on the validation rows; set training.early_stopping.min_delta",
}


def defaults(request: Request) -> dict[str, JsonValue]:
    """LGBM-TD's, as far as they have a counterpart."""
    small = 0 < request.rows < _SMALL
    if request.task.is_classification:
        return {
            "max_iter": ROUNDS,
            "learning_rate": 0.04,
            "max_leaf_nodes": 50,
            "min_samples_leaf": 20 if small else 40,
        }
    return {
        "max_iter": ROUNDS,
        "learning_rate": 0.05,
        "max_leaf_nodes": 100,
        "min_samples_leaf": 3,
        "loss": "squared_error",
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """What scikit-learn says about them, and what does not go together."""
    found = checked.check(_estimator(request), params, decided=_DECIDED)
    found += checked.rounds_twice(params, "max_iter", request)
    if not request.task.is_classification:
        if params.get("loss") == "quantile" and "quantile" not in params:
            found.append(ParamProblem(name="loss", what="quantile needs a quantile", fix="add quantile: 0.5"))
        if "quantile" in params and params.get("loss") != "quantile":
            found.append(ParamProblem(name="quantile", what="has no effect with this loss", fix="set loss: quantile"))
    return found


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan for HistGradientBoostingClassifier or HistGradientBoostingRegressor."""
    merged = {**defaults(request), **params}
    if request.target_is_count and "loss" not in params and not request.task.is_classification:
        merged["loss"] = "poisson"
    count = checked.rounds(params, "max_iter", request, rounds_for(rate_of(merged)))
    merged.pop("max_iter", None)
    loss = merged.get("loss", "log_loss")
    return ModelPlan(
        family="hist_gradient_boosting",
        engine="sklearn",
        estimator=_estimator(request),
        params=merged,
        rounds=count,
        patience=_PATIENCE,
        features=FEATURES,
        loss="log loss" if loss == "log_loss" else str(loss).replace("_", " "),
        unit="round",
        accepts_sparse=False,
    )


def _estimator(request: Request) -> str:
    return f"sklearn.ensemble.HistGradientBoosting{'Classifier' if request.task.is_classification else 'Regressor'}"
