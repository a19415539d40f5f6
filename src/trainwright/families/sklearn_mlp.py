"""scikit-learn's multi-layer perceptron."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _sklearn_params as checked
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("sklearn",)
TASKS = TABLE_TASKS
SUMMARY = "scikit-learn's multi-layer perceptron, an epoch at a time: a network without PyTorch"
SOURCE = (
    "Space and shape: the MLP of Gorishniy et al. 2021, 'Revisiting deep learning models for tabular data' (layers of "
    "64 to 512, rate 1e-5 to 1e-2, weight decay 1e-6 to 1e-3; patience 16 epochs). Defaults: two layers of 256, Adam "
    "at 1e-3, batches of 256, as the MLP defaults of Grinsztajn et al. 2022; alpha is scikit-learn's."
)
FEATURES: FeatureStyle = "scaled"
SPACE: Mapping[str, Range] = {
    "hidden_layer_sizes": Range(
        choices=(
            [64],
            [128],
            [256],
            [512],
            [64, 64],
            [128, 128],
            [256, 256],
            [512, 512],
            [128, 128, 128],
            [256, 256, 256],
        )
    ),
    "learning_rate_init": Range(low=1e-5, high=1e-2, log=True),
    "alpha": Range(low=1e-6, high=1e-3, log=True),
    "batch_size": Range(choices=(64, 128, 256, 512)),
}

_EPOCHS = 200  # scikit-learn's own ceiling; early stopping ends most trainings before
_PATIENCE = 16
_DECIDED = {
    **checked.DECIDED,
    "tol": "early stopping is on the validation rows; set training.early_stopping.min_delta",
    "max_fun": "lbfgs has no epochs; remove it",
}


def defaults(request: Request) -> dict[str, JsonValue]:
    """The published network; batches of at most a quarter of the rows."""
    batch = 256 if not request.rows else min(256, max(1, request.rows // 4))
    return {
        "max_iter": _EPOCHS,
        "hidden_layer_sizes": [256, 256],
        "solver": "adam",
        "learning_rate_init": 1e-3,
        "alpha": 1e-4,
        "batch_size": batch,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """What scikit-learn says about them, and the solver that has no epochs."""
    own = ("hidden_layer_sizes",)
    found = checked.check(_estimator(request), params, decided=_DECIDED, own=own)
    found += checked.rounds_twice(params, "max_iter", request)
    if params.get("solver") == "lbfgs":
        fix = "use adam or sgd; or model_type sklearn.neural_network.MLPClassifier with solver lbfgs"
        found.append(ParamProblem(name="solver", what="lbfgs does not train in epochs", fix=fix))
    return found + _layer_problems(params)


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan for MLPClassifier or MLPRegressor."""
    merged = {**defaults(request), **params}
    epochs = checked.rounds(merged, "max_iter", request, _EPOCHS)
    merged.pop("max_iter", None)
    classify = request.task.is_classification
    loss = "log loss" if classify else str(merged.get("loss", "squared_error")).replace("_", " ")
    return ModelPlan(
        family="sklearn_mlp",
        engine="sklearn",
        estimator=_estimator(request),
        params=merged,
        rounds=epochs,
        patience=_PATIENCE,
        features=FEATURES,
        loss=loss,
        unit="epoch",
        accepts_weights=checked.accepts_weights(_estimator(request)),
        # The poisson loss needs the target as it is; squared error wants it near 0 with deviation 1.
        options={} if classify or loss == "poisson" else {"scale_target": True},
    )


def _layer_problems(params: Mapping[str, JsonValue]) -> list[ParamProblem]:
    if "hidden_layer_sizes" not in params:
        return []
    value = params["hidden_layer_sizes"]
    widths = [value] if isinstance(value, int) else value
    good = isinstance(widths, list | tuple) and widths and all(type(w) is int and w > 0 for w in widths)
    if good:
        return []
    what = f"must be a list of layer widths of at least 1, got {value!r}"
    return [ParamProblem(name="hidden_layer_sizes", what=what, fix="write for example [256, 256]")]


def _estimator(request: Request) -> str:
    return f"sklearn.neural_network.MLP{'Classifier' if request.task.is_classification else 'Regressor'}"
