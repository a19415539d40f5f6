"""Families of scikit-learn: what is refused, what the fix says, what the defaults follow from."""

import pytest

from trainwright.core import registry
from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import Task
from trainwright.families.contract import Request

BINARY = Request(task=Task.BINARY, num_classes=2, rows=1000, columns=10)
REGRESSION = Request(task=Task.REGRESSION, rows=1000, columns=10)


def asked(family: str, params: dict[str, JsonValue], request: Request = BINARY) -> list[str]:
    """Each problem as one line."""
    found = registry.load("families", family).problems(params, request)
    return [f"{p.name} {p.what} | {p.fix}" for p in found]


MISTAKES: tuple[tuple[str, Request, dict[str, JsonValue], str], ...] = (
    ("random_forest", BINARY, {"n_estimaters": 10}, "did you mean 'n_estimators'"),
    ("random_forest", BINARY, {"max_depth": 0}, r"must be an int in the range \[1, inf\)"),
    ("random_forest", BINARY, {"max_depth": True}, "no switch"),
    ("random_forest", BINARY, {"max_depth": 2.5}, "must be an int"),
    ("random_forest", BINARY, {"n_jobs": 4}, "set training.threads"),
    ("random_forest", BINARY, {"random_state": 4}, "set `seed`"),
    ("random_forest", BINARY, {"class_weight": "balanced"}, "training.class_weight"),
    ("random_forest", BINARY, {"criterion": "squared_error"}, "must be a str among"),
    ("random_forest", BINARY, {"max_samples": 0.5, "bootstrap": False}, "no effect without bootstrap"),
    ("extra_trees", BINARY, {"max_samples": 0.5}, "no effect without bootstrap"),
    ("random_forest", BINARY, {"min_impurity_decrease": float("nan")}, "must be finite"),
    ("hist_gradient_boosting", BINARY, {"early_stopping": True}, "training.early_stopping"),
    ("hist_gradient_boosting", BINARY, {"tol": 0.1}, "min_delta"),
    ("hist_gradient_boosting", REGRESSION, {"loss": "quantile"}, "add quantile"),
    ("hist_gradient_boosting", REGRESSION, {"quantile": 0.1}, "set loss: quantile"),
    ("linear", BINARY, {"C": 0}, "above 0"),
    ("linear", BINARY, {"C": "auto"}, "for regression only"),
    ("linear", BINARY, {"l1_ratio": 0.5}, "set penalty: elasticnet"),
    ("linear", BINARY, {"penalty": "elastic_net"}, "did you mean"),
    ("linear", BINARY, {"penalty": "none", "C": 2}, "no effect without a penalty"),
    ("linear", REGRESSION, {"alpha": 2}, "is no parameter of linear"),
    ("linear", REGRESSION, {"max_iter": 1.5}, "whole number"),
    ("knn", BINARY, {"n_neighbors": 1001}, "at most 1000"),
    ("svm", BINARY, {"kernel": "rfb"}, "did you mean 'rbf'"),
    ("svm", BINARY, {"kernel": "linear", "gamma": 1.0}, "no effect with a linear kernel"),
    ("svm", BINARY, {"probability": True}, "calibrated"),
    ("svm", Request(task=Task.BINARY, num_classes=2, rows=50_001), {"kernel": "rbf"}, "set kernel: linear"),
    ("naive_bayes", BINARY, {"variant": "gausian"}, "did you mean 'gaussian'"),
    ("naive_bayes", BINARY, {"alpha": 1.0}, "known: var_smoothing, variant"),
    ("sklearn_mlp", BINARY, {"hidden_layer_sizes": [10, 0]}, "layer widths"),
    ("sklearn_mlp", BINARY, {"solver": "lbfgs"}, "does not train in epochs"),
    ("sklearn_mlp", BINARY, {"shuffle": False}, r"\(seed, epoch\)"),
    ("dummy", BINARY, {"strategy": "stratified"}, "must be one of"),
    ("dummy", REGRESSION, {"strategy": "quantile"}, "add quantile"),
    ("dummy", REGRESSION, {"strategy": "mean", "quantile": 0.3}, "set strategy: quantile"),
)


@pytest.mark.parametrize(("family", "request_", "params", "says"), MISTAKES)
def test_a_mistake_is_named_with_its_fix(
    family: str, request_: Request, params: dict[str, JsonValue], says: str
) -> None:
    import re

    (line,) = asked(family, params, request_)
    assert re.search(says, line), line


@pytest.mark.parametrize("family", ["random_forest", "hist_gradient_boosting", "sklearn_mlp"])
def test_rounds_are_said_once(family: str) -> None:
    name = "n_estimators" if family == "random_forest" else "max_iter"
    request = Request(task=Task.BINARY, num_classes=2, rows=1000, columns=10, rounds=30)
    assert asked(family, {name: 30}, request) == []
    (line,) = asked(family, {name: 40}, request)
    assert "keep one of them" in line
    plan = registry.load("families", family).build({name: 40}, BINARY)
    assert plan.rounds == 40
    assert name not in plan.params


PATHS: tuple[tuple[str, Task, str], ...] = (
    ("", Task.BINARY, "needs an estimator"),
    ("os.path.join", Task.BINARY, "no public path of scikit-learn"),
    ("sklearnx.linear_model.Ridge", Task.REGRESSION, "no public path"),
    ("sklearn.tree._tree.Tree", Task.BINARY, "no public path"),
    ("sklearn.ensemble.GradientBoostingClasifier", Task.BINARY, "did you mean sklearn.ensemble.GradientBoosting"),
    ("sklearn.nowhere.Thing", Task.BINARY, "no module sklearn.nowhere"),
    ("sklearn.cluster.KMeans", Task.BINARY, "is a clusterer, not a classifier"),
    ("sklearn.preprocessing.StandardScaler", Task.BINARY, "is a transformer"),
    ("sklearn.metrics.accuracy_score", Task.BINARY, "scikit-learn has no"),
    ("sklearn.linear_model.Ridge", Task.BINARY, "is a regressor, the task is binary"),
    ("sklearn.linear_model.LogisticRegression", Task.REGRESSION, "is a classifier, the task is regression"),
    ("sklearn.ensemble.StackingClassifier", Task.BINARY, "needs estimators"),
    ("sklearn.linear_model.PassiveAggressiveClassifier", Task.BINARY, "is being removed"),
)


@pytest.mark.parametrize(("path", "task", "says"), PATHS)
def test_a_path_that_cannot_be_trained_is_refused(path: str, task: Task, says: str) -> None:
    (line,) = asked("sklearn", {"max_depth": 3}, Request(task=task, num_classes=2, estimator=path))
    assert line.startswith("model_type ")
    assert says in line


def test_parameters_of_any_estimator_are_checked() -> None:
    request = Request(task=Task.REGRESSION, estimator="sklearn.linear_model.HuberRegressor")
    assert asked("sklearn", {"epsilon": 1.5, "alpha": 0.1}, request) == []
    (typo,) = asked("sklearn", {"epsilom": 1.5}, request)
    assert "did you mean 'epsilon'" in typo
    (low,) = asked("sklearn", {"epsilon": 0.5}, request)
    assert "in the range" in low


def test_any_estimator_trains_as_it_can() -> None:
    build = registry.load("families", "sklearn").build

    def unit(path: str, params: dict[str, JsonValue] | None = None) -> tuple[str, int, bool]:
        plan = build(params or {}, Request(task=Task.BINARY, num_classes=2, rows=100, estimator=path))
        return plan.unit, plan.rounds, bool(plan.options)

    assert unit("sklearn.ensemble.GradientBoostingClassifier", {"n_estimators": 30}) == ("round", 30, False)
    assert unit("sklearn.ensemble.RandomForestClassifier") == ("tree", 100, False)
    assert unit("sklearn.linear_model.SGDClassifier", {"loss": "log_loss"}) == ("epoch", 100, False)
    assert unit("sklearn.linear_model.SGDClassifier") == ("fit", 1, True)
    assert unit("sklearn.neural_network.MLPClassifier", {"solver": "lbfgs", "max_iter": 50}) == ("fit", 1, False)
    assert unit("sklearn.svm.LinearSVC") == ("fit", 1, True)


def test_defaults_follow_the_work() -> None:
    svm = registry.load("families", "svm")
    assert svm.build({}, BINARY).estimator == "sklearn.svm.SVC"
    big = Request(task=Task.BINARY, num_classes=2, rows=60_000, columns=10)
    assert svm.build({}, big).estimator == "sklearn.svm.LinearSVC"
    knn = registry.load("families", "knn")
    assert knn.build({}, Request(task=Task.BINARY, num_classes=2, rows=20)).params["n_neighbors"] == 10
    boosting = registry.load("families", "hist_gradient_boosting")
    count = Request(task=Task.REGRESSION, rows=1000, columns=10, target_is_count=True)
    assert boosting.build({}, count).loss == "poisson"
    assert boosting.build({"loss": "absolute_error"}, count).loss == "absolute error"
    bayes = registry.load("families", "naive_bayes")
    assert bayes.build({}, BINARY).features == "scaled"
    assert bayes.build({"variant": "multinomial"}, BINARY).features == "nonnegative"


@pytest.mark.parametrize(
    ("penalty", "estimator"), [("l2", "Ridge"), ("l1", "Lasso"), ("elasticnet", "ElasticNet"), ("none", "Ridge")]
)
def test_linear_regression_by_penalty(penalty: str, estimator: str) -> None:
    linear = registry.load("families", "linear")
    params: dict[str, JsonValue] = {"penalty": penalty} if penalty == "none" else {"penalty": penalty, "C": 0.5}
    plan = linear.build(params, REGRESSION)
    assert plan.estimator == f"sklearn.linear_model.{estimator}"
    want = {"l2": 2.0, "none": 1e-12}.get(penalty, 2.0 / 1000)
    assert plan.params["alpha"] == pytest.approx(want)
    automatic = linear.build({} if penalty == "none" else {"penalty": penalty}, REGRESSION)
    assert automatic.estimator.endswith("CV")
