"""Extremely randomised trees (Geurts, Ernst & Wehenkel 2006)."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _forest
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("sklearn",)
TASKS = TABLE_TASKS
SUMMARY = "Extremely randomised trees: random split points, fast and smooth"
SOURCE = (
    "Defaults: Geurts, Ernst & Wehenkel 2006 (whole sample; sqrt(p) features and splits from 2 rows for classes, all "
    "features and splits from 5 rows for regression). " + _forest.SPACE_SOURCE
)
FEATURES: FeatureStyle = _forest.FEATURES
SPACE: Mapping[str, Range] = _forest.SPACE


def defaults(request: Request) -> dict[str, JsonValue]:
    """The paper's."""
    classify = request.task.is_classification
    return {
        "n_estimators": _forest.trees(request),
        "max_features": "sqrt" if classify else 1.0,
        "min_samples_split": 2 if classify else 5,
        "bootstrap": False,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """What scikit-learn says about them, and contradictions."""
    return _forest.problems(_estimator(request), params, request)


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan for ExtraTreesClassifier or ExtraTreesRegressor."""
    return _forest.plan("extra_trees", _estimator(request), {**defaults(request), **params}, request)


def _estimator(request: Request) -> str:
    return f"sklearn.ensemble.ExtraTrees{'Classifier' if request.task.is_classification else 'Regressor'}"
