"""Any classifier or regressor of scikit-learn by its import path (``model_type: sklearn.svm.NuSVC``)."""

import importlib
import inspect
import warnings
from collections.abc import Mapping
from typing import Literal

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _sklearn_params as checked
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("sklearn",)
TASKS = TABLE_TASKS
SUMMARY = "Any classifier or regressor of scikit-learn by its import path (sklearn.ensemble.GradientBoostingClassifier)"
SOURCE = "scikit-learn's own defaults; name the parameters to search yourself, this family knows no space"
FEATURES: FeatureStyle = "scaled"
SPACE: Mapping[str, Range] = {}

_EPOCHS = 100  # a ceiling for partial_fit; early stopping ends most trainings before (assumption)
_EPOCH_PATIENCE = 5  # SGD's own n_iter_no_change
_ROUND_PATIENCE = 20  # rounds of GradientBoosting without gain (assumption)
_TREES = ("sklearn.tree", "sklearn.ensemble")
_COUNTS = ("MultinomialNB", "ComplementNB")


def defaults(request: Request) -> dict[str, JsonValue]:
    """None: the estimator's own stand."""
    return {}


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """What is wrong with the estimator's path, else with its parameters."""
    found = estimator_problems(request)
    if found:
        return found
    path, name = request.estimator, _rounds_name(request.estimator, params)
    if name == "":
        return checked.check(path, params)
    return checked.check(path, params, decided=_decided(path)) + checked.rounds_twice(params, name, request)


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan that trains the estimator as it allows: one fit, blocks of trees or rounds, or epochs."""
    path, merged = request.estimator, dict(params)
    unit, patience = _unit(path, params)
    name = _rounds_name(path, params)
    count = checked.rounds(merged, name, request, _default_rounds(path, params)) if name else 1
    merged.pop(name, None)
    cls = checked.estimator_class(path)
    classify = request.task.is_classification
    calibrate = classify and not hasattr(cls(**merged), "predict_proba")
    if unit == "epoch" and calibrate:
        unit, patience, count = "fit", 0, 1  # a calibrated classifier is fitted whole
        merged = dict(params)
    notes = (
        ("it has no probabilities: a sigmoid on cross-validated decisions gives them (Platt 1999)",)
        if calibrate
        else ()
    )
    return ModelPlan(
        family="sklearn",
        engine="sklearn",
        estimator=path,
        params=merged,
        rounds=count,
        patience=patience,
        features=_features(path),
        loss=str(merged.get("loss", getattr(cls(**merged), "loss", "the estimator's own"))).replace("_", " "),
        unit=unit,
        accepts_sparse=checked.accepts_sparse(path, merged),
        accepts_weights=checked.accepts_weights(path),
        options={"calibrate": True} if calibrate else {},
        notes=notes,
    )


def estimator_problems(request: Request) -> list[ParamProblem]:
    """Why the estimator cannot be trained here: not of scikit-learn, no estimator, or of the other task."""
    path = request.estimator
    fix = "give a path like sklearn.linear_model.HuberRegressor"

    def problem(what: str, fix: str = fix) -> list[ParamProblem]:
        return [ParamProblem(name="model_type", what=what, fix=fix)]

    if not path:
        return problem("the sklearn family needs an estimator")
    parts = path.split(".")
    if parts[0] != "sklearn" or not all(part.isidentifier() for part in parts) or any(p.startswith("_") for p in parts):
        return problem(f"{path!r} is no public path of scikit-learn", fix)
    cls = _find(path)
    if cls is None:
        return problem(f"scikit-learn has no {path!r}", _nearest(path) or fix)
    wanted = "classifier" if request.task.is_classification else "regressor"
    kind = _kind(cls)
    if kind not in ("classifier", "regressor"):
        return problem(f"{path} is {kind}, not a {wanted}", _nearest_of_kind(wanted))
    if kind != wanted:
        return problem(f"{path} is a {kind}, the task is {request.task.value}", _nearest_of_kind(wanted))
    if reason := _unusable(cls):
        return problem(f"{path} {reason}", "choose another estimator")
    return []


def _find(path: str) -> type | None:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    return found if isinstance(found, type) else None


def _kind(cls: type) -> str:
    from sklearn.base import BaseEstimator, ClassifierMixin, ClusterMixin, RegressorMixin, TransformerMixin

    if issubclass(cls, ClassifierMixin):
        return "classifier"
    if issubclass(cls, RegressorMixin):
        return "regressor"
    if issubclass(cls, ClusterMixin):
        return "a clusterer"
    if issubclass(cls, TransformerMixin):
        return "a transformer"
    return "an estimator of another kind" if issubclass(cls, BaseEstimator) else "no estimator"


def _unusable(cls: type) -> str:
    """Why a classifier or regressor does not train on a table with one target."""
    if inspect.isabstract(cls) or cls.__name__.startswith("Base"):
        return "is an abstract base"
    parameters = inspect.signature(cls).parameters
    needed = [n for n, p in parameters.items() if p.default is p.empty]
    if needed:
        return f"wraps other estimators (it needs {', '.join(needed)})"
    if cls.__name__.startswith("MultiTask") or cls.__name__ in ("CCA", "PLSCanonical"):
        return "is for several targets at once"
    if cls.__name__ == "TransformedTargetRegressor":
        return "wraps another estimator; give that one"
    if cls.__name__.startswith("RadiusNeighbors"):
        return "has no answer for rows with no neighbour within the radius; model_type knn has"
    if cls.__name__ == "CategoricalNB":
        return "fails on categories that training never saw; model_type naive_bayes does not"
    if cls.__name__ == "IsotonicRegression":
        return "takes a single column"
    if cls.__name__ in ("LabelPropagation", "LabelSpreading", "SelfTrainingClassifier"):
        return "is for partly labelled data"
    return _phased_out(cls)


def _phased_out(cls: type) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cls()
    return f"is being removed from scikit-learn: {str(caught[0].message).splitlines()[0]}" if caught else ""


def _unit(path: str, params: Mapping[str, JsonValue]) -> tuple[Literal["round", "tree", "epoch", "fit"], int]:
    name = path.rpartition(".")[2]
    if name.startswith(("HistGradientBoosting", "GradientBoosting")):
        return "round", _ROUND_PATIENCE
    if name.startswith(("RandomForest", "ExtraTrees")):
        return "tree", 0
    if _rounds_name(path, params) == "max_iter":
        return "epoch", _EPOCH_PATIENCE
    return "fit", 0


def _rounds_name(path: str, params: Mapping[str, JsonValue]) -> str:
    """The parameter that counts rounds where Trainwright trains in rounds, else nothing."""
    name = path.rpartition(".")[2]
    if name.startswith(("RandomForest", "ExtraTrees", "GradientBoosting")):
        return "n_estimators"
    if name.startswith("HistGradientBoosting") or name in ("SGDClassifier", "SGDRegressor"):
        return "max_iter"
    in_epochs = name in ("MLPClassifier", "MLPRegressor") and params.get("solver") != "lbfgs"
    return "max_iter" if in_epochs else ""


def _default_rounds(path: str, params: Mapping[str, JsonValue]) -> int:
    if _unit(path, params)[0] == "epoch":
        return _EPOCHS
    value = inspect.signature(checked.estimator_class(path)).parameters[_rounds_name(path, params)].default
    return int(value)


def _decided(path: str) -> dict[str, str]:
    if path.rpartition(".")[2].startswith(("RandomForest", "ExtraTrees")):
        return dict(checked.DECIDED)
    return {**checked.DECIDED, "tol": "early stopping is on the validation rows; set training.early_stopping.min_delta"}


def _features(path: str) -> FeatureStyle:
    name = path.rpartition(".")[2]
    if name.startswith("HistGradientBoosting"):
        return "native"
    if name in _COUNTS:
        return "nonnegative"
    return "ordinal" if path.startswith(_TREES) else "scaled"


def _nearest(path: str) -> str:
    import difflib

    module, _, name = path.rpartition(".")
    try:
        known = [n for n in dir(importlib.import_module(module)) if n[:1].isupper()]
    except ImportError:
        return f"there is no module {module}"
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {module}.{close[0]}?" if close else ""


def _nearest_of_kind(wanted: str) -> str:
    example = (
        "sklearn.linear_model.LogisticRegression" if wanted == "classifier" else "sklearn.linear_model.HuberRegressor"
    )
    return f"choose a {wanted}, for example {example}"
