"""How well one column alone, or a few together, predict the target on rows they were not fitted on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.checks.rows import codes, is_numeric, numbers
from trainwright.core.tasks import Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

BINS = (8, 32, 128, 512)  # the best counts: few for a noisy column, many for one made of the target
UNITS_A_BIN = 3  # assumption: fewer rows (or groups) a bin make its mean noise
SMOOTHING = 0.1  # rows of the overall mean added to each bin; one row would take a tenth off a bin of ten


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """Which fold each row is in (``fold``, from 0), and how many independent rows or groups there are (``units``)."""

    fold: "np.ndarray"
    units: int


def column_skill(values: "pd.Series", y: "np.ndarray", task: Task, folds: Folds, *, is_category: bool) -> float:
    """The skill of a single column: bin means fitted on the other folds, scored over all rows together.

    0 is a constant guess and 1 is perfect: 2 AUC - 1 for a binary target, Cohen's kappa for classes, R2 for numbers.
    """
    goals = _goals(y, task)
    all_bins = [codes(values) + 1] if is_category or not _has_order(values) else _bins(numbers(values), folds.units)
    best = max(_skill_of_bins(bins, goals, y, task, folds) for bins in all_bins)
    if task is Task.REGRESSION and _has_order(values) and not is_category:
        best = max(best, _skill_between_neighbours(numbers(values), y, folds))
    return best


def _skill_of_bins(bins: "np.ndarray", goals: "np.ndarray", y: "np.ndarray", task: Task, folds: Folds) -> float:
    import numpy as np

    predicted = np.empty_like(goals)
    size = int(bins.max()) + 1
    for k in range(int(folds.fold.max()) + 1):
        held = folds.fold == k
        predicted[held] = _bin_means(bins[~held], goals[~held], size)[bins[held]]
    return skill(y, predicted, task)


def _skill_between_neighbours(x: "np.ndarray", y: "np.ndarray", folds: Folds) -> float:
    """R2 of a straight line between the nearest fitted values on both sides: exact for a function of the target."""
    import numpy as np

    present = ~np.isnan(x)
    predicted = np.full((len(y), 1), y.mean())
    for k in range(int(folds.fold.max()) + 1):
        held, fitted = present & (folds.fold == k), present & (folds.fold != k)
        if fitted.any():
            places, at = np.unique(x[fitted], return_inverse=True)
            means = np.bincount(at, weights=y[fitted]) / np.bincount(at)
            predicted[held, 0] = np.interp(x[held], places, means)
    return skill(y, predicted, Task.REGRESSION)


def joint_skill(frame: "pd.DataFrame", y: "np.ndarray", task: Task, folds: Folds) -> float:
    """The skill of all columns of a frame together, by a small forest fitted on the other folds."""
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    if frame.shape[1] == 0:
        return 0.0
    X = np.column_stack([numbers(frame[c]) for c in frame.columns])
    predicted = np.zeros((len(y), 1 if task is Task.REGRESSION else int(y.max()) + 1))
    # A forest, as boosting with its defaults breaks on rare classes (kdd: 0.15 where one column has 0.96).
    limits = {"n_estimators": 30, "min_samples_leaf": 3, "max_features": 0.5, "random_state": 0}
    for k in range(int(folds.fold.max()) + 1):
        held = folds.fold == k
        if task is Task.REGRESSION:
            predicted[held, 0] = RandomForestRegressor(**limits).fit(X[~held], y[~held]).predict(X[held])
        else:
            model = RandomForestClassifier(**limits).fit(X[~held], y[~held])
            predicted[np.ix_(held, model.classes_.astype(int))] = model.predict_proba(X[held])
    return skill(y, predicted[:, 1:] if task is Task.BINARY else predicted, task)


def skill(y: "np.ndarray", predicted: "np.ndarray", task: Task) -> float:
    """Skill of predictions of shape (rows, 1) or (rows, classes): see `column_skill`."""
    if task is Task.REGRESSION:
        spread = float(((y - y.mean()) ** 2).sum())
        return 0.0 if spread == 0 else 1.0 - float(((y - predicted[:, 0]) ** 2).sum()) / spread
    if task is Task.BINARY:
        return abs(2.0 * _auc(y, predicted[:, 0]) - 1.0)
    return _kappa(y, predicted.argmax(axis=1))


def random_folds(n: int, generator: "np.random.Generator") -> Folds:
    """Two random halves."""
    import numpy as np

    return Folds(fold=(generator.permutation(n) % 2).astype(np.int64), units=n)


def group_folds(groups: "np.ndarray", generator: "np.random.Generator") -> Folds:
    """Five folds with whole groups in one: few groups make two halves too unlike."""
    import numpy as np

    present, members = np.unique(groups, return_inverse=True)
    fold = generator.permutation(len(present)) % min(5, len(present))
    return Folds(fold=fold[members].astype(np.int64), units=len(present))


def _has_order(values: "pd.Series") -> bool:
    return is_numeric(values) or values.dtype.kind == "M"


def _bins(x: "np.ndarray", units: int) -> "list[np.ndarray]":
    """Bin numbers from 0, for each count of bins that the rows allow; a bin of its own for missing values."""
    import numpy as np

    present = ~np.isnan(x)
    most = max(min(int(present.sum()), units) // (2 * UNITS_A_BIN), min(BINS))
    found = []
    for count in (c for c in BINS if c <= most):
        inner = np.linspace(0, 1, count + 1)[1:-1]
        edges = np.unique(np.quantile(x[present], inner)) if present.any() else np.empty(0)
        found.append(np.where(present, np.searchsorted(edges, x, side="left") + 1, 0))
    return found


def _goals(y: "np.ndarray", task: Task) -> "np.ndarray":
    import numpy as np

    if task is not Task.MULTICLASS:
        return y.astype(np.float64)[:, None]
    hot: np.ndarray = np.eye(int(y.max()) + 1)[y]
    return hot


def _bin_means(bins: "np.ndarray", goals: "np.ndarray", size: int) -> "np.ndarray":
    """Smoothed means, shape (bins, goals); bins nobody saw get the overall mean."""
    import numpy as np

    counts = np.bincount(bins, minlength=size)[:, None]
    sums = np.column_stack([np.bincount(bins, weights=goals[:, k], minlength=size) for k in range(goals.shape[1])])
    means: np.ndarray = (sums + SMOOTHING * goals.mean(axis=0)) / (counts + SMOOTHING)
    return means


def _auc(y: "np.ndarray", score: "np.ndarray") -> float:
    from scipy.stats import rankdata

    positives = int(y.sum())
    negatives = len(y) - positives
    if positives == 0 or negatives == 0:
        return 0.5
    return float((rankdata(score)[y == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _kappa(y: "np.ndarray", predicted: "np.ndarray") -> float:
    import numpy as np

    size = int(max(y.max(), predicted.max())) + 1
    agree = float((y == predicted).mean())
    chance = float(np.dot(np.bincount(y, minlength=size), np.bincount(predicted, minlength=size)) / len(y) ** 2)
    return 0.0 if chance >= 1.0 else (agree - chance) / (1.0 - chance)
