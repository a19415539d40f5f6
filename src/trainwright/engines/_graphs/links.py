"""From raw scores to predictions in an ONNX graph, in double precision: the links of every booster."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.onnx_graph import Graph


def add_two_columns(graph: "Graph", positive: str) -> str:
    """(rows, 1) probabilities of the positive class to (rows, 2)."""
    import numpy as np

    negative = graph.add("Sub", graph.constant(np.array(1.0)), positive)
    return graph.add("Concat", negative, positive, attributes={"axis": 1})


def add_sigmoid(graph: "Graph", raw: str, slope: float = 1.0) -> str:
    """``1 / (1 + exp(-slope * raw))``; scores are double."""
    import numpy as np

    steep = raw if slope == 1.0 else graph.add("Mul", raw, graph.constant(np.array(slope)))
    one = graph.constant(np.array(1.0))
    return graph.add("Div", one, graph.add("Add", one, graph.add("Exp", graph.add("Neg", steep))))


def add_softmax(graph: "Graph", raw: str) -> str:
    """Row by row."""
    return graph.add("Softmax", raw, attributes={"axis": 1})


def add_values(graph: "Graph", column: str) -> str:
    """(rows, 1) to (rows,)."""
    import numpy as np

    return graph.add("Reshape", column, graph.constant(np.array([-1])))


def add_offset(graph: "Graph", raw: str, offset: "np.ndarray | float", scale: float = 1.0) -> str:
    """``raw * scale + offset``."""
    import numpy as np

    scaled = raw if scale == 1.0 else graph.add("Mul", raw, graph.constant(np.array(scale)))
    values = np.asarray(offset, dtype=np.float64)
    return scaled if not values.any() else graph.add("Add", scaled, graph.constant(values))
