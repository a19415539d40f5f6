"""k nearest neighbours."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _sklearn_params as checked
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("sklearn",)
TASKS = TABLE_TASKS
SUMMARY = "k nearest neighbours: a sanity check that needs no training; slow to predict on many rows"
SOURCE = (
    "Default k = 30 and k from 1 to 30: Probst, Bischl & Boulesteix 2019, 'Tunability' (JMLR 20), tables 1 and 3; "
    "distance weights as their kknn weighs by a kernel. The space goes on to 100 for large tables (assumption)."
)
FEATURES: FeatureStyle = "scaled"
SPACE: Mapping[str, Range] = {
    "n_neighbors": Range(low=1, high=100, log=True, integer=True),
    "weights": Range(choices=("uniform", "distance")),
    "p": Range(choices=(1, 2)),
}

_LARGE = 200_000  # rows: a brute-force prediction of as many takes minutes on a core (assumption)


def defaults(request: Request) -> dict[str, JsonValue]:
    """30 neighbours, or half of the rows where there are fewer than 60."""
    return {"n_neighbors": min(30, max(1, request.rows // 2)) if request.rows else 30, "weights": "distance", "p": 2}


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """What scikit-learn says about them, and more neighbours than rows."""
    found = checked.check(_estimator(request), params)
    wanted = params.get("n_neighbors")
    if isinstance(wanted, int) and 0 < request.rows < wanted:
        what = f"asks for {wanted} neighbours, there are {request.rows} training rows"
        found.append(ParamProblem(name="n_neighbors", what=what, fix=f"give at most {request.rows}"))
    return found


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan for KNeighborsClassifier or KNeighborsRegressor."""
    slow = (f"knn stores {request.rows} rows and compares each prediction with all of them",)
    return ModelPlan(
        family="knn",
        engine="sklearn",
        estimator=_estimator(request),
        params={**defaults(request), **params},
        rounds=1,
        patience=0,
        features=FEATURES,
        loss="none (stored rows)",
        unit="fit",
        accepts_weights=False,
        notes=slow if request.rows > _LARGE else (),
    )


def _estimator(request: Request) -> str:
    return f"sklearn.neighbors.KNeighbors{'Classifier' if request.task.is_classification else 'Regressor'}"
