"""ROC AUC and average precision by sorting, with ties and weights, as scikit-learn defines them."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def auc_of_two(positive: "np.ndarray", negative: "np.ndarray") -> float:
    """Unweighted ROC AUC from the scores of both sides: the share of pairs in the right order, ties counting half."""
    import numpy as np

    few, many = np.sort(positive), np.sort(negative)
    swapped = len(few) > len(many)
    if swapped:
        few, many = many, few
    # Twice the pairs in which `few` is higher, in whole numbers: nothing is rounded before the division.
    below = int(many.searchsorted(few, "left").sum()) + int(many.searchsorted(few, "right").sum())
    pairs = 2 * len(few) * len(many)
    return (pairs - below if swapped else below) / pairs


class Ranking:
    """Rows of one score sorted once, for many weightings of the same rows."""

    def __init__(self, score: "np.ndarray", is_positive: "np.ndarray", weight: "np.ndarray | None") -> None:
        """Sort the rows; ``score`` is finite, all shapes are (rows,)."""
        import numpy as np

        self.order = np.argsort(score)
        ordered = score[self.order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        self._starts = None if len(starts) == len(score) else starts
        weight = np.ones(len(score)) if weight is None else weight
        self._positive = (weight * is_positive)[self.order]
        self._negative = weight[self.order] - self._positive

    def _sides(self, counts: "np.ndarray | None") -> tuple["np.ndarray", "np.ndarray"]:
        """Weight of positives and negatives per distinct score, rising; ``counts`` in sorted order."""
        import numpy as np

        positive = self._positive if counts is None else self._positive * counts
        negative = self._negative if counts is None else self._negative * counts
        if self._starts is not None:
            positive, negative = np.add.reduceat(positive, self._starts), np.add.reduceat(negative, self._starts)
        return positive, negative

    def roc_auc(self, counts: "np.ndarray | None" = None) -> float:
        """Weighted ROC AUC; ``counts``: (rows,) how often the row at each sorted position occurs, default once."""
        positive, negative = self._sides(counts)
        below = negative.cumsum()
        all_pairs = float(positive.sum()) * float(below[-1])
        return float(positive @ (below - negative / 2)) / all_pairs if all_pairs > 0 else math.nan

    def average_precision(self, counts: "np.ndarray | None" = None) -> float:
        """Weighted average precision; ``counts`` as above."""
        import numpy as np

        positive, negative = self._sides(counts)
        positive, negative = positive[::-1], negative[::-1]
        found = positive.cumsum()
        taken = found + negative.cumsum()
        if found[-1] <= 0 or found[-1] == taken[-1]:
            return math.nan
        precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
        return float(positive @ precision) / float(found[-1])
