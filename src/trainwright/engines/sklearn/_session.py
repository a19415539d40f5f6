"""The parts every style shares: prediction, saving, export, facts. A style adds `units` and what it can cache."""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trainwright.core.errors import ArtifactRefused, DataRefused, TrainingFailed
from trainwright.engines.contract import Job, ModelFacts, Table, Unit
from trainwright.engines.repairs import Repair
from trainwright.engines.sklearn import _archive, _facts
from trainwright.engines.sklearn._estimators import Estimator, Style, make, recipe, set_threads
from trainwright.engines.sklearn._predict import Form, predict, thread_limit, truncated

if TYPE_CHECKING:
    import numpy as np

    from trainwright.engines.contract import Floats, Matrix

STATE_FILE = "estimator.skops"
MODEL_FILE = "model.json"


class Session:
    """A training with one call of ``fit``; the base of the styles that train in blocks."""

    keeps_every_round = False
    keeps_predictions = False

    def __init__(self, job: Job) -> None:
        self.job = job
        self.recipe = recipe(job.plan)
        self.rounds = 0
        self.notes: tuple[str, ...] = ()
        center, scale = _target_scale(job)
        self.form = Form(
            style=self.recipe.style,
            num_classes=job.num_classes if job.task.is_classification else 0,
            threads=job.threads,
            features=int(job.train.X.shape[1]),
            center=center,
            scale=scale,
        )
        _refuse_one_class(job)
        self.estimator: Estimator = make(job)
        set_threads(self.estimator, job.threads)

    def units(self) -> Iterator[Unit]:
        """Fit once."""
        if self.rounds:
            return
        started = time.perf_counter()
        with self.framework() as told:
            self.estimator.fit(self.job.train.X, self.target(), **self.weights())
        self.rounds = 1
        yield self.unit(started, told)

    def predict_part(self, part: Literal["train", "val"]) -> "Floats":
        """Predictions for the job's own rows at the present round."""
        return self.predict(self.rows_of(part).X)

    def predict(self, X: "Matrix", *, rounds: int | None = None) -> "Floats":
        """Predictions for other rows."""
        self._need_fitted()
        return predict(truncated(self.estimator, self.form.style, self._position(rounds)), X, self.form)

    def save(self, folder: Path) -> None:
        """Write the estimator as it stands."""
        state = {"engine": "sklearn", "estimator": self.job.plan.estimator, "rounds": self.rounds, "notes": self.notes}
        if self.rounds:
            _archive.write_estimator(folder / STATE_FILE, self.estimator)
        _archive.write_json(folder / "state.json", state | {"sklearn": _sklearn_version()})

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        state = _archive.read_json(folder / "state.json")
        ours = {"engine": "sklearn", "estimator": self.job.plan.estimator, "sklearn": _sklearn_version()}
        for name, value in ours.items():
            if state.get(name) != value:
                raise ArtifactRefused(
                    f"the state in {folder.name} is of {name} {state.get(name)!r}, this training needs {value!r}. "
                    "Resume with the versions and the spec that wrote it, or train again."
                )
        rounds, notes = state.get("rounds"), state.get("notes")
        if not isinstance(rounds, int) or not isinstance(notes, list):
            raise ArtifactRefused(f"the state in {folder.name} does not say how many rounds are done. Train again.")
        if rounds:
            found = _archive.read_estimator(folder / STATE_FILE)
            if type(found) is not type(self.estimator):
                raise ArtifactRefused(f"the state in {folder.name} holds a {type(found).__name__}. Train again.")
            self.estimator = found
            set_threads(self.estimator, self.job.threads)
        self.rounds, self.notes = rounds, tuple(str(note) for note in notes)

    def export(self, folder: Path, *, rounds: int | None = None) -> None:
        """Write ``estimator.skops`` and ``model.json``."""
        self._need_fitted()
        chosen = truncated(self.estimator, self.form.style, self._position(rounds))
        _archive.write_estimator(folder / STATE_FILE, _archive.settled(chosen))
        _archive.write_json(
            folder / MODEL_FILE,
            {
                "engine": "sklearn",
                "version": f"scikit-learn {_sklearn_version()}",
                "estimator": self.job.plan.estimator,
                "task": self.job.task.value,
                "files": {"estimator": STATE_FILE},
                "feature_names": self.job.feature_names,
                "form": self.form.to_json(),
            },
        )

    def facts(self, *, rounds: int | None = None) -> ModelFacts:
        """What the model is at that round."""
        self._need_fitted()
        chosen = truncated(self.estimator, self.form.style, self._position(rounds))
        return _facts.facts(chosen, self.job.plan, self.job.feature_names, self.job.train.X, self.notes)

    def apply(self, repair: Repair) -> None:
        """No estimator of scikit-learn changes course.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"the sklearn engine has no repair {repair.action!r}")

    def close(self) -> None:
        """Nothing is held outside Python."""

    # What the styles use.

    def rows_of(self, part: Literal["train", "val"]) -> Table:
        """The job's table of that name.

        Raises:
            ValueError: the job has no validation rows.
        """
        table = self.job.train if part == "train" else self.job.val
        if table is None:
            raise ValueError("this job has no validation rows")
        return table

    def target(self) -> "np.ndarray":
        """The target as the estimator sees it."""
        y = self.job.train.y
        return y if (self.form.scale, self.form.center) == (1.0, 0.0) else (y - self.form.center) / self.form.scale

    def weights(self) -> dict[str, "np.ndarray"]:
        """The weight argument of fit, where there are weights."""
        weight = self.job.train.weight
        return {} if weight is None else {"sample_weight": weight}

    @contextmanager
    def framework(self) -> Iterator[list[str]]:
        """Run the framework: its threads held, its warnings collected, its refusals named.

        Raises:
            TrainingFailed: the estimator does not accept this data.
        """
        told: list[str] = []
        with warnings.catch_warnings(record=True) as caught, thread_limit(self.job.threads):
            warnings.simplefilter("always")
            try:
                yield told
            except (ValueError, TypeError, FloatingPointError) as problem:
                name = type(self.estimator).__name__
                raise TrainingFailed(
                    f"{name} cannot be fitted to this data with these parameters: {str(problem).rstrip('.')}. "
                    "Change architecture.architecture_spec, or choose another model_type."
                ) from problem
            finally:
                told.extend(_first_line(w) for w in caught if not _is_expected(w))
        self.notes = (*self.notes, *(note for note in dict.fromkeys(told) if note not in self.notes))

    def unit(self, started: float, told: list[str], values: dict[str, float] | None = None) -> Unit:
        """The unit that was just done; ``converged`` is 0 when the solver said so."""
        said_no = any("converge" in note.lower() for note in told)
        converged = {"converged": 0.0} if said_no else ({"converged": 1.0} if self.form.style is Style.FIT else {})
        return Unit(rounds=self.rounds, seconds=time.perf_counter() - started, values=converged | (values or {}))

    def _position(self, rounds: int | None) -> int | None:
        if rounds is not None and not self.keeps_every_round and rounds != self.rounds:
            raise ValueError(f"{type(self.estimator).__name__} keeps no earlier round; asked for round {rounds}")
        return rounds if self.keeps_every_round else None

    def _need_fitted(self) -> None:
        if not self.rounds:
            raise ValueError("nothing is trained yet: run a unit first")


def _first_line(caught: warnings.WarningMessage) -> str:
    text = str(caught.message).strip().splitlines()[0].rstrip(".")
    return f"{caught.category.__name__}: {text}"


def _is_expected(caught: warnings.WarningMessage) -> bool:
    """MLP ends every partial_fit with the warning that one epoch did not converge; that is how epochs are counted."""
    return "Maximum iterations (1)" in str(caught.message) or "warm_start" in str(caught.message)


def _refuse_one_class(job: Job) -> None:
    import numpy as np

    if job.plan.family == "dummy" or not job.task.is_classification:
        return
    present = np.unique(job.train.y)
    if len(present) < 2:
        raise DataRefused(
            f"training rows hold one class only (code {present.tolist()}), a classifier needs two. "
            "Check the target and the split."
        )


def _target_scale(job: Job) -> tuple[float, float]:
    """Mean and deviation of a regression target for estimators that assume a target near 0 with deviation 1."""
    import numpy as np

    if job.task.is_classification or not job.plan.options.get("scale_target"):
        return 0.0, 1.0
    deviation = float(np.std(job.train.y))
    return float(np.mean(job.train.y)), deviation if deviation > 0 else 1.0


def _sklearn_version() -> str:
    import sklearn

    return str(sklearn.__version__)
