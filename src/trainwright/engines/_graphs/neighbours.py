"""Nearest neighbours of scikit-learn as part of an ONNX graph.

Why not skl2onnx: of 60 rows its graph predicted 58 otherwise (1.20, rows of the contract suite). Here the
nearest rows are found by ``|x|^2 - 2 x t + |t|^2`` in double precision, and their distances are then taken from the
differences, so that an equal row is at distance zero. Rows at equal distances may be chosen otherwise than by the
library, whose own choice depends on the order of its tree; the proof finds whether that happens.
"""

from typing import TYPE_CHECKING

from trainwright.core.errors import CannotExport
from trainwright.engines._graphs import links
from trainwright.engines.sklearn._estimators import Estimator

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.onnx_graph import Graph


def add_neighbours(graph: "Graph", X: str, estimator: Estimator) -> str:
    """KNeighborsClassifier and KNeighborsRegressor with the Euclidean distance.

    Raises:
        CannotExport: another distance, or weights by a function.
    """
    import numpy as np
    import scipy.sparse

    if estimator.effective_metric_ != "euclidean" or estimator.weights not in ("uniform", "distance"):
        raise CannotExport(f"neighbours by the {estimator.effective_metric_} distance have no equal here. Take native")
    kept = estimator._fit_X.toarray() if scipy.sparse.issparse(estimator._fit_X) else estimator._fit_X
    kept = np.asarray(kept, dtype=np.float64)
    wide = graph.cast(X, np.float64)
    nearest = _nearest(graph, wide, kept, int(estimator.n_neighbors))
    weights = _weights(graph, wide, kept, nearest, by_distance=estimator.weights == "distance")
    classify = hasattr(estimator, "classes_")
    held = np.eye(len(estimator.classes_))[estimator._y.reshape(-1)] if classify else estimator._y.reshape(-1, 1)
    values = graph.add(
        "Gather", graph.constant(held.astype(np.float64)), nearest, attributes={"axis": 0}
    )  # (rows, k, targets)
    last = graph.constant(np.array([2]))
    sums = graph.add(
        "ReduceSum",
        graph.add("Mul", graph.add("Unsqueeze", weights, last), values),
        _one(graph),
        attributes={"keepdims": 0},
    )
    mean = graph.add("Div", sums, graph.add("ReduceSum", weights, _one(graph), attributes={"keepdims": 1}))
    return mean if classify else links.add_values(graph, mean)


def _nearest(graph: "Graph", wide: str, kept: "np.ndarray", count: int) -> str:
    """Positions of the nearest kept rows, (rows, count)."""
    import numpy as np

    own = graph.add("ReduceSumSquare", wide, _one(graph), attributes={"keepdims": 1})
    product = graph.add("MatMul", wide, graph.constant(kept.T.copy()))
    theirs = graph.constant((kept**2).sum(axis=1)[None])
    doubled = graph.add("Mul", product, graph.constant(np.array(-2.0)))
    squared = graph.add("Add", graph.add("Add", own, doubled), theirs)
    return graph.add_two(
        "TopK", squared, graph.constant(np.array([count])), attributes={"axis": 1, "largest": 0, "sorted": 1}
    )[1]


def _weights(graph: "Graph", wide: str, kept: "np.ndarray", nearest: str, *, by_distance: bool) -> str:
    """(rows, count): 1, or 1 / distance; where a neighbour is at distance zero, 1 for those that are and 0 else."""
    import numpy as np

    rows = graph.add("Gather", graph.constant(kept), nearest, attributes={"axis": 0})  # (rows, k, columns)
    difference = graph.add("Sub", rows, graph.add("Unsqueeze", wide, _one(graph)))
    squared = graph.add("ReduceSumSquare", difference, graph.constant(np.array([2])), attributes={"keepdims": 0})
    one, zero = graph.constant(np.array(1.0)), graph.constant(np.array(0.0))
    if not by_distance:
        return graph.add("Add", graph.add("Mul", squared, zero), one)
    is_equal = graph.add("Equal", squared, zero)
    equal = graph.cast(is_equal, np.float64)
    far = graph.add("Div", one, graph.add("Sqrt", graph.add("Where", is_equal, one, squared)))
    any_equal = graph.add("Greater", graph.add("ReduceMax", equal, _one(graph), attributes={"keepdims": 1}), zero)
    return graph.add("Where", any_equal, equal, far)


def _one(graph: "Graph") -> str:
    import numpy as np

    return graph.constant(np.array([1]))
