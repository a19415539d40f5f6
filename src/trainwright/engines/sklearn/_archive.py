"""Estimators on disk: the types they may hold, what is left out of a delivered one, and nothing else."""

import json
from pathlib import Path

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.engines.sklearn._estimators import Estimator, set_threads
from trainwright.run import archive

TRUSTED = (
    # Trees of forests, GradientBoosting and AdaBoost; skops asks because a forged node array can crash a prediction.
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    # HistGradientBoosting with categories checks its input through partial(check_array); no other function is trusted.
    "functools.partial",
    "sklearn.utils.validation.check_array",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
)
"""Every type beyond skops' own list that an estimator of scikit-learn may need. Nothing adds to it at run time."""

_REFUSAL = "A scikit-learn model does not need them. Use the file that Trainwright wrote."
_COUNTERS = slice(7, 11)  # n_trims, n_leaves, n_splits, n_calls in the state of KDTree and BallTree


def write_estimator(path: Path, estimator: object) -> None:
    """Write an estimator so that equal estimators give equal bytes, in any process."""
    path.write_bytes(archive.encode(estimator))


def read_estimator(path: Path) -> object:
    """Read an estimator that `write_estimator` wrote.

    Raises:
        ArtifactRefused: the file is damaged, or holds a type outside `TRUSTED`.
    """
    return archive.decode(path, TRUSTED, refusal=_REFUSAL)


def settled(estimator: Estimator) -> Estimator:
    """A copy for prediction, without what training or earlier predictions left behind.

    Without the thread count (a model is not tied to this machine), the query counters of a neighbour tree, and the
    random state that the trees of GradientBoosting share (one object in a run, many after a resume).
    """
    import copy

    chosen = copy.copy(estimator)
    set_threads(chosen, None)
    tree = getattr(chosen, "_tree", None)
    if tree is not None:
        state = list(tree.__getstate__())
        state[_COUNTERS] = [0] * len(state[_COUNTERS])
        kind: Estimator = type(tree)
        chosen._tree = kind.__new__(kind)
        chosen._tree.__setstate__(tuple(state))
    if type(chosen).__name__.startswith("GradientBoosting"):
        chosen.estimators_ = chosen.estimators_.copy()
        for position, grown in enumerate(chosen.estimators_.flat):
            chosen.estimators_.flat[position] = copy.copy(grown)
            chosen.estimators_.flat[position].random_state = None
        chosen._rng = None
    return chosen


def write_json(path: Path, value: object) -> None:
    """Write JSON with sorted keys."""
    path.write_text(dumps(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, JsonValue]:
    """Read a JSON object.

    Raises:
        ArtifactRefused: the file is missing or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ArtifactRefused(f"{path.name} cannot be read: {problem}. Restore the folder from a copy.") from problem
    if not isinstance(value, dict):
        raise ArtifactRefused(f"{path.name} must hold a JSON object, got {type(value).__name__}.")
    return value
