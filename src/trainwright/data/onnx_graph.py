"""An ONNX graph under construction: features, models and links each add their part to one.

Written by hand where exactness asks for it: converters decide silently what a missing value or an unseen category
becomes. Rows are the first dimension everywhere, and their number is free.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from trainwright.core.packages import needs_package

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Attribute: TypeAlias = int | float | str | Sequence[int] | Sequence[float] | Sequence[str] | onnx.TensorProto

OPSET = 20
"""Of the standard operators: the first in which `Equal` takes text and `torch.onnx` writes without conversion."""

ML_OPSET = 5
"""Of ``ai.onnx.ml``: the first with `TreeEnsemble`, whose thresholds may be double and sets of categories."""

_IR = 10
_ML = "ai.onnx.ml"
_CONTRIBUTED = "com.microsoft"


class Graph:
    """A graph that grows; names are given by it. Constants are kept once."""

    def __init__(self) -> None:
        with needs_package("onnx", "onnx"):
            import onnx
        self._onnx = onnx
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._by_content: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._inputs: dict[str, onnx.ValueInfoProto] = {}
        self._outputs: list[onnx.ValueInfoProto] = []
        self._domains = {"": OPSET, _ML: ML_OPSET}
        self._count = 0

    def add(
        self,
        operator: str,
        *inputs: str,
        domain: str = "",
        attributes: "Mapping[str, Attribute] | None" = None,
    ) -> str:
        """Add one node with one output; gives the output's name. ``attributes`` are the operator's own, by name."""
        name = self._fresh(operator)
        self._nodes.append(
            self._onnx.helper.make_node(operator, inputs, [name], domain=domain, name=name, **(attributes or {}))
        )
        if domain == _CONTRIBUTED:
            self._domains[domain] = 1
        return name

    def add_two(
        self, operator: str, *inputs: str, attributes: "Mapping[str, Attribute] | None" = None
    ) -> tuple[str, str]:
        """Add one node with two outputs."""
        first, second = self._fresh(operator), self._fresh(operator)
        node = self._onnx.helper.make_node(operator, inputs, [first, second], name=first, **(attributes or {}))
        self._nodes.append(node)
        return first, second

    def add_ml(self, operator: str, *inputs: str, attributes: "Mapping[str, Attribute] | None" = None) -> str:
        """Add one node of the domain ``ai.onnx.ml``."""
        return self.add(operator, *inputs, domain=_ML, attributes=attributes)

    def constant(self, value: "np.ndarray") -> str:
        """The name of a constant of that value; text in object arrays."""
        import numpy as np

        content = repr(value.tolist()).encode() if value.dtype == object else np.ascontiguousarray(value).tobytes()
        key = (str(value.dtype), value.shape, content)
        if key not in self._by_content:
            name = self._fresh("constant")
            self._constants[name] = self.tensor(value, name)
            self._by_content[key] = name
        return self._by_content[key]

    def tensor(self, value: "np.ndarray", name: str = "") -> "onnx.TensorProto":
        """A tensor, for attributes that take one."""
        tensor: onnx.TensorProto = self._onnx.numpy_helper.from_array(value, name)
        return tensor

    def input(self, name: str, dtype: "np.dtype", shape: Sequence[int]) -> str:
        """An input of the graph; ``shape`` below the rows."""
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(dtype)
        self._inputs[name] = self._onnx.helper.make_tensor_value_info(name, kind, ["rows", *shape])
        return name

    def cast(self, value: str, dtype: "np.dtype | type") -> str:
        """The value in another type."""
        import numpy as np

        kind = int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
        return self.add("Cast", value, attributes={"to": kind})

    def output(self, value: str, name: str, dtype: "np.dtype", shape: Sequence[int]) -> None:
        """Make a value an output of the graph under this name."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name], name=self._fresh("output")))
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(dtype)
        self._outputs.append(self._onnx.helper.make_tensor_value_info(name, kind, ["rows", *shape]))

    def absorb(self, model: "onnx.ModelProto", feeds: Mapping[str, str]) -> list[str]:
        """Take another graph in, ``feeds`` in the place of its inputs; gives the names of its outputs.

        Raises:
            ValueError: it needs another version of the standard operators, or has functions or subgraphs left.
        """
        for asked in model.opset_import:  # a later version of ai.onnx.ml is judged by the checker, operator by operator
            if self._domains.setdefault(asked.domain, asked.version) != asked.version and asked.domain == "":
                raise ValueError(f"standard operators of version {asked.version} are needed, here they are {OPSET}")
        if model.functions:
            raise ValueError(f"the function {model.functions[0].name} is not inlined")
        prefix = self._fresh("part")
        known = {**feeds, "": ""}
        for tensor in model.graph.initializer:
            kept = self._onnx.TensorProto()
            kept.CopyFrom(tensor)
            kept.name = known[tensor.name] = f"{prefix}/{tensor.name}"
            self._constants[kept.name] = kept
        for node in model.graph.node:
            if any(a.HasField("g") or a.graphs for a in node.attribute):
                raise ValueError(f"{node.op_type} holds a graph of its own")
            for name in node.output:
                known.setdefault(name, f"{prefix}/{name}")
            copied = self._onnx.NodeProto()
            copied.CopyFrom(node)
            copied.name = f"{prefix}/{node.name}"
            copied.input[:] = [known[name] for name in node.input]
            copied.output[:] = [known[name] for name in node.output]
            self._nodes.append(copied)
        return [known[value.name] for value in model.graph.output]

    def finish(self, *, name: str, about: Mapping[str, str]) -> "onnx.ModelProto":
        """The model, checked; ``about`` is kept in its metadata.

        Raises:
            ValueError: it is not valid ONNX.
        """
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes, name, list(self._inputs.values()), self._outputs, list(self._constants.values())
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in self._domains.items()]
        model: onnx.ModelProto = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR, producer_name="trainwright"
        )
        helper.set_model_props(model, dict(about))
        try:
            self._onnx.checker.check_model(model)
        except self._onnx.checker.ValidationError as error:
            raise ValueError(str(error)) from error
        return model

    def _fresh(self, kind: str) -> str:
        self._count += 1
        return f"{kind}/{self._count}"
