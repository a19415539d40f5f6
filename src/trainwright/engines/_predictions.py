"""From a library's output to the shapes of the contract."""

from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused

if TYPE_CHECKING:
    import numpy as np

    from trainwright.engines.contract import Matrix


def two_columns(positive: "np.ndarray") -> "np.ndarray":
    """Probabilities of both classes, shape (rows, 2), from those of the positive one, shape (rows,)."""
    import numpy as np

    out = np.empty((len(positive), 2), dtype=np.float64)
    out[:, 1] = positive
    np.subtract(1.0, out[:, 1], out=out[:, 0])
    return out


def normalised(probabilities: "np.ndarray") -> "np.ndarray":
    """Float64 rows that sum to one, from float32 ones that do so to seven digits."""
    import numpy as np

    wide = np.array(probabilities, dtype=np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    return wide


def sigmoid(raw: "np.ndarray") -> "np.ndarray":
    """The logistic function, without overflow."""
    from scipy.special import expit

    result: np.ndarray = expit(raw)
    return result


def softmax(raw: "np.ndarray") -> "np.ndarray":
    """Row-wise softmax, without overflow."""
    import numpy as np

    shifted = raw - raw.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return np.asarray(shifted, dtype=np.float64)


def check_columns(X: "Matrix", expected: int) -> None:
    """Native libraries read past a matrix that is too narrow, so the width is checked first.

    Raises:
        DataRefused: ``X`` has another number of columns than the model was trained on.
    """
    if X.ndim != 2 or int(X.shape[1]) != expected:
        raise DataRefused(
            f"the model was trained on {expected} columns; these rows have shape {tuple(X.shape)}. "
            "Prepare them with the feature pipeline of the same run"
        )


def is_sparse(X: "Matrix") -> bool:
    """Whether ``X`` is a SciPy sparse matrix."""
    return hasattr(X, "tocsr")
