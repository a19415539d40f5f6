"""What the three boosting families share: losses in one vocabulary, and the settings that are Trainwright's to make."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import ModelPlan
from trainwright.core.tasks import Task
from trainwright.families.contract import ParamProblem, Request

ROUNDS = 1000
PATIENCE = 300
"""Both as published with the tuned defaults (early_stopping_rounds=300 of n_estimators=1000)."""
_SLOWEST = 0.04  # the lowest learning rate of those tuned defaults
_MOST_ROUNDS = 10_000  # what AutoGluon gives the lowest rates of the published search spaces, with early stopping

TUNED_DEFAULTS = (
    "Defaults: Holzmüller, Grinsztajn, Steinwart, 'Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on "
    "Tabular Data', NeurIPS 2024 (pytabkit, default_params.py: {name})."
)
TABARENA_SPACE = (
    "Search space: Erickson et al., 'TabArena: A Living Benchmark for Machine Learning on Tabular Data', 2025 "
    "({name} configurations)."
)

LEARNED = "learned on TabArena's 51 tables (AutoGluon, {file}, {name})"
"""Where a configuration of a portfolio comes from."""

SEED = "set `seed` at the top of the spec; every random stream is derived from it"
ROUNDS_FIX = "set `training.rounds`"
STOPPING = "set `training.early_stopping`"
THREADS = "set `training.threads`"
METRIC = "set `training.metric`"
DEVICE = "set `training.device`"
LOGGING = "leave it out: progress goes to training_log.jsonl"
CATEGORICAL = "set `data.columns.categorical`"
CLASSES = "leave it out: the number of classes comes from the data"
WEIGHTS = "set `data.columns.weight` or `training.class_weight`"
DETERMINISM = "leave it out: training is always deterministic"

CLASSIFICATION_LOSS = {Task.BINARY: "binary log loss", Task.MULTICLASS: "multiclass log loss"}

REGRESSION_LOSS: Mapping[str, str] = {
    "squared_error": "squared error",
    "absolute_error": "absolute error",
    "huber": "Huber loss",
    "fair": "Fair loss",
    "quantile": "pinball loss",
    "poisson": "Poisson deviance",
    "tweedie": "Tweedie deviance",
    "gamma": "gamma deviance",
    "mape": "absolute percentage error",
    "log_cosh": "log-cosh loss",
    "squared_log_error": "squared logarithmic error",
    "expectile": "expectile loss",
}
"""Loss names that mean the same in every boosting family, and how a report calls them."""


def objective_problem(
    value: JsonValue, request: Request, regression: Mapping[str, str], classification: Mapping[Task, str]
) -> ParamProblem | None:
    """Whether an ``objective`` fits the task. ``regression`` maps every accepted name to the library's own."""
    accepted = (classification[request.task],) if request.task.is_classification else tuple(regression)
    if value in accepted:
        return None
    what = f"{value!r} does not fit a {request.task.value} target"
    return ParamProblem(name="objective", what=what, fix=f"one of {', '.join(accepted)}")


def rounds_for(learning_rate: float) -> int:
    """The ceiling of rounds where the spec sets none: in inverse proportion to the rate below those of the defaults.

    A rate that is half as high needs about twice the rounds (Friedman 2001, 'Greedy Function Approximation: A Gradient
    Boosting Machine', section 5). At nine rates below 0.01, drawn with the rest of LightGBM's space, 1,000 rounds left
    the RMSE on california 1 to 19 % higher than these.
    """
    return min(_MOST_ROUNDS, max(ROUNDS, round(ROUNDS * _SLOWEST / learning_rate)))


def rate_of(params: Mapping[str, JsonValue]) -> float:
    """The learning rate among checked parameters."""
    rate = params["learning_rate"]
    assert isinstance(rate, int | float)
    return float(rate)


def booster_plan(family: str, params: Mapping[str, JsonValue], request: Request, loss: str) -> ModelPlan:
    """The plan of a boosting library for its own engine of the same name."""
    return ModelPlan(
        family=family,
        engine=family,
        estimator="",
        params=params,
        rounds=request.rounds or rounds_for(rate_of(params)),
        patience=PATIENCE,
        features="native",
        loss=loss,
        unit="round",
    )


def loss_text(name: str, quantile: JsonValue = None) -> str:
    """How a report calls a regression loss."""
    text = REGRESSION_LOSS.get(name, name)
    return f"{text} at {quantile:g}" if name == "quantile" and isinstance(quantile, int | float) else text
