"""CatBoost's category statistics in an ONNX graph.

CatBoost hashes categories, and combinations of them with questions about numbers, and looks up how often each was seen
with each target (`catboost/libs/model/ctr_provider.h`, `model_ctr` in its JSON). The graph does the same: hashes are
64-bit products that wrap around, tables hold what was seen, and what was never seen has a value of its own. Each
statistic then is one more column that trees ask about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainwright.core.errors import CannotExport

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.onnx_graph import Graph

_MAGIC = 0x4906BA494954CB65  # MAGIC_MULT in catboost/libs/helpers/hash.h
_MEANS = ("BinarizedTargetMeanValue", "FloatTargetMeanValue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where a graph has what CatBoost asks about: ``numbers`` and ``codes`` name (rows, 1) float32 values by index."""

    numbers: Sequence[str]
    codes: Sequence[str]
    missing_true: Mapping[int, bool]


def add_statistics(graph: "Graph", document: Mapping[str, Any], columns: Columns) -> tuple[list[str], list[str]]:
    """Add the hashes of all category columns and every statistic of the model: names of (rows, 1) double columns.

    Raises:
        CannotExport: a kind of statistic that is not known here.
    """
    import numpy as np

    info = document["features_info"]
    hashes = [_hashed(graph, code, info["cat_features_hash"]) for code in columns.codes]
    keys: dict[str, str] = {}
    found = []
    for one in info.get("ctrs", []):
        stored = document["ctr_data"][one["identifier"]]
        if one["identifier"] not in keys:
            key = _projected(graph, one["elements"], columns, hashes)
            keys[one["identifier"]] = _looked_up(graph, key, stored)
        values = graph.constant(_values(one, stored))
        found.append(graph.cast(graph.add("Gather", values, keys[one["identifier"]]), np.float64))
    return [graph.cast(name, np.float64) for name in hashes], found


def as_signed(value: int, bits: int = 64) -> int:
    """A hash as the signed whole number of that width."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _hashed(graph: "Graph", codes: str, known: Sequence[Mapping[str, Any]]) -> str:
    """The hash of each category's text as int64, sign extended from 32 bits as CatBoost does; -1 is the empty text."""
    import numpy as np

    by_text = {str(one["value"]): as_signed(int(one["hash"]), 32) for one in known}
    texts = ["", *(str(i) for i in range(len(by_text) - 1))]
    table = graph.constant(np.array([by_text[text] for text in texts], dtype=np.int64))
    places = graph.add("Add", graph.cast(codes, np.int64), graph.constant(np.array(1)))
    return graph.add("Gather", table, places)


def _projected(graph: "Graph", elements: Sequence[Mapping[str, Any]], columns: Columns, hashes: Sequence[str]) -> str:
    """The hash of a combination, int64."""
    import numpy as np

    result = graph.add("Mul", hashes[0] if hashes else columns.numbers[0], graph.constant(np.array(0)))
    for one in elements:
        kind = one["combination_element"]
        if kind == "cat_feature_value":
            part = hashes[one["cat_feature_index"]]
        elif kind == "float_feature":
            number = columns.numbers[one["float_feature_index"]]
            border = graph.constant(np.array(one["border"], dtype=np.float32))
            above = graph.add("Greater", number, border)
            if columns.missing_true[one["float_feature_index"]]:
                above = graph.add("Or", above, graph.add("IsNaN", number))
            part = graph.cast(above, np.int64)
        elif kind == "cat_feature_exact_value":
            value = graph.constant(np.array(as_signed(int(one["value"]), 32)))
            part = graph.cast(graph.add("Equal", hashes[one["cat_feature_index"]], value), np.int64)
        else:
            raise CannotExport(f"CatBoost's combination with {kind} is not known here. Take native or booster")
        magic = graph.constant(np.array(as_signed(_MAGIC)))
        total = graph.add("Add", result, graph.add("Mul", magic, part))
        result = graph.add("Mul", magic, total)
    return result


def _looked_up(graph: "Graph", key: str, stored: Mapping[str, Any]) -> str:
    """The position of each hash in the stored table, -1 where it was never seen."""
    rows = _rows(stored)
    return graph.add_ml(
        "LabelEncoder",
        key,
        attributes={
            "keys_int64s": [as_signed(int(row[0])) for row in rows],
            "values_int64s": list(range(len(rows))),
            "default_int64": -1,
        },
    )


def _rows(stored: Mapping[str, Any]) -> list[list[Any]]:
    stride, flat = int(stored["hash_stride"]), stored["hash_map"]
    return [flat[i : i + stride] for i in range(0, len(flat), stride)]


def _values(one: Mapping[str, Any], stored: Mapping[str, Any]) -> "np.ndarray":
    """The statistic of every stored hash, and behind them that of one never seen, in CatBoost's float32 steps."""
    import numpy as np

    kind, border = str(one["ctr_type"]), int(one["target_border_idx"])
    counts = np.array([[float(c) for c in row[1:]] for row in _rows(stored)], dtype=np.float32)
    never = np.float32(0)
    if kind in ("Counter", "FeatureFreq"):
        never = np.float32(stored["counter_denominator"])
        good, total = counts[:, 0], np.full(len(counts), never, dtype=np.float32)
    elif kind in _MEANS:
        good, total = counts[:, 0], counts[:, 1]
    elif kind in ("Borders", "Buckets"):
        good = counts[:, border + 1 :].sum(axis=1) if kind == "Borders" else counts[:, border]
        total = counts.sum(axis=1)
    else:
        raise CannotExport(f"CatBoost's statistic {kind} is not known here. Take native or booster")
    good, total = np.append(good, np.float32(0)), np.append(total, never)
    share = (good + np.float32(one["prior_numerator"])) / (total + np.float32(one["prior_denomerator"]))
    return (share + np.float32(one["shift"])) * np.float32(one["scale"])


def split_columns(document: Mapping[str, Any]) -> list[tuple[int, float]]:
    """For every question about a statistic, in CatBoost's numbering of questions: the statistic and its border."""
    return [
        (number, float(border))
        for number, one in enumerate(document["features_info"].get("ctrs", []))
        for border in one["borders"]
    ]
