"""Trees of any library as ONNX's `TreeEnsemble` (ai.onnx.ml 5), in double precision.

Why not the older operators that converters write: they keep thresholds and sums in float32, and know a set of
categories only as a chain of comparisons. In double precision every library's comparison is repeated exactly, and what
is left is the rounding of a library that adds its leaves up in float32 itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.onnx_graph import Graph

LEQ, LESS, GREATER, EQUAL, MEMBER = 0, 1, 3, 4, 6
"""The modes of a node that we use: what makes a row take the first branch (ai.onnx.ml 5, `nodes_modes`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One tree; the first node is its root, and a tree of one leaf has no nodes.

    ``features``, ``modes``, ``splits``, ``yes`` and ``no`` have one entry a node. ``yes`` and ``no`` are the nodes that
    follow; a leaf is ``-1 - its number``. ``missing_yes``: whether a missing value takes the first branch. ``members``:
    the sets of the nodes of mode `MEMBER`, in their order. ``leaves``: (leaves,), or (leaves, targets) where a leaf
    adds to every target. ``target``: what the leaves of one number add to.
    """

    features: Sequence[int]
    modes: Sequence[int]
    splits: Sequence[float]
    yes: Sequence[int]
    no: Sequence[int]
    missing_yes: Sequence[bool]
    leaves: "np.ndarray"
    target: int = 0
    members: Sequence[Sequence[float]] = field(default=())


def add_trees(graph: "Graph", X: str, trees: Sequence[Tree], *, targets: int) -> str:
    """The sum of the trees for each row: (rows, targets), float64. ``X`` is a matrix of any float type.

    A row goes through every tree once, also where a leaf adds to several targets: then the graph notes which leaf was
    reached in each tree, and adds up what these hold.
    """
    import numpy as np

    wide = graph.cast(X, np.float64)
    if not trees:
        zero = graph.add("Mul", graph.add("Slice", wide, *_first_column(graph)), graph.constant(np.array(0.0)))
        return graph.add("Expand", zero, graph.constant(np.array([1, targets])))
    if trees[0].leaves.ndim == 1:
        return _ensemble(graph, wide, [(t, t.leaves, t.target) for t in trees], targets)
    starts = np.cumsum([0, *(len(t.leaves) for t in trees)])
    numbered = [
        (t, np.arange(start, start + len(t.leaves), dtype=float), i)
        for i, (t, start) in enumerate(zip(trees, starts, strict=False))
    ]
    reached = graph.cast(_ensemble(graph, wide, numbered, len(trees)), np.int64)
    held = graph.constant(np.concatenate([t.leaves for t in trees]).astype(np.float64))
    each = graph.add("Gather", held, reached, attributes={"axis": 0})  # (rows, trees, targets)
    return graph.add("ReduceSum", each, graph.constant(np.array([1])), attributes={"keepdims": 0})


def _first_column(graph: "Graph") -> list[str]:
    import numpy as np

    return [graph.constant(np.array([value])) for value in (0, 1, 1)]


def _ensemble(graph: "Graph", wide: str, trees: "Sequence[tuple[Tree, np.ndarray, int]]", targets: int) -> str:
    """One operator over all trees, each with the weight of its leaves and its target."""
    import numpy as np

    nodes = _Nodes()
    for tree, weights, target in trees:
        nodes.take(tree, weights, target)
    members = np.array([value for chosen in nodes.members for value in (*chosen, np.nan)], dtype=np.float64)
    return graph.add_ml(
        "TreeEnsemble",
        wide,
        attributes={
            "n_targets": targets,
            "aggregate_function": 1,
            "post_transform": 0,
            "tree_roots": nodes.roots,
            "nodes_featureids": nodes.features,
            "nodes_modes": graph.tensor(np.array(nodes.modes, dtype=np.uint8)),
            "nodes_splits": graph.tensor(np.array(nodes.splits, dtype=np.float64)),
            "nodes_truenodeids": nodes.yes,
            "nodes_trueleafs": nodes.yes_is_leaf,
            "nodes_falsenodeids": nodes.no,
            "nodes_falseleafs": nodes.no_is_leaf,
            "nodes_missing_value_tracks_true": nodes.missing_yes,
            "leaf_targetids": nodes.targets,
            "leaf_weights": graph.tensor(np.array(nodes.weights, dtype=np.float64)),
            **({"membership_values": graph.tensor(members)} if nodes.members else {}),
        },
    )


@dataclass(slots=True)
class _Nodes:
    """The attributes of the operator while they grow: all nodes and all leaves of all trees, one after the other."""

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    yes: list[int] = field(default_factory=list)
    no: list[int] = field(default_factory=list)
    yes_is_leaf: list[int] = field(default_factory=list)
    no_is_leaf: list[int] = field(default_factory=list)
    missing_yes: list[int] = field(default_factory=list)
    members: list[Sequence[float]] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def take(self, tree: Tree, weights: "np.ndarray", target: int) -> None:
        """Add one tree."""
        first, first_leaf = len(self.features), len(self.weights)
        self.roots.append(first)
        if len(tree.features) == 0:  # a tree of one leaf is a node whose branches both lead there
            tree = Tree(
                features=[0], modes=[LEQ], splits=[0.0], yes=[-1], no=[-1], missing_yes=[False], leaves=tree.leaves
            )
        self.features += list(tree.features)
        self.modes += list(tree.modes)
        self.splits += list(tree.splits)
        self.missing_yes += [int(one) for one in tree.missing_yes]
        self.members += list(tree.members)
        for branch, nodes, is_leaf in ((tree.yes, self.yes, self.yes_is_leaf), (tree.no, self.no, self.no_is_leaf)):
            nodes += [first_leaf - 1 - int(n) if n < 0 else first + int(n) for n in branch]
            is_leaf += [int(n < 0) for n in branch]
        self.weights += [float(w) for w in weights]
        self.targets += [target] * len(weights)
