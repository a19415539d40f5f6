"""The metrics that the driver watches: on all validation rows, and on some training rows for the curve beside them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.core.jsonable import JsonValue
from trainwright.core.metrics import Metric, loss_metric, monitor, standard_error
from trainwright.core.tasks import Task
from trainwright.engines.contract import Job, Session

if TYPE_CHECKING:
    import numpy as np

    from trainwright.core.metrics.monitors import Monitor
    from trainwright.engines.contract import Floats, Matrix

_MOST_ROWS = 20_000  # assumption: enough for a curve (AUC standard error below 0.005), cheap at every unit
_FEWEST_ROWS = 500  # assumption: an AUC standard error of 0.03, where each row costs a forward pass
_MOST_UNITS = 5  # assumption: the curve needs a point in five units, not in each, where a point costs time
_NO_TABLE = ("image", "tokens", "language")
_FEWEST_SEEN, _MOST_SEEN, _CELLS = 20, 500, 1_000_000  # rows, and cells of a wide table, looked at for its scale
_SHARE = 0.05
"""The share of an epoch's rows that may be predicted for the curve: 2% of its time, as a backward pass costs two
forward passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _TrainRows:
    """The training rows of the curve: ``picked`` of all (None: every row), looked at in one unit of ``every``.

    A framework that keeps its scores gives those of all rows for little. Elsewhere each row costs a forward pass, so
    that rows are fewer (as many as validation has), points are rarer, and only ``X`` is predicted.
    """

    picked: "np.ndarray | None"
    every: int
    X: "Matrix | None"

    def predictions(self, session: Session) -> "Floats":
        """Those of the session's present model."""
        if self.X is not None:
            return session.predict(self.X)
        predicted = session.predict_part("train")
        return predicted if self.picked is None else predicted[self.picked]


def _train_rows(job: Job, *, kept: bool) -> _TrainRows:
    import numpy as np

    rows = job.train.rows
    size = min(rows, _MOST_ROWS)
    if not kept:
        size = min(size, max(_FEWEST_ROWS, job.val.rows if job.val else 0))
    picked = None
    if size < rows:
        picked = np.sort(job.seeds.generator("train sample").choice(rows, size, replace=False))
    if kept:
        return _TrainRows(picked=picked, every=1 if picked is None else _MOST_UNITS, X=None)
    every = min(_MOST_UNITS, math.ceil(size / (_SHARE * rows)))
    return _TrainRows(picked=picked, every=every, X=None if picked is None else job.train.X[picked])


class Judge:
    """Computes metrics of a session as it trains: those given, and the task's loss."""

    def __init__(self, session: Session, job: Job, metrics: Sequence[Metric], *, signs: bool = False) -> None:
        self._session, self._job, self._signs = session, job, signs
        self.signs: dict[str, float] = {}
        self.metrics = tuple({m.name: m for m in (*metrics, loss_metric(job.task))}.values())
        self._rows = _train_rows(job, kept=session.keeps_predictions)
        self._train = self._monitors()
        self._val = {m.name: monitor(m, job.val.y, job.val.weight) for m in self.metrics} if job.val else {}

    def judge(self, unit_number: int, *, last: bool) -> tuple[dict[str, dict[str, float]], bool]:
        """Metrics by part, and whether all predictions were finite. Units are counted from 1."""
        import numpy as np

        found: dict[str, dict[str, float]] = {}
        finite = True
        if self._val:
            predicted = self._session.predict_part("val")
            finite = bool(np.isfinite(predicted).all())
            found["val"] = {name: compute(predicted) for name, compute in self._val.items()} if finite else {}
            self.signs = self._signs_of(predicted) if finite and self._signs else {}
        if finite and (last or (unit_number - 1) % self._rows.every == 0):
            predicted = self._rows.predictions(self._session)
            finite = bool(np.isfinite(predicted).all())
            found["train"] = {name: compute(predicted) for name, compute in self._train.items()} if finite else {}
        return found, finite

    def leave_out(self, rows: Sequence[int]) -> None:
        """Training rows that are looked at no more, as positions: they are not trained on either."""
        import numpy as np

        if not rows:
            return
        picked = np.arange(self._job.train.rows) if self._rows.picked is None else self._rows.picked
        picked = picked[~np.isin(picked, np.asarray(rows))]
        X = None if self._session.keeps_predictions else self._job.train.X[picked]
        self._rows = _TrainRows(picked=picked, every=self._rows.every, X=X)
        self._train = self._monitors()

    def constants(self) -> "dict[str, JsonValue]":
        """Facts for the doctor: the loss of the best constant on each part, the share of the largest class, the scale
        of the inputs."""
        if self._job.task is Task.LANGUAGE:
            return {}
        parts = {"train": self._job.train.y} | ({"val": self._job.val.y} if self._job.val else {})
        losses: dict[str, JsonValue] = {name: _constant_loss(y, self._job.num_classes) for name, y in parts.items()}
        recipe = self._job.plan.options.get("recipe")
        if isinstance(recipe, Mapping) and recipe.get("loss") != "poisson":
            losses["objective"] = losses["train"] if self._job.task.is_classification else 1.0  # scaled targets
        facts: dict[str, JsonValue] = {"task": self._job.task.value, "constant_loss": losses, **_input_scale(self._job)}
        if isinstance(recipe, Mapping):
            facts["loss"] = str(recipe.get("loss", "auto"))
            facts["clip_norm"] = recipe.get("clip_norm")
        if self._job.val and self._job.task.is_classification:
            facts["classes"] = self._job.num_classes
            facts["true_top_class_share"] = _top_share(self._job.val.y, self._job.num_classes)
        return facts

    def _monitors(self) -> "dict[str, Monitor]":
        y = self._job.train.y if self._rows.picked is None else self._job.train.y[self._rows.picked]
        return {m.name: monitor(m, y, None) for m in self.metrics}

    def _signs_of(self, predicted: "Floats") -> dict[str, float]:
        """What validation predictions tell beside their metrics."""
        assert self._job.val is not None
        if self._job.task is Task.LANGUAGE:
            return {}
        y, weight = self._job.val.y, self._job.val.weight
        signs = {"val_loss_error": standard_error(loss_metric(self._job.task).name, y, predicted, weight)}
        if not self._job.task.is_classification:
            return signs | self._signs_of_values(predicted)
        top = predicted.argmax(axis=1)
        right = float((top == y).mean())
        said = predicted[:, 1:] if self._job.num_classes == 2 else predicted
        return signs | {
            "top_class_share": _top_share(top, self._job.num_classes),
            "overconfidence": float(predicted.max(axis=1).mean()) - right,
            "highest_probability": float(said.max()),
            "lowest_probability": float(said.min()),
        }

    def _signs_of_values(self, predicted: "Floats") -> dict[str, float]:
        """Of a regression: how far predictions spread, and how far below the mean they reach, as shares of the target's
        spread."""
        assert self._job.val is not None
        y, seen = self._job.train.y, self._job.val.y
        if not (seen.std() > 0 and y.std() > 0):
            return {}
        lowest = float(predicted.min() - y.mean()) / float(y.std())
        return {"prediction_spread": float(predicted.std() / seen.std()), "lowest_prediction": lowest}


def _input_scale(job: Job) -> "dict[str, JsonValue]":
    """The numeric column of a table with the largest values: the median size of those that are not 0, so that single
    broken rows do not count."""
    import numpy as np

    X = job.train.X
    if job.plan.features in _NO_TABLE or X.ndim != 2:
        return {}
    numeric = np.setdiff1d(np.arange(X.shape[1]), job.categorical)
    wanted = max(_FEWEST_SEEN, min(_MOST_SEEN, _CELLS // max(1, X.shape[1])))
    rows = np.unique(np.linspace(0, X.shape[0] - 1, wanted).astype(int))
    picked = X[rows]
    cells = np.abs((picked if isinstance(picked, np.ndarray) else picked.toarray())[:, numeric].astype(np.float64))
    cells[(cells == 0) | ~np.isfinite(cells)] = np.nan
    seen = np.flatnonzero(~np.isnan(cells).all(axis=0))
    if not len(seen):
        return {}
    sizes = np.nanmedian(cells[:, seen], axis=0)
    name = job.feature_names[numeric[seen[int(sizes.argmax())]]]
    return {"input_scale": {"largest": float(sizes.max()), "column": name}}


def _constant_loss(y: "np.ndarray", num_classes: int) -> float:
    """The loss of the best constant: the entropy of the classes in nats, or the standard deviation."""
    import numpy as np

    if not num_classes:
        return float(y[np.isfinite(y)].std())
    shares = np.bincount(y, minlength=num_classes) / max(1, len(y))
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _top_share(codes: "np.ndarray", num_classes: int) -> float:
    import numpy as np

    return float(np.bincount(codes, minlength=num_classes).max() / max(1, len(codes)))
