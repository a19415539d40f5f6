"""Estimators on disk: skops with a fixed list of trusted types, and bytes that depend on their content only."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.engines.sklearn._estimators import Estimator, set_threads

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

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip archive can state
_SCHEMA = "schema.json"
_COUNTERS = slice(7, 11)  # n_trims, n_leaves, n_splits, n_calls in the state of KDTree and BallTree


def write_estimator(path: Path, estimator: object) -> None:
    """Write an estimator so that equal estimators give equal bytes, in any process."""
    import skops.io

    path.write_bytes(_normalised(skops.io.dumps(estimator)))


def read_estimator(path: Path) -> object:
    """Read an estimator that `write_estimator` wrote.

    Raises:
        ArtifactRefused: the file is damaged, or holds a type outside `TRUSTED`.
    """
    import skops.io

    try:
        data = path.read_bytes()
        foreign = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED))
        if foreign:
            raise ArtifactRefused(
                f"{path.name} holds types that a scikit-learn model does not need: {', '.join(foreign)}. "
                "It was not loaded. Use the file that Trainwright wrote."
            )
        return skops.io.loads(data, trusted=list(TRUSTED))
    except ArtifactRefused:
        raise
    except Exception as problem:  # a damaged archive fails in any way: zip, JSON, NumPy, attribute
        raise ArtifactRefused(
            f"{path.name} is not a readable estimator ({type(problem).__name__}: {problem}). Restore it from a copy."
        ) from problem


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


def _normalised(archive: bytes) -> bytes:
    """Rename members by content, drop memory addresses and times.

    skops names members and nodes after ``id(object)`` and stamps the time of day. Node ids only tell which objects
    were one in memory; prediction does not need that, and it differs between a run and its resumed twin.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        schema = json.loads(source.read(_SCHEMA))
        names: dict[str, str] = {}
        contents: dict[str, bytes] = {}
        for name in source.namelist():
            if name != _SCHEMA:
                content = _without_padding(source.read(name))
                names[name] = hashlib.blake2b(content, digest_size=16).hexdigest() + Path(name).suffix
                contents[names[name]] = content
        for name in sorted(contents):
            target.writestr(zipfile.ZipInfo(name, _FIXED_TIME), contents[name])
        text = json.dumps(_without_ids(schema, names), separators=(",", ":"))
        target.writestr(zipfile.ZipInfo(_SCHEMA, _FIXED_TIME), text)
    return out.getvalue()


def _without_padding(npy: bytes) -> bytes:
    """Zero the bytes between the fields of records: tree nodes carry whatever memory held there."""
    import numpy as np

    if not npy.startswith(b"\x93NUMPY"):
        return npy
    array = np.load(io.BytesIO(npy), allow_pickle=False)
    if array.dtype.names is None:
        return npy
    clean = np.zeros(array.shape, array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    out = io.BytesIO()
    np.save(out, clean, allow_pickle=False)
    return out.getvalue()


def _without_ids(node: object, names: dict[str, str]) -> object:
    if isinstance(node, dict):
        return {
            key: names.get(value, value) if key == "file" and isinstance(value, str) else _without_ids(value, names)
            for key, value in node.items()
            if not (key == "__id__" and isinstance(value, int))
        }
    if isinstance(node, list):
        return [_without_ids(value, names) for value in node]
    return node
