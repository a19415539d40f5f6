"""The floor every model must beat: class frequencies, the mean, or how often each character occurs."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import Task
from trainwright.families import _sklearn_params as checked
from trainwright.families._ngram import ngram_plan
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("sklearn", "ngram")
TASKS = frozenset(Task)
SUMMARY = "Predicts class or character frequencies, or the mean (median, quantile): the floor every model must beat"
SOURCE = "scikit-learn user guide 3.4.6: prior and mean minimise log loss and squared error without any feature"
FEATURES: FeatureStyle = "ordinal"
SPACE: Mapping[str, Range] = {}

_STRATEGIES = {True: ("prior", "most_frequent", "uniform"), False: ("mean", "median", "quantile")}


def defaults(request: Request) -> dict[str, JsonValue]:
    """The best constant."""
    if request.task is Task.LANGUAGE:
        return {}
    return {"strategy": "prior" if request.task.is_classification else "mean"}


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """Unknown names and strategies that are not for this task."""
    if request.task is Task.LANGUAGE:
        return [checked.unknown(name, ("no parameter",), "dummy") for name in params]
    known = ("strategy",) if request.task.is_classification else ("strategy", "quantile")
    found = [checked.unknown(name, known, "dummy") for name in params if name not in known]
    found += checked.choice(params, "strategy", _STRATEGIES[request.task.is_classification])
    if "quantile" in known:
        found += checked.number(params, "quantile", 0.0, 1.0)
        if "quantile" in params and params.get("strategy") != "quantile":
            found.append(
                ParamProblem(name="quantile", what="has no effect with this strategy", fix="set strategy: quantile")
            )
        if params.get("strategy") == "quantile" and "quantile" not in params:
            found.append(ParamProblem(name="strategy", what="quantile needs a quantile", fix="add quantile: 0.5"))
    return found


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan for DummyClassifier or DummyRegressor; for a text, one that counts characters."""
    if request.task is Task.LANGUAGE:
        return ngram_plan("dummy", 1, {"tokenizer": "auto"})
    classify = request.task.is_classification
    merged = {**defaults(request), **params}
    return ModelPlan(
        family="dummy",
        engine="sklearn",
        estimator=f"sklearn.dummy.Dummy{'Classifier' if classify else 'Regressor'}",
        params=merged,
        rounds=1,
        patience=0,
        features=FEATURES,
        loss="log loss"
        if classify
        else {"median": "absolute error", "quantile": "pinball loss"}.get(str(merged["strategy"]), "squared error"),
        unit="fit",
    )
