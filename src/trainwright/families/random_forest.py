"""Random forest (Breiman 2001)."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _forest
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("sklearn",)
TASKS = TABLE_TASKS
SUMMARY = "Random forest: bootstrapped trees on random feature subsets, strong without tuning"
SOURCE = (
    "Defaults: Breiman 2001 and R's randomForest (500 trees; sqrt(p) features and full trees for classes, p/3 and "
    "leaves of 5 for regression), which Probst, Bischl & Boulesteix 2019 (JMLR 20) found hard to beat by tuning. "
    + _forest.SPACE_SOURCE
)
FEATURES: FeatureStyle = _forest.FEATURES
SPACE: Mapping[str, Range] = _forest.SPACE


def defaults(request: Request) -> dict[str, JsonValue]:
    """Breiman's."""
    classify = request.task.is_classification
    return {
        "n_estimators": _forest.trees(request),
        "max_features": "sqrt" if classify else 1 / 3,
        "min_samples_leaf": 1 if classify else 5,
        "bootstrap": True,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """What scikit-learn says about them, and contradictions."""
    return _forest.problems(_estimator(request), params, request)


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan for RandomForestClassifier or RandomForestRegressor."""
    return _forest.plan("random_forest", _estimator(request), {**defaults(request), **params}, request)


def _estimator(request: Request) -> str:
    return f"sklearn.ensemble.RandomForest{'Classifier' if request.task.is_classification else 'Regressor'}"
