"""Fitted features as part of an ONNX graph: from the canonical columns of a row to the matrix that a model takes.

Every step repeats what scikit-learn does, in the same type and order, so that the matrix is equal bit for bit (word
counts: within rounding); no converter is asked. One input a column, shape (rows, 1):

- numbers: float64, NaN where missing (infinities count as missing);
- categories, two-word columns and texts: text, the empty text where missing;
- points in time: int64 microseconds since 1970, the least int64 where missing (NumPy's NaT).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from trainwright.core.errors import CannotExport
from trainwright.data.inputs import MISSING, Input, Inputs
from trainwright.data.transformers import levels

if TYPE_CHECKING:
    import numpy as np
    from sklearn.base import TransformerMixin

    from trainwright.data.features import Features, TableFeatures
    from trainwright.data.onnx_graph import Graph

ColumnKind: TypeAlias = Literal["number", "text", "moment"]
_KINDS: dict[str, ColumnKind] = {
    "number": "number",
    "flag": "text",
    "category": "text",
    "moment": "moment",
    "text": "text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnInput:
    """A column that a graph takes: its name in the table, the name of the graph's input, and what it holds."""

    column: str
    name: str
    kind: ColumnKind


def column_inputs(features: "Features", taken: Sequence[str] = ()) -> tuple[ColumnInput, ...]:
    """The columns that the graph of these features takes; ``taken`` are names that an input must not have.

    Raises:
        CannotExport: the features cannot be part of a graph; says which column or step stands in the way.
    """
    inputs = _inputs(features)
    found = []
    names = set(taken)
    for one in inputs.columns:
        if one.use not in _KINDS:
            raise CannotExport(f"the column {one.column!r} ({one.use}) has no equal in ONNX")
        name = one.column or "column"
        while name in names or "/" in name:
            name = f"{name.replace('/', '_')}_"
        names.add(name)
        found.append(ColumnInput(column=one.column, name=name, kind=_KINDS[one.use]))
    return tuple(found)


def add_features(graph: "Graph", features: "Features", columns: Sequence[ColumnInput]) -> str:
    """Add the features; ``columns`` are inputs that the graph has already. Gives the name of the matrix.

    Raises:
        CannotExport: a step of the features is none of those this module repeats.
    """
    inputs = _inputs(features)
    names = {one.column: one.name for one in columns}
    part = _Part(graph, inputs, names)
    blocks: list[str] = []
    table: TableFeatures = features  # type: ignore[assignment]  # `_inputs` refused every other kind
    for name, step, _ in table.transformer.transformers_:
        if name == "numbers":
            blocks.append(part.numbers(step))
        elif name == "flags":
            blocks.append(part.flags(step, table.style == "native"))
        elif name == "categories":
            blocks += part.categories(one_hot=table.style not in ("native", "ordinal"), native=table.style == "native")
        elif name.startswith("text "):
            blocks.append(part.text(name.removeprefix("text "), step))
        elif name != "remainder":
            raise CannotExport(f"the step {name!r} of the features has no equal in ONNX")
    matrix = blocks[0] if len(blocks) == 1 else graph.add("Concat", *blocks, attributes={"axis": 1})
    return graph.cast(matrix, part.dtype)


def _inputs(features: "Features") -> Inputs:
    from trainwright.data.features import TableFeatures

    if not isinstance(features, TableFeatures):
        raise CannotExport(f"features of the style {features.style} are computed outside a graph")
    if features.inputs is None:
        raise CannotExport("a feature pipeline of your own is computed outside a graph")
    return features.inputs


class _Part:
    """The features of one model in a graph."""

    def __init__(self, graph: "Graph", inputs: Inputs, names: dict[str, str]) -> None:
        import numpy as np

        self.graph, self.inputs, self.names = graph, inputs, names
        self.dtype = np.dtype(inputs.dtype)

    def numbers(self, step: "TransformerMixin | str") -> str:
        """Numbers, parts of dates and indicators of missing values, as the fitted step leaves them."""
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import Pipeline

        values = self._raw_numbers()
        if step == "passthrough" or type(step).__name__ == "FunctionTransformer":
            return values
        for one in [part for _, part in step.steps] if isinstance(step, Pipeline) else [step]:
            if isinstance(one, SimpleImputer):
                values = self._filled(values, one.statistics_)
            else:
                values = self._scaled(values, one)
        return values

    def flags(self, step: "TransformerMixin", native: bool) -> str:
        """Two words to 0 and 1; what is neither: NaN, or the commoner one."""
        import numpy as np
        from sklearn.pipeline import Pipeline

        codes = [self._codes(one, one.categories, self.dtype) for one in self.inputs.of("flag")]
        joined = self._joined(codes)
        unknown = self.graph.add("Less", joined, self._value(0.0))
        if native:
            return self.graph.add("Where", unknown, self._value(np.nan), joined)
        assert isinstance(step, Pipeline)
        usual = np.asarray(step[-1].statistics_, dtype=self.dtype)[None]
        return self.graph.add("Where", unknown, self.graph.constant(usual), joined)

    def categories(self, *, one_hot: bool, native: bool) -> list[str]:
        """Codes, or a column of 0 and 1 a level."""
        import numpy as np

        levelled = [one for one in self.inputs.of("category") if one.categories]
        if one_hot:
            return [self._one_hot(one) for one in levelled]
        codes = self._joined([self._codes(one, one.categories, np.dtype("float32")) for one in levelled])
        if native:
            unknown = self.graph.add("Less", codes, self.graph.constant(np.array(0, dtype="float32")))
            codes = self.graph.add("Where", unknown, self.graph.constant(np.array(np.nan, dtype="float32")), codes)
        return [self.graph.cast(codes, self.dtype)]

    def text(self, column: str, step: "TransformerMixin") -> str:
        """Word counts, or what they are reduced to."""
        from trainwright.data.onnx_text import add_text

        return self.graph.cast(add_text(self.graph, self.names[column], step), self.dtype)

    def _raw_numbers(self) -> str:
        """In the order of `Inputs.numbers`, in the features' type; infinities missing."""
        import numpy as np

        found: list[str] = []
        for one in self.inputs.columns:
            if one.use == "number":
                found.append(self.graph.cast(self._finite(one), self.dtype))
            elif one.use == "moment":
                found += [self.graph.cast(part, self.dtype) for part in self._moment_parts(one)]
        found += [self.graph.cast(self._is_missing(one), self.dtype) for one in self.inputs.columns if one.indicator]
        assert np.dtype(self.dtype).kind == "f"
        return self._joined(found)

    def _finite(self, one: Input) -> str:
        import numpy as np

        given = self.names[one.column]
        endless = self.graph.add("IsInf", given)
        return self.graph.add("Where", endless, self.graph.constant(np.array(np.nan)), given)

    def _is_missing(self, one: Input) -> str:
        import numpy as np

        given = self.names[one.column]
        if one.use == "number":
            return self.graph.add("IsNaN", self._finite(one))
        if one.use == "moment":
            return self.graph.add("Equal", given, self.graph.constant(np.array(np.iinfo("int64").min)))
        return self.graph.add("Equal", given, self.graph.constant(np.array([MISSING], dtype=object)))

    def _moment_parts(self, one: Input) -> list[str]:
        from trainwright.data.onnx_moments import add_moment_parts

        parts = add_moment_parts(self.graph, self.names[one.column], one.parts)
        return [parts[part] for part in one.parts]

    def _filled(self, values: str, statistics: "np.ndarray") -> str:
        """A constant a column in the place of what is missing."""
        import numpy as np

        constant = self.graph.constant(np.asarray(statistics, dtype=self.dtype)[None])
        return self.graph.add("Where", self.graph.add("IsNaN", values), constant, values)

    def _scaled(self, values: str, step: "TransformerMixin") -> str:
        """As the two scalers do: the first in the type of its rows, the second in double precision, rounded twice."""
        import numpy as np
        from sklearn.preprocessing import MinMaxScaler, StandardScaler

        if isinstance(step, StandardScaler):
            for operator, statistic in (("Sub", step.mean_), ("Div", step.scale_)):
                if statistic is not None:
                    row = self.graph.constant(np.asarray(statistic, dtype=self.dtype)[None])
                    values = self.graph.add(operator, values, row)
            return values
        if isinstance(step, MinMaxScaler):
            for operator, statistic in (("Mul", step.scale_), ("Add", step.min_)):
                wide = self.graph.cast(values, np.float64)
                row = self.graph.constant(np.asarray(statistic, dtype="float64")[None])
                values = self.graph.cast(self.graph.add(operator, wide, row), self.dtype)
            low, high = step.feature_range
            below = self.graph.add("Less", values, self._value(low))  # Min and Max would drop what is missing
            values = self.graph.add("Where", below, self._value(low), values)
            above = self.graph.add("Greater", values, self._value(high))
            return self.graph.add("Where", above, self._value(high), values) if step.clip else values
        raise CannotExport(f"the step {type(step).__name__} of the features has no equal in ONNX")

    def _one_hot(self, one: Input) -> str:
        import numpy as np

        known = levels(one)
        codes = self._codes(one, known, np.dtype("float32"))
        numbers = self.graph.constant(np.arange(len(known), dtype="float32")[None])
        return self.graph.cast(self.graph.add("Equal", codes, numbers), self.dtype)

    def _codes(self, one: Input, known: Sequence[str], dtype: "np.dtype") -> str:
        """The position of each text among the known ones, -1 where it is none."""
        import numpy as np

        codes = self.graph.add_ml(
            "LabelEncoder",
            self.names[one.column],
            attributes={
                "keys_strings": list(known),
                "values_floats": [float(i) for i in range(len(known))],
                "default_float": -1.0,
            },
        )
        return codes if dtype == np.dtype("float32") else self.graph.cast(codes, dtype)

    def _joined(self, parts: list[str]) -> str:
        return parts[0] if len(parts) == 1 else self.graph.add("Concat", *parts, attributes={"axis": 1})

    def _value(self, value: float) -> str:
        import numpy as np

        return self.graph.constant(np.array(value, dtype=self.dtype))
