"""A CatBoost model as part of an ONNX graph, read from the library's JSON."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.core.errors import CannotExport
from trainwright.engines._graphs import links
from trainwright.engines._graphs.catboost_categories import Columns, add_statistics, as_signed, split_columns
from trainwright.engines._graphs.trees import EQUAL, GREATER, Tree, add_trees
from trainwright.engines._native_files import ModelFile

if TYPE_CHECKING:
    import catboost
    import numpy as np

    from trainwright.data.onnx_graph import Graph


def add_to_graph(model: "catboost.CatBoost", every_code: object, meta: ModelFile, graph: "Graph", X: str) -> str:
    """Add a model; gives the name of its predictions. ``every_code``: a pool in which each category column has each of
    its codes, and none: CatBoost says the hashes of the categories of a pool.

    Raises:
        CannotExport: a question or a statistic that is not known here.
    """
    import numpy as np

    document = _document(model, every_code)
    matrix, questions = _columns(graph, X, document, meta)
    targets = meta.num_classes if meta.link == "softmax" else 1
    scale, bias = document["scale_and_bias"]
    raw = add_trees(graph, matrix, _trees(document, questions, targets), targets=targets)
    raw = links.add_offset(graph, raw, np.asarray(bias, dtype=np.float64).reshape(-1), float(scale))
    if meta.link == "softmax":
        return links.add_softmax(graph, raw)
    if meta.link == "sigmoid":
        return links.add_two_columns(graph, links.add_sigmoid(graph, raw))
    return links.add_values(graph, graph.add("Exp", raw) if meta.link == "exp" else raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Questions:
    """Where a split finds its column in the matrix: numbers, then hashes of categories, then statistics.

    ``missing_true``: by number, whether a missing value answers yes. ``first_statistic``: CatBoost's number of the
    first question about a statistic.
    """

    num_numbers: int
    num_categories: int
    missing_true: Mapping[int, bool]
    first_statistic: int
    statistics: list[tuple[int, float]]

    def of(self, split: Mapping[str, Any]) -> tuple[int, int, float, bool]:
        """Column, mode, value, and what a missing value answers."""
        kind = split["split_type"]
        if kind == "FloatFeature":
            number = int(split["float_feature_index"])
            return number, GREATER, float(split["border"]), self.missing_true[number]
        if kind == "OneHotFeature":
            column = self.num_numbers + int(split["cat_feature_index"])
            return column, EQUAL, float(as_signed(int(split["value"]), 32)), False
        if kind == "OnlineCtr":
            number, border = self.statistics[int(split["split_index"]) - self.first_statistic]
            if border == float(split["border"]):
                return self.num_numbers + self.num_categories + number, GREATER, border, False
        raise CannotExport(f"CatBoost's question {kind} is not known here. Take native or booster")


def _columns(graph: "Graph", X: str, document: Mapping[str, Any], meta: ModelFile) -> tuple[str, _Questions]:
    """The matrix that trees ask about, and where each question finds its column."""
    import numpy as np

    narrow = graph.cast(X, np.float32)  # the library's own type of rows
    floats = document["features_info"].get("float_features", [])
    one_hot = [f.get("values", []) for f in document["features_info"].get("categorical_features", [])]
    marked = set(meta.categorical)
    numeric = [i for i in range(meta.features) if i not in marked]
    questions = _Questions(
        num_numbers=len(numeric),
        num_categories=len(meta.categorical),
        missing_true={int(f["feature_index"]): f["nan_value_treatment"] == "AsTrue" for f in floats},
        first_statistic=sum(len(f["borders"] or []) for f in floats) + sum(map(len, one_hot)),
        statistics=split_columns(document),
    )
    if not meta.categorical:
        return narrow, questions
    codes = [_column(graph, narrow, i) for i in meta.categorical]
    none = graph.constant(np.array(-1, dtype=np.float32))
    codes = [graph.add("Where", graph.add("IsNaN", code), none, code) for code in codes]
    numbers = [_column(graph, narrow, i) for i in numeric]
    known = Columns(numbers=numbers, codes=codes, missing_true=questions.missing_true)
    hashes, statistics = add_statistics(graph, document, known)
    wide = [graph.cast(number, np.float64) for number in numbers]
    return graph.add("Concat", *wide, *hashes, *statistics, attributes={"axis": 1}), questions


def _column(graph: "Graph", X: str, at: int) -> str:
    import numpy as np

    return graph.add("Gather", X, graph.constant(np.array([at])), attributes={"axis": 1})


def _document(model: "catboost.CatBoost", every_code: object) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="trainwright-catboost-") as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json", pool=every_code)
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return document


def _trees(document: Mapping[str, Any], questions: _Questions, targets: int) -> list[Tree]:
    if "oblivious_trees" in document:
        return [_symmetric(tree, questions, targets) for tree in document["oblivious_trees"]]
    return [_free(tree, questions, targets) for tree in document["trees"]]


class _Growing:
    """The nodes of a tree while it is written down."""

    def __init__(self) -> None:
        self.features: list[int] = []
        self.modes: list[int] = []
        self.splits: list[float] = []
        self.missing_yes: list[bool] = []
        self.yes: list[int] = []
        self.no: list[int] = []

    def ask(self, question: tuple[int, int, float, bool], *, yes: int = 0, no: int = 0) -> int:
        """Add a node; its number."""
        column, mode, value, missing = question
        self.features.append(column)
        self.modes.append(mode)
        self.splits.append(value)
        self.missing_yes.append(missing)
        self.yes.append(yes)
        self.no.append(no)
        return len(self.features) - 1

    def tree(self, leaves: "np.ndarray") -> Tree:
        """The tree with these leaves."""
        return Tree(
            features=self.features, modes=self.modes, splits=self.splits, yes=self.yes, no=self.no,
            missing_yes=self.missing_yes, leaves=leaves,
        )  # fmt: skip


def _symmetric(tree: Mapping[str, Any], questions: _Questions, targets: int) -> Tree:
    """One question a level: the first is the lowest bit of the leaf's number. Written out from the last level down."""
    splits = [questions.of(split) for split in tree["splits"] or []]
    depth, growing = len(splits), _Growing()
    for level in range(depth):
        below = 2 ** (level + 1) - 1
        for number in range(2**level):
            no, yes = (below + 2 * number + bit if level + 1 < depth else -1 - (2 * number + bit) for bit in (0, 1))
            growing.ask(splits[depth - 1 - level], yes=yes, no=no)
    return growing.tree(_leaves(tree["leaf_values"], targets))


def _free(tree: Mapping[str, Any], questions: _Questions, targets: int) -> Tree:
    """A tree of any shape (grow_policy Depthwise or Lossguide): nested nodes."""
    growing = _Growing()
    leaves: list[Any] = []
    waiting: list[tuple[Mapping[str, Any], int, list[int]]] = [(tree, 0, [])]
    while waiting:
        node, parent, branch = waiting.pop()
        if "split" not in node:
            place = -1 - len(leaves)
            leaves.append(node["value"])
        else:
            place = growing.ask(questions.of(node["split"]))
            waiting += [(node["left"], place, growing.no), (node["right"], place, growing.yes)]
        if branch:
            branch[parent] = place
    return growing.tree(_leaves([v for leaf in leaves for v in (leaf if isinstance(leaf, list) else [leaf])], targets))


def _leaves(values: list[float], targets: int) -> "np.ndarray":
    import numpy as np

    found = np.asarray(values, dtype=np.float64)
    return found if targets == 1 else found.reshape(-1, targets)
