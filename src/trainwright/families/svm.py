"""Support vector machines."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _sklearn_params as checked
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("sklearn",)
TASKS = TABLE_TASKS
SUMMARY = "Support vector machine: kernels for up to 50,000 rows, linear beyond; calibrated probabilities"
SOURCE = (
    "Defaults: scikit-learn's C = 1 and gamma = 1/(p var X) with an RBF kernel. Space: Hsu, Chang & Lin, 'A practical "
    "guide to support vector classification' (C from 2^-5 to 2^15, gamma from 2^-15 to 2^3), as van Rijn & Hutter "
    "2018 used it."
)
FEATURES: FeatureStyle = "scaled"
SPACE: Mapping[str, Range] = {
    "C": Range(low=2.0**-5, high=2.0**15, log=True),
    "gamma": Range(low=2.0**-15, high=2.0**3, log=True, when={"kernel": ("rbf",)}),
    "kernel": Range(choices=("rbf", "linear")),
}

MAX_KERNEL_ROWS = 50_000  # libsvm's time grows with the square of the rows; scikit-learn: 'tens of thousands'
_KERNELS = ("rbf", "linear", "poly", "sigmoid")
_DECIDED = {**checked.DECIDED, "decision_function_shape": "probabilities are what is used; remove it"}


def defaults(request: Request) -> dict[str, JsonValue]:
    """RBF, or a linear machine where the rows are too many for kernels."""
    return {"kernel": "linear" if request.rows > MAX_KERNEL_ROWS else "rbf", "C": 1.0}


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """What scikit-learn says about them, and kernels on too many rows."""
    found = checked.choice(params, "kernel", _KERNELS)
    kernel = str(params.get("kernel", defaults(request)["kernel"]))
    found += checked.check(_estimator(kernel, request), params, own=("kernel",), decided=_DECIDED)
    if kernel != "linear" and request.rows > MAX_KERNEL_ROWS:
        what = f"{kernel} on {request.rows} rows takes hours: kernels are for at most {MAX_KERNEL_ROWS} rows"
        found.append(ParamProblem(name="kernel", what=what, fix="set kernel: linear, or choose a boosting family"))
    if kernel not in ("rbf", "poly", "sigmoid") and "gamma" in params:
        found = [p for p in found if p.name != "gamma"]
        found.append(ParamProblem(name="gamma", what="has no effect with a linear kernel", fix="remove it"))
    return found


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan for SVC or SVR, or LinearSVC or LinearSVR; classifiers are calibrated."""
    merged = {**defaults(request), **params}
    kernel = str(merged["kernel"])
    if kernel == "linear":
        merged.pop("kernel")
        merged.setdefault("max_iter", 10_000)  # liblinear's 1,000 often end before it converges
        if not request.task.is_classification:
            merged.setdefault(
                "loss", "squared_epsilon_insensitive"
            )  # with epsilon 0: least squares, one scale of target
            merged.setdefault("dual", "auto")
    return ModelPlan(
        family="svm",
        engine="sklearn",
        estimator=_estimator(kernel, request),
        params=merged,
        rounds=1,
        patience=0,
        features=FEATURES,
        loss="hinge" if request.task.is_classification else "epsilon-insensitive",
        unit="fit",
        options={"calibrate": True} if request.task.is_classification else {"scale_target": True},
        notes=("probabilities: a sigmoid on cross-validated decisions (Platt 1999)",)
        if request.task.is_classification
        else (),
    )


def _estimator(kernel: str, request: Request) -> str:
    name = "SVC" if request.task.is_classification else "SVR"
    return f"sklearn.svm.{'Linear' if kernel == 'linear' else ''}{name}"
