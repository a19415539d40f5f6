"""What the random forest and the extremely randomised trees share."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.families import _sklearn_params as checked
from trainwright.families.contract import ParamProblem, Range, Request

FEATURES: FeatureStyle = "ordinal"

SPACE: Mapping[str, Range] = {
    # Grinsztajn, Oyallon & Varoquaux 2022, table of the random forest space.
    "max_features": Range(choices=("sqrt", "log2", None, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)),
    "min_samples_split": Range(choices=(2, 3)),
    "min_samples_leaf": Range(low=1, high=50, log=True, integer=True),
    "max_depth": Range(choices=(None, 2, 3, 4)),
    "min_impurity_decrease": Range(choices=(0.0, 0.01, 0.02, 0.05)),
    "bootstrap": Range(choices=(True, False)),
}

SPACE_SOURCE = (
    "Space: Grinsztajn, Oyallon & Varoquaux 2022, 'Why do tree-based models still outperform deep learning on typical "
    "tabular data?', without its criterion; the number of trees is not searched, more are never worse (Probst & "
    "Boulesteix 2018, JMLR 18)."
)


def trees(request: Request) -> int:
    """500, the default of R's randomForest and ranger; 200 above 100,000 rows, for time and memory (assumption)."""
    return 200 if request.rows > 100_000 else 500


def problems(estimator: str, params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """What scikit-learn says, and numbers of trees that contradict each other."""
    found = checked.check(estimator, params) + checked.rounds_twice(params, "n_estimators", request)
    bootstrap = params.get("bootstrap", "Random" in estimator)
    if params.get("max_samples") is not None and not bootstrap:
        found.append(
            ParamProblem(name="max_samples", what="has no effect without bootstrap", fix="set bootstrap: true")
        )
    return found


def plan(family: str, estimator: str, merged: dict[str, JsonValue], request: Request) -> ModelPlan:
    """A plan for a forest; it has no early stopping: more trees are never worse on average."""
    count = checked.rounds(merged, "n_estimators", request, trees(request))
    merged.pop("n_estimators", None)
    criterion = str(merged.get("criterion", "gini" if request.task.is_classification else "squared_error"))
    return ModelPlan(
        family=family,
        engine="sklearn",
        estimator=estimator,
        params=merged,
        rounds=count,
        patience=0,
        features=FEATURES,
        loss={"gini": "Gini impurity", "entropy": "entropy", "log_loss": "entropy"}.get(
            criterion, criterion.replace("_", " ")
        ),
        unit="tree",
    )
