"""ONNX: one graph from the columns of a table to predictions, features included where they can be.

Where they cannot (images, tokens, a feature pipeline of one's own) the graph takes what the features give, and the
features lie beside it. The outputs are ``prediction``, float64 of shape (rows, classes) or (rows,), and for a
classification ``label``, the likelier class as text.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core import registry
from trainwright.core.errors import CannotExport
from trainwright.core.packages import needs_package
from trainwright.data.onnx_features import add_features, column_inputs
from trainwright.data.onnx_graph import Graph
from trainwright.engines.contract import EntersGraph
from trainwright.fit.formats.contract import DOUBLE, FLOAT, Delivered, ExportInput, Written, matrix_input

if TYPE_CHECKING:
    import numpy as np

SUMMARY = "One ONNX graph, features included where they can be; runs wherever ONNX Runtime does"
SAFE = True
EXTRA = "onnx"

_FILE = "model.onnx"
_OUTPUTS = ("prediction", "label")


def engines() -> tuple[str, ...]:
    """Those that can add their model to a graph."""
    return tuple(name for name in registry.names("engines") if isinstance(registry.load("engines", name), EntersGraph))


def write(model: Delivered, folder: Path) -> Written:
    """Write ``model.onnx``.

    Raises:
        CannotExport: the model has no equal in ONNX.
        ResourceMissing: onnx or onnxruntime is missing.
    """
    with needs_package("onnxruntime", EXTRA):
        import onnxruntime  # noqa: F401 - the runtime of the proof: better told before the work than after
    engine = registry.load("engines", model.engine)
    if not isinstance(engine, EntersGraph):
        raise CannotExport(f"models of the engine {model.engine} cannot be written as ONNX")
    graph = Graph()
    inputs, matrices, notes = _add_inputs(graph, model)
    added = [
        engine.add_to_graph(one.model, graph, X, trust_code=model.holds_code)
        for one, X in zip(model.members, matrices, strict=True)
    ]
    _add_outputs(graph, [one.output for one in added], model.classes)
    proto = graph.finish(name="trainwright", about={"engine": model.engine, "task": model.task})
    (folder / _FILE).write_bytes(proto.SerializeToString(deterministic=True))
    inside = inputs[0].kind != "matrix"
    return Written(
        file=_FILE,
        inputs=inputs,
        features="inside" if inside else "beside",
        tolerance=FLOAT if any(one.precision == "float32" for one in added) else DOUBLE,
        runtime=("onnxruntime",),
        notes=notes,
    )


def _add_inputs(graph: Graph, model: Delivered) -> tuple[tuple[ExportInput, ...], list[str], tuple[str, ...]]:
    """The inputs of the graph, and the matrix of each member."""
    try:
        planned = [column_inputs(one.features, _OUTPUTS) for one in model.members]
        columns = {column.column: column for found in planned for column in found}
        trial = Graph()  # a refusal half-way must leave nothing in the graph
        for one in model.members:
            add_features(trial, one.features, tuple(columns.values()))
    except CannotExport as reason:
        return _matrix_inputs(graph, model, reason)
    for column in columns.values():
        graph.input(column.name, _dtypes()[column.kind], [1])
    matrices = [add_features(graph, one.features, tuple(columns.values())) for one in model.members]
    inputs = tuple(ExportInput(name=c.name, kind=c.kind, column=c.column) for c in columns.values())
    return inputs, matrices, ()


def _matrix_inputs(
    graph: Graph, model: Delivered, reason: CannotExport
) -> tuple[tuple[ExportInput, ...], list[str], tuple[str, ...]]:
    import numpy as np

    inputs = tuple(matrix_input(number, one.rows) for number, one in enumerate(model.members))
    matrices = [graph.input(one.name, np.dtype(one.dtype), one.shape) for one in inputs]
    return inputs, matrices, (f"the graph takes the output of the features, which lie beside it: {reason.message}",)


def _add_outputs(graph: Graph, outputs: list[str], classes: tuple[str, ...]) -> None:
    import numpy as np

    mean = outputs[0]
    if len(outputs) > 1:
        mean = graph.add("Div", graph.add("Sum", *outputs), graph.constant(np.array(float(len(outputs)))))
    graph.output(mean, "prediction", np.dtype("float64"), [len(classes)] if classes else [])
    if classes:
        best = graph.add("ArgMax", mean, attributes={"axis": 1, "keepdims": 0})
        label = graph.add("Gather", graph.constant(np.array(classes, dtype=object)), best)
        graph.output(label, "label", np.dtype(object), [])


def _dtypes() -> "dict[str, np.dtype]":
    import numpy as np

    return {"number": np.dtype("float64"), "text": np.dtype(object), "moment": np.dtype("int64")}
