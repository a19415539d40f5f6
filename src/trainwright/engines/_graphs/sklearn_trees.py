"""Trees of scikit-learn as part of an ONNX graph: forests, single trees, and both gradient boostings."""

from typing import TYPE_CHECKING

from trainwright.core.errors import CannotExport
from trainwright.engines._graphs import links
from trainwright.engines._graphs.trees import LEQ, MEMBER, Tree, add_trees
from trainwright.engines.sklearn._estimators import Estimator

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.onnx_graph import Graph

_CODES = 255  # category codes are below it (HistGradientBoosting's max_bins)


def add_forest(graph: "Graph", X: str, estimator: Estimator) -> str:
    """Forests and single trees: the mean of what the leaves hold."""
    import numpy as np

    grown = getattr(estimator, "estimators_", [estimator])
    classify = hasattr(estimator, "classes_")
    trees = []
    for one in grown:
        held = one.tree_.value[:, 0, :]  # since scikit-learn 1.3 shares of classes, which sum to one
        trees.append(_plain_tree(one.tree_, held[:, 1] if classify and held.shape[1] == 2 else held))
    narrow = graph.cast(X, np.float32)  # trees compare float32 with their double thresholds
    return _mean(graph, narrow, trees, classify=classify)


def _mean(graph: "Graph", X: str, trees: list[Tree], *, classify: bool) -> str:
    if trees[0].leaves.ndim == 1:
        positive = links.add_offset(graph, add_trees(graph, X, trees, targets=1), 0.0, 1 / len(trees))
        return links.add_two_columns(graph, positive)
    targets = trees[0].leaves.shape[1]
    if not classify:
        trees = [_of_one_target(tree) for tree in trees]
    mean = links.add_offset(graph, add_trees(graph, X, trees, targets=targets), 0.0, 1 / len(trees))
    return mean if classify else links.add_values(graph, mean)


def _of_one_target(tree: Tree) -> Tree:
    import dataclasses

    return dataclasses.replace(tree, leaves=tree.leaves[:, 0])


def add_boosting(graph: "Graph", X: str, estimator: Estimator) -> str:
    """GradientBoosting: a constant to start from, and the sum of small trees.

    Raises:
        CannotExport: it starts from another estimator, or its loss has another link.
    """
    import numpy as np

    if estimator.init is not None and estimator.init != "zero":
        raise CannotExport("GradientBoosting that starts from another estimator has no equal here; take native")
    targets = estimator.estimators_.shape[1]
    trees = [
        _plain_tree(grown.tree_, grown.tree_.value[:, 0, 0] * estimator.learning_rate, target=target)
        for round_ in estimator.estimators_
        for target, grown in enumerate(round_)
    ]
    start = np.asarray(estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), dtype=np.float32)))
    narrow = graph.cast(X, np.float32)
    raw = links.add_offset(graph, add_trees(graph, narrow, trees, targets=targets), start.reshape(-1))
    if not hasattr(estimator, "classes_"):
        return links.add_values(graph, raw)
    if targets > 1:
        return links.add_softmax(graph, raw)
    slope = 2.0 if estimator.loss == "exponential" else 1.0
    return links.add_two_columns(graph, links.add_sigmoid(graph, raw, slope))


def add_hist_boosting(graph: "Graph", X: str, estimator: Estimator) -> str:
    """HistGradientBoosting, with its native categories and missing values.

    Raises:
        CannotExport: its loss has a link that is not known here.
    """
    import numpy as np

    order, known = _columns(estimator)
    trees = [
        _hist_tree(one, target, order, known) for round_ in estimator._predictors for target, one in enumerate(round_)
    ]
    targets = int(estimator.n_trees_per_iteration_)
    start = np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(-1)
    raw = links.add_offset(graph, add_trees(graph, X, trees, targets=targets), start)
    if hasattr(estimator, "classes_"):
        if targets > 1:
            return links.add_softmax(graph, raw)
        return links.add_two_columns(graph, links.add_sigmoid(graph, raw))
    if estimator.loss in ("poisson", "gamma"):
        return links.add_values(graph, graph.add("Exp", raw))
    if estimator.loss in ("squared_error", "absolute_error", "quantile"):
        return links.add_values(graph, raw)
    raise CannotExport(f"the link of the loss {estimator.loss} is not known here; take native")


def _plain_tree(tree: Estimator, values: "np.ndarray", target: int = 0) -> Tree:
    """``values``: what a row that ends in a node gets, by node, (nodes,) or (nodes, targets)."""
    import numpy as np

    is_leaf = tree.children_left == -1
    nodes, leaves = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
    place = _places(len(is_leaf), nodes, leaves)
    return Tree(
        features=tree.feature[nodes].tolist(),
        modes=[LEQ] * len(nodes),
        splits=tree.threshold[nodes].tolist(),
        yes=place[tree.children_left[nodes]].tolist(),
        no=place[tree.children_right[nodes]].tolist(),
        missing_yes=np.asarray(tree.missing_go_to_left)[nodes].astype(bool).tolist(),
        leaves=values[leaves],
        target=target,
    )


def _places(count: int, nodes: "np.ndarray", leaves: "np.ndarray") -> "np.ndarray":
    import numpy as np

    place = np.empty(count, dtype=np.int64)
    place[nodes], place[leaves] = np.arange(len(nodes)), -1 - np.arange(len(leaves))
    return place


def _columns(estimator: Estimator) -> "tuple[np.ndarray, dict[int, np.ndarray]]":
    """The column that each feature of a node means, and by column the codes that its categories were numbered from.

    The estimator puts category columns first and numbers the values that training rows hold.
    """
    import numpy as np

    marks = estimator.is_categorical_
    if marks is None:
        return np.arange(estimator.n_features_in_), {}
    columns = np.flatnonzero(marks)
    order = np.concatenate([columns, np.flatnonzero(~marks)])
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    return order, dict(zip(columns.tolist(), encoder.categories_, strict=True))


def _hist_tree(grown: Estimator, target: int, order: "np.ndarray", known: "dict[int, np.ndarray]") -> Tree:
    import numpy as np

    records = grown.nodes
    is_leaf = records["is_leaf"].astype(bool)
    nodes, leaves = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
    place = _places(len(records), nodes, leaves)
    inner = records[nodes]
    is_set = inner["is_categorical"].astype(bool)
    missing_left = inner["missing_go_to_left"].astype(bool)
    columns = order[inner["feature_idx"]]
    return Tree(
        features=columns.tolist(),
        modes=np.where(is_set, MEMBER, LEQ).tolist(),
        splits=np.where(is_set, 0.0, inner["num_threshold"]).tolist(),
        yes=place[inner["left"]].tolist(),
        no=place[inner["right"]].tolist(),
        missing_yes=missing_left.tolist(),
        members=[
            _set(grown.raw_left_cat_bitsets[node["bitset_idx"]], known[int(column)], left=bool(left))
            for node, column, left in zip(inner[is_set], columns[is_set], missing_left[is_set], strict=True)
        ],
        leaves=records["value"][leaves],
        target=target,
    )


def _set(words: "np.ndarray", known: "np.ndarray", *, left: bool) -> list[float]:
    """The codes that go left: those of the set, and with ``left`` those that training never saw, as missing ones do."""
    import numpy as np

    present = known[~np.isnan(known.astype(np.float64))]
    chosen = [float(code) for number, code in enumerate(present) if int(words[number // 32]) >> (number % 32) & 1]
    return [*chosen, *(float(c) for c in range(_CODES) if left and c not in present)]
