"""Predictions in the contract's shapes, equal bit for bit wherever they are computed."""

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused
from trainwright.core.jsonable import JsonValue
from trainwright.engines.sklearn._estimators import Estimator, Style, set_threads

if TYPE_CHECKING:
    import numpy as np

    from trainwright.engines.contract import Floats, Matrix

_CHUNK_ROWS = 2_000  # rows a thread takes at least: below that, starting threads costs more than it saves (assumption)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What turns an estimator's output into predictions; stored beside the estimator.

    ``num_classes`` is 0 for regression. ``center`` and ``scale`` undo the scaling of a regression target.
    """

    style: Style
    num_classes: int
    threads: int
    features: int
    center: float = 0.0
    scale: float = 1.0

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON values."""
        return {
            "style": self.style.value,
            "num_classes": self.num_classes,
            "threads": self.threads,
            "features": self.features,
            "center": self.center,
            "scale": self.scale,
        }


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A fitted estimator that only predicts."""

    estimator: Estimator
    form: Form

    def predict(self, X: "Matrix") -> "Floats":
        """See `trainwright.engines.contract.Model.predict`."""
        return predict(self.estimator, X, self.form)


def predict(estimator: Estimator, X: "Matrix", form: Form) -> "Floats":
    """Probabilities of every class, or values.

    Raises:
        DataRefused: the rows have another number of features, or hold what the estimator cannot take.
    """
    if X.shape[1] != form.features:
        raise DataRefused(
            f"the model was trained on {form.features} features, these rows have {X.shape[1]}. "
            "Transform them with the run's own feature pipeline."
        )
    with thread_limit(form.threads):
        ready = _ordered(estimator, form.threads)
        try:
            output = _in_chunks(ready, X, form) if form.style is Style.FOREST else _output(ready, X, form)
        except ValueError as problem:  # missing or infinite values, a layout the estimator does not take
            raise DataRefused(f"{type(estimator).__name__} cannot predict these rows: {problem}") from problem
        return shaped(estimator, output, form)


def shaped(estimator: Estimator, output: "np.ndarray", form: Form) -> "Floats":
    """Give classes that training never saw a column of zeros, rescale values, make both float64."""
    import numpy as np

    if not form.num_classes:
        values = np.asarray(output, dtype=np.float64).reshape(len(output))
        return values * form.scale + form.center if (form.scale, form.center) != (1.0, 0.0) else values
    full = np.zeros((len(output), form.num_classes))
    full[:, np.asarray(estimator.classes_, dtype=np.int64)] = output
    # float32 inputs give float32 probabilities in some estimators: their rows sum to one within 1e-7 only.
    sums = full.sum(axis=1, keepdims=True)
    return full if np.all(np.abs(sums - 1.0) < 1e-12) else full / sums


def truncated(estimator: Estimator, style: Style, rounds: int | None) -> Estimator:
    """A shallow copy with the first ``rounds`` rounds.

    Raises:
        ValueError: the style keeps no earlier round, or ``rounds`` is out of range.
    """
    if rounds is None or (have := done_rounds(estimator, style)) == rounds:
        return estimator
    if style not in (Style.FOREST, Style.HIST_BOOSTING, Style.BOOSTING):
        raise ValueError(f"a {type(estimator).__name__} keeps no earlier round; asked for round {rounds}")
    if not 1 <= rounds <= have:
        raise ValueError(f"rounds must be from 1 to {have}, got {rounds}")
    short = copy.copy(estimator)
    if style is Style.HIST_BOOSTING:
        short._predictors = estimator._predictors[:rounds]
        short.max_iter = rounds
    else:
        short.estimators_ = estimator.estimators_[:rounds]
        short.n_estimators = rounds
    return short


def done_rounds(estimator: Estimator, style: Style) -> int:
    """Rounds of a fitted ensemble; 0 before the first fit."""
    return len(getattr(estimator, "_predictors" if style is Style.HIST_BOOSTING else "estimators_", ()))


@contextmanager
def thread_limit(threads: int) -> Iterator[None]:
    """Hold OpenMP and BLAS to a number of threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        yield


def _output(estimator: Estimator, X: "Matrix", form: Form) -> "np.ndarray":
    output: np.ndarray = estimator.predict_proba(X) if form.num_classes else estimator.predict(X)
    return output


def _ordered(estimator: Estimator, threads: int) -> Estimator:
    """Ensembles sum in the order their threads finish: one thread fixes it. Neighbours split rows, which is no sum."""
    ready = copy.copy(estimator)
    set_threads(ready, threads if "Neighbors" in type(estimator).__name__ else 1)
    return ready


def _in_chunks(forest: Estimator, X: "Matrix", form: Form) -> "np.ndarray":
    import numpy as np

    chunks = min(form.threads, X.shape[0] // _CHUNK_ROWS)
    if chunks < 2:
        return _output(forest, X, form)
    bounds = np.linspace(0, X.shape[0], chunks + 1, dtype=int)
    with ThreadPoolExecutor(chunks) as pool:
        parts = pool.map(lambda i: _output(forest, X[bounds[i] : bounds[i + 1]], form), range(chunks))
        return np.concatenate(list(parts))
