"""A LightGBM model as part of an ONNX graph, read from its text file (format of LightGBM 4, `src/io/tree.cpp`)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import ArtifactRefused, CannotExport
from trainwright.engines._graphs import links
from trainwright.engines._graphs.trees import LEQ, MEMBER, Tree, add_trees

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.onnx_graph import Graph

_CATEGORICAL, _DEFAULT_LEFT = 1, 2  # bits of a node's decision type (include/LightGBM/tree.h)
_MISSING_NONE, _MISSING_ZERO = 0, 1  # the two bits above them
_EXPONENTIAL = ("poisson", "gamma", "tweedie")
_PLAIN = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")


def add_to_graph(file: Path, graph: "Graph", X: str) -> str:
    """Add the model in a text file; gives the name of its predictions.

    Raises:
        CannotExport: linear trees, zeros as missing values, or an objective with another link.
    """
    header, trees = _read(file)
    per_round = int(header["num_tree_per_iteration"])
    raw = add_trees(graph, X, [_tree(t, i % per_round) for i, t in enumerate(trees)], targets=per_round)
    if "average_output" in header:
        raw = links.add_offset(graph, raw, 0.0, per_round / max(1, len(trees)))
    return _linked(graph, raw, header.get("objective", "regression"))


def _read(file: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The header and every tree, as texts by key."""
    try:
        blocks = file.read_text(encoding="utf-8").split("\nend of trees")[0].split("\nTree=")
        header = dict(_pairs(blocks[0]))
        trees = [dict(_pairs(block)) for block in blocks[1:]]
        int(header["num_tree_per_iteration"])
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactRefused(f"{file} cannot be read as a LightGBM model: {error}") from error
    return header, trees


def _pairs(block: str) -> Iterator[tuple[str, str]]:
    for line in block.splitlines():
        key, _, value = line.partition("=")
        yield key, value


def _tree(text: Mapping[str, str], target: int) -> Tree:
    import numpy as np

    if text.get("is_linear", "0") != "0":
        raise CannotExport("linear trees (linear_tree: true) have no equal in ONNX; take native, or train without")
    leaves = _numbers(text["leaf_value"])
    if int(text["num_leaves"]) < 2:
        return Tree(features=[], modes=[], splits=[], yes=[], no=[], missing_yes=[], leaves=leaves, target=target)
    decisions = _numbers(text["decision_type"]).astype(int)
    thresholds = _numbers(text["threshold"])
    is_set = (decisions & _CATEGORICAL).astype(bool)
    missing = decisions >> 2 & 3
    if ((missing == _MISSING_ZERO) & ~is_set).any():
        raise CannotExport("zeros as missing values (zero_as_missing) have no equal in ONNX; take native")
    # Where training saw nothing missing, a missing value counts as 0; in a set it is never (`Tree::Decision`).
    goes_left = np.where(missing == _MISSING_NONE, thresholds >= 0.0, (decisions & _DEFAULT_LEFT).astype(bool))
    return Tree(
        features=_numbers(text["split_feature"]).astype(int).tolist(),
        modes=np.where(is_set, MEMBER, LEQ).tolist(),
        splits=np.where(is_set, 0.0, thresholds).tolist(),
        yes=_numbers(text["left_child"]).astype(int).tolist(),
        no=_numbers(text["right_child"]).astype(int).tolist(),
        missing_yes=(goes_left & ~is_set).tolist(),
        members=[_set(text, int(number)) for number in thresholds[is_set]],
        leaves=leaves,
        target=target,
    )


def _set(text: Mapping[str, str], number: int) -> list[float]:
    """The categories of a split: a bit each, in words of 32."""
    bounds = _numbers(text["cat_boundaries"]).astype(int)
    words = text["cat_threshold"].split()[bounds[number] : bounds[number + 1]]
    return [float(at * 32 + bit) for at, word in enumerate(words) for bit in range(32) if int(word) >> bit & 1]


def _numbers(text: str) -> "np.ndarray":
    import numpy as np

    return np.array([float(word) for word in text.split()])


def _linked(graph: "Graph", raw: str, objective: str) -> str:
    """LightGBM's own `ConvertOutput`, by objective."""
    name, *options = objective.split()
    given = dict(option.split(":") for option in options if ":" in option)
    slope = float(given.get("sigmoid", 1.0))
    if name == "binary":
        return links.add_two_columns(graph, links.add_sigmoid(graph, raw, slope))
    if name == "multiclass":
        return links.add_softmax(graph, raw)
    if name == "multiclassova":
        return links.add_sigmoid(graph, raw, slope)
    if name in _EXPONENTIAL:
        return links.add_values(graph, graph.add("Exp", raw))
    if name in _PLAIN:
        if "sqrt" in options:  # the target's root was learnt
            raw = graph.add("Mul", raw, graph.add("Abs", raw))
        return links.add_values(graph, raw)
    raise CannotExport(f"the link of LightGBM's objective {name} is not known here; take native")
