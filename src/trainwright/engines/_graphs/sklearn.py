"""Estimators of scikit-learn as parts of an ONNX graph: by hand where it is exact, else by skl2onnx.

The hand-written ones compute in double precision, as the estimators do with the double rows they are given here; what
skl2onnx converts is in the rows' own type, and a parity check decides whether it is right.
"""

import warnings
from typing import TYPE_CHECKING

from trainwright.core.errors import CannotExport
from trainwright.core.packages import first_line, needs_package
from trainwright.engines._graphs import links
from trainwright.engines._graphs.neighbours import add_neighbours
from trainwright.engines._graphs.sklearn_trees import add_boosting, add_forest, add_hist_boosting
from trainwright.engines.contract import InGraph
from trainwright.engines.sklearn._estimators import Estimator
from trainwright.engines.sklearn._predict import Form

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.onnx_graph import Graph

_FORESTS = ("RandomForest", "ExtraTrees", "DecisionTree", "ExtraTree")
_DOUBLE = (*_FORESTS, "GradientBoosting", "HistGradientBoosting", "Dummy")
"""Estimators that add up in double precision whatever their rows are; the others do so in the type of the rows."""

_LINEAR = (
    "Ridge", "RidgeCV", "LinearRegression", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "LinearSVR",
    "HuberRegressor", "SGDRegressor", "BayesianRidge", "ARDRegression", "Lars", "LassoLars", "TheilSenRegressor",
)  # fmt: skip
_LOG_LINEAR = ("PoissonRegressor", "GammaRegressor")


def add_to_graph(estimator: Estimator, form: Form, graph: "Graph", X: str) -> InGraph:
    """Add a fitted estimator.

    Raises:
        CannotExport: it has no equal in ONNX.
    """
    name = type(estimator).__name__
    if name.startswith(_FORESTS):
        output = add_forest(graph, X, estimator)
    elif name.startswith("GradientBoosting"):
        output = add_boosting(graph, X, estimator)
    elif name.startswith("HistGradientBoosting"):
        output = add_hist_boosting(graph, X, estimator)
    elif name.startswith("Dummy"):
        output = _constant(graph, X, estimator)
    elif name == "LogisticRegression":
        output = _logistic(graph, X, estimator)
    elif name in _LINEAR or name in _LOG_LINEAR:
        output = _linear(graph, X, estimator)
    elif name in ("MLPClassifier", "MLPRegressor"):
        output = _perceptron(graph, X, estimator)
    elif _is_calibrated_linear(estimator):
        output = _calibrated(graph, X, estimator)
    elif name.startswith("KNeighbors"):
        output = add_neighbours(graph, X, estimator)
    else:
        output = _converted(graph, X, estimator, form)
    shaped = _shaped(graph, output, estimator, form)
    return InGraph(output=shaped, precision="float64" if name.startswith(_DOUBLE) else "float32")


def _shaped(graph: "Graph", output: str, estimator: Estimator, form: Form) -> str:
    """Columns of zeros for classes that training never saw; the scale of a regression target."""
    import numpy as np

    if not form.num_classes:
        return links.add_offset(graph, output, form.center, form.scale)
    seen = np.asarray(estimator.classes_, dtype=np.int64)
    if np.array_equal(seen, np.arange(form.num_classes)):
        return output
    return graph.add("MatMul", output, graph.constant(np.eye(form.num_classes)[seen]))


def _product(graph: "Graph", X: str, weights: "np.ndarray", offset: "np.ndarray") -> str:
    """``X @ weights + offset`` in double precision; weights (columns, outputs)."""
    import numpy as np

    product = graph.add("MatMul", graph.cast(X, np.float64), graph.constant(np.asarray(weights, dtype=np.float64)))
    return links.add_offset(graph, product, np.asarray(offset, dtype=np.float64))


def _linear(graph: "Graph", X: str, estimator: Estimator) -> str:
    import numpy as np

    raw = _product(graph, X, np.reshape(estimator.coef_, (-1, 1)), np.reshape(estimator.intercept_, (-1,)))
    return links.add_values(graph, graph.add("Exp", raw) if type(estimator).__name__ in _LOG_LINEAR else raw)


def _logistic(graph: "Graph", X: str, estimator: Estimator) -> str:
    raw = _product(graph, X, estimator.coef_.T, estimator.intercept_)
    if len(estimator.classes_) == 2:
        return links.add_two_columns(graph, links.add_sigmoid(graph, raw))
    return links.add_softmax(graph, raw)


def _constant(graph: "Graph", X: str, estimator: Estimator) -> str:
    """The dummies: the same for every row, so one row of the estimator says it."""
    import numpy as np

    row = np.zeros((1, getattr(estimator, "n_features_in_", 1) or 1))
    if hasattr(estimator, "classes_"):
        if estimator.strategy not in ("prior", "most_frequent", "constant"):
            raise CannotExport(f"the strategy {estimator.strategy} draws at random, which a graph cannot repeat")
        said = np.asarray(estimator.predict_proba(row), dtype=np.float64)
    else:
        said = np.asarray(estimator.predict(row), dtype=np.float64).reshape(1, 1)
    rows = graph.add(
        "Concat",
        graph.add("Shape", X, attributes={"end": 1}),
        graph.constant(np.array([said.shape[1]])),
        attributes={"axis": 0},
    )
    every = graph.add("Expand", graph.constant(said), rows)
    return every if hasattr(estimator, "classes_") else links.add_values(graph, every)


def _perceptron(graph: "Graph", X: str, estimator: Estimator) -> str:
    """In the type of its weights, as the estimator multiplies."""
    import numpy as np

    kind = estimator.coefs_[0].dtype
    hidden = graph.cast(X, kind)
    for number, (weights, offset) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        hidden = graph.add("MatMul", hidden, graph.constant(weights))
        hidden = graph.add("Add", hidden, graph.constant(offset))
        if number + 2 < estimator.n_layers_:
            hidden = _activated(graph, hidden, estimator.activation)
    wide = graph.cast(hidden, np.float64)
    if estimator.out_activation_ == "softmax":
        return links.add_softmax(graph, wide)
    if estimator.out_activation_ == "logistic":
        return links.add_two_columns(graph, links.add_sigmoid(graph, wide))
    return links.add_values(graph, wide)


def _activated(graph: "Graph", hidden: str, name: str) -> str:
    operators = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}
    return graph.add(operators[name], hidden) if name in operators else hidden


def _is_calibrated_linear(estimator: Estimator) -> bool:
    if type(estimator).__name__ != "CalibratedClassifierCV":
        return False
    (first, *others) = estimator.calibrated_classifiers_
    return not others and first.method == "sigmoid" and hasattr(first.estimator, "coef_")


def _calibrated(graph: "Graph", X: str, estimator: Estimator) -> str:
    """A linear decision and a fitted sigmoid a class (Platt), which then sum to one."""
    import numpy as np

    (fitted,) = estimator.calibrated_classifiers_
    linear, sigmoids = fitted.estimator, fitted.calibrators
    decision = _product(graph, X, linear.coef_.T, linear.intercept_)
    slopes = graph.constant(np.array([s.a_ for s in sigmoids], dtype=np.float64))
    steep = links.add_offset(graph, graph.add("Mul", decision, slopes), np.array([s.b_ for s in sigmoids]))
    shares = links.add_sigmoid(graph, steep, -1.0)
    return links.add_two_columns(graph, shares) if len(sigmoids) == 1 else _to_one(graph, shares)


def _to_one(graph: "Graph", shares: str) -> str:
    import numpy as np

    total = graph.add("ReduceSum", shares, graph.constant(np.array([1])), attributes={"keepdims": 1})
    return graph.add("Div", shares, total)


def _converted(graph: "Graph", X: str, estimator: Estimator, form: Form) -> str:
    """By skl2onnx, in float32.

    Raises:
        CannotExport: skl2onnx knows no equal.
    """
    import numpy as np

    with needs_package("skl2onnx", "onnx"):
        import skl2onnx
        from skl2onnx.common.data_types import FloatTensorType
    classify = bool(form.num_classes)
    options: dict[str, object] = {"zipmap": False} if classify else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of attributes that scikit-learn deprecates and the converter reads
            model = skl2onnx.to_onnx(
                estimator,
                initial_types=[("X", FloatTensorType([None, form.features]))],
                options={id(estimator): options} if options else None,
                target_opset={"": 20, "ai.onnx.ml": 3},
            )
        outputs = graph.absorb(model, {"X": graph.cast(X, np.float32)})
    except Exception as error:  # the converter fails in any way
        raise CannotExport(
            f"skl2onnx cannot write {type(estimator).__name__} ({type(error).__name__}: {first_line(error)}). "
            "Take native"
        ) from error
    wide = graph.cast(outputs[-1], np.float64)
    return _to_one(graph, wide) if classify else links.add_values(graph, wide)
