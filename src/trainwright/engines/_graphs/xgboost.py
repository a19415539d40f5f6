"""An XGBoost model as part of an ONNX graph, read from the library's JSON (doc/model.schema of XGBoost 3)."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainwright.core.errors import CannotExport
from trainwright.engines._graphs import links
from trainwright.engines._graphs.trees import LESS, MEMBER, Tree, add_trees

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.onnx_graph import Graph

_LOGISTIC = ("binary:logistic", "reg:logistic")
_EXPONENTIAL = ("count:poisson", "reg:gamma", "reg:tweedie")
_PLAIN = ("reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror")


def add_to_graph(document: str, graph: "Graph", X: str, *, sparse: bool) -> str:
    """Add the model in the library's JSON; gives the name of its predictions.

    ``sparse``: trained on sparse rows, in which a zero is a missing value.

    Raises:
        CannotExport: linear boosters, trees of vectors, or an objective with another link.
    """
    import numpy as np

    learner = json.loads(document)["learner"]
    narrow = graph.cast(X, np.float32)  # the library's own type of rows
    if sparse:
        zero = graph.add("Equal", narrow, graph.constant(np.array(0, dtype=np.float32)))
        narrow = graph.add("Where", zero, graph.constant(np.array(np.nan, dtype=np.float32)), narrow)
    targets = max(1, int(learner["learner_model_param"]["num_class"]))
    raw = add_trees(graph, narrow, _trees(learner["gradient_booster"]), targets=targets)
    objective = str(learner["objective"]["name"])
    base = _base_margin(learner["learner_model_param"]["base_score"], objective, targets)
    return _linked(graph, links.add_offset(graph, raw, base), objective)


def _trees(booster: Mapping[str, Any]) -> list[Tree]:
    weights: Sequence[float] | None = None
    if booster["name"] == "dart":
        weights, booster = booster["weight_drop"], booster["gbtree"]
    elif booster["name"] != "gbtree":
        raise CannotExport(f"XGBoost's booster {booster['name']} has no equal here; take native")
    model = booster["model"]
    return [
        _tree(tree, int(target), 1.0 if weights is None else float(weights[i]))
        for i, (tree, target) in enumerate(zip(model["trees"], model["tree_info"], strict=True))
    ]


def _tree(tree: Mapping[str, Any], target: int, weight: float) -> Tree:
    import numpy as np

    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        raise CannotExport("trees of vectors (multi_output_tree) have no equal here; take native")
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    values = np.array(tree["split_conditions"], dtype=np.float32)
    is_leaf = left == -1
    nodes, leaves = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
    place = np.empty(len(left), dtype=np.int64)
    place[nodes], place[leaves] = np.arange(len(nodes)), -1 - np.arange(len(leaves))
    columns = np.array(tree["split_indices"])[nodes]
    is_set = np.array(tree["split_type"])[nodes] == 1
    default_left = np.array(tree["default_left"], dtype=bool)[nodes]
    yes, no = place[left[nodes]], place[right[nodes]]
    chosen = _sets(tree)
    # A row whose category is in the set goes right (`common::Decision`): the set is asked first, so the sides change.
    return Tree(
        features=columns.tolist(),
        modes=np.where(is_set, MEMBER, LESS).tolist(),
        splits=np.where(is_set, 0.0, values[nodes]).tolist(),
        yes=np.where(is_set, no, yes).tolist(),
        no=np.where(is_set, yes, no).tolist(),
        missing_yes=(default_left != is_set).tolist(),
        members=[chosen[int(n)] for n in nodes[is_set]],
        leaves=values[leaves].astype(np.float64) * weight,
        target=target,
    )


def _sets(tree: Mapping[str, Any]) -> dict[int, list[float]]:
    """The categories that lead to the right, by node."""
    found = {}
    for node, start, size in zip(
        tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True
    ):
        found[int(node)] = [float(c) for c in tree["categories"][start : start + size]]
    return found


def _base_margin(text: str, objective: str, targets: int) -> "np.ndarray":
    """The score that trees add to: stored as a prediction, one for all targets or one each."""
    import numpy as np

    given = np.array(json.loads(text), dtype=np.float32).reshape(-1).astype(np.float64)
    if objective in _LOGISTIC:
        given = -np.log(1.0 / given - 1.0)
    elif objective in _EXPONENTIAL:
        given = np.log(given)
    return np.broadcast_to(given, (targets,)).copy()


def _linked(graph: "Graph", raw: str, objective: str) -> str:
    """The library's `PredTransform`, by objective."""
    if objective in _LOGISTIC:
        positive = links.add_sigmoid(graph, raw)
        return (
            links.add_two_columns(graph, positive)
            if objective.startswith("binary")
            else links.add_values(graph, positive)
        )
    if objective == "multi:softprob":
        return links.add_softmax(graph, raw)
    if objective in _EXPONENTIAL:
        return links.add_values(graph, graph.add("Exp", raw))
    if objective in _PLAIN:
        return links.add_values(graph, raw)
    raise CannotExport(f"the link of XGBoost's objective {objective} is not known here; take native")
