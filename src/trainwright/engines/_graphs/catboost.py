"""A CatBoost model as part of an ONNX graph, read from the library's JSON."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.core.errors import CannotExport
from trainwright.engines._graphs import links
from trainwright.engines._graphs.trees import GREATER, Tree, add_trees
from trainwright.engines._native_files import ModelFile

if TYPE_CHECKING:
    import catboost
    import numpy as np

    from trainwright.data.onnx_graph import Graph


def add_to_graph(model: "catboost.CatBoost", meta: ModelFile, graph: "Graph", X: str) -> str:
    """Add a model; gives the name of its predictions.

    Raises:
        CannotExport: categories, which CatBoost turns into statistics of its own.
    """
    import numpy as np

    if meta.categorical:
        raise CannotExport(
            f"CatBoost turns the {len(meta.categorical)} category columns into statistics of its own, which have no "
            "equal in ONNX. Take native or booster, or train lightgbm or xgboost, whose categories have one"
        )
    document = _document(model)
    narrow = graph.cast(X, np.float32)  # the library's own type of rows
    targets = meta.num_classes if meta.link == "softmax" else 1
    scale, bias = document["scale_and_bias"]
    raw = add_trees(graph, narrow, _trees(document, targets), targets=targets)
    raw = links.add_offset(graph, raw, np.asarray(bias, dtype=np.float64).reshape(-1), float(scale))
    if meta.link == "softmax":
        return links.add_softmax(graph, raw)
    if meta.link == "sigmoid":
        return links.add_two_columns(graph, links.add_sigmoid(graph, raw))
    return links.add_values(graph, graph.add("Exp", raw) if meta.link == "exp" else raw)


def _document(model: "catboost.CatBoost") -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="trainwright-catboost-") as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return document


def _trees(document: Mapping[str, Any], targets: int) -> list[Tree]:
    missing = {f["feature_index"]: f["nan_value_treatment"] == "AsTrue" for f in _float_features(document)}
    columns = {f["feature_index"]: int(f["flat_feature_index"]) for f in _float_features(document)}
    if "oblivious_trees" in document:
        return [_symmetric(tree, columns, missing, targets) for tree in document["oblivious_trees"]]
    return [_free(tree, columns, missing, targets) for tree in document["trees"]]


def _float_features(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["features_info"].get("float_features", [])
    return found


def _symmetric(tree: Mapping[str, Any], columns: Mapping[int, int], missing: Mapping[int, bool], targets: int) -> Tree:
    """One question a level: the first is the lowest bit of the leaf's number. Written out from the last level down."""
    splits = list(tree["splits"] or [])
    depth = len(splits)
    features, modes, values, yes, no, missing_yes = [], [], [], [], [], []
    for level in range(depth):
        split = splits[depth - 1 - level]
        first, below = 2**level - 1, 2 ** (level + 1) - 1
        for number in range(2**level):
            features.append(columns[split["float_feature_index"]])
            modes.append(GREATER)
            values.append(float(split["border"]))
            missing_yes.append(missing[split["float_feature_index"]])
            children = [below + 2 * number + bit if level + 1 < depth else -1 - (2 * number + bit) for bit in (0, 1)]
            no.append(children[0])
            yes.append(children[1])
        assert len(features) == first + 2**level
    return Tree(
        features=features, modes=modes, splits=values, yes=yes, no=no, missing_yes=missing_yes,
        leaves=_leaves(tree["leaf_values"], targets),
    )  # fmt: skip


def _free(tree: Mapping[str, Any], columns: Mapping[int, int], missing: Mapping[int, bool], targets: int) -> Tree:
    """A tree of any shape (grow_policy Depthwise or Lossguide): nested nodes."""
    features: list[int] = []
    values: list[float] = []
    missing_yes: list[bool] = []
    yes: list[int] = []
    no: list[int] = []
    leaves: list[Any] = []
    waiting: list[tuple[Mapping[str, Any], int, list[int]]] = [(tree, 0, [])]
    while waiting:
        node, parent, branch = waiting.pop()
        if "split" not in node:
            place = -1 - len(leaves)
            leaves.append(node["value"])
        else:
            place = len(features)
            split = node["split"]
            features.append(columns[split["float_feature_index"]])
            values.append(float(split["border"]))
            missing_yes.append(missing[split["float_feature_index"]])
            yes.append(0)
            no.append(0)
            waiting += [(node["left"], place, no), (node["right"], place, yes)]
        if branch:
            branch[parent] = place
    flat = [v for leaf in leaves for v in (leaf if isinstance(leaf, list) else [leaf])]
    return Tree(
        features=features, modes=[GREATER] * len(features), splits=values, yes=yes, no=no, missing_yes=missing_yes,
        leaves=_leaves(flat, targets),
    )  # fmt: skip


def _leaves(values: list[float], targets: int) -> "np.ndarray":
    import numpy as np

    found = np.asarray(values, dtype=np.float64)
    return found if targets == 1 else found.reshape(-1, targets)
