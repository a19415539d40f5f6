"""Ensembles that grow by ``warm_start``: forests, GradientBoosting, HistGradientBoosting."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trainwright.engines.contract import Job, Unit
from trainwright.engines.sklearn._estimators import Estimator
from trainwright.engines.sklearn._predict import done_rounds, shaped, thread_limit
from trainwright.engines.sklearn._session import Session

if TYPE_CHECKING:
    import numpy as np

    from trainwright.engines.contract import Floats, Matrix

_TREE_ROWS = 5_000_000  # tree-rows of a forest block: a few seconds on one core (measured: 500 trees x 5,000 rows 5 s)


class BlockSession(Session):
    """Rounds in blocks; every earlier round can be predicted from."""

    keeps_every_round = True

    def units(self) -> Iterator[Unit]:
        """Grow a block at a time."""
        while self.rounds < self.job.plan.rounds:
            started = time.perf_counter()
            with self.framework() as told:
                self.grow(min(self.rounds + self.block(), self.job.plan.rounds))
            self.rounds = done_rounds(self.estimator, self.form.style)
            yield self.unit(started, told)

    def grow(self, rounds: int) -> None:
        """Train until ``rounds`` rounds are done."""
        self.estimator.set_params(**{self.recipe.rounds_name: rounds})
        self.estimator.fit(self.job.train.X, self.target(), **self.weights())

    def block(self) -> int:
        """Rounds in a block: GradientBoosting predicts all training rows again at each start, 10 rounds hide it."""
        return 10


class ForestSession(BlockSession):
    """Blocks of trees; the sums over trees are kept, so that each tree predicts the job's rows once."""

    keeps_predictions = True

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._sums = {"train": _TreeSum(), "val": _TreeSum()}

    def block(self) -> int:
        """Trees in a block: a multiple of the threads, so that none waits; about a tenth of the forest at most."""
        threads = self.job.threads
        trees = min(_TREE_ROWS // max(1, self.job.train.rows), self.job.plan.rounds // 10)
        return max(4 * threads, trees // threads * threads)

    def predict_part(self, part: Literal["train", "val"]) -> "Floats":
        """The mean over trees, each tree asked once."""
        self._need_fitted()
        X = self.rows_of(part).X
        output = self._sums[part].mean(
            self.estimator, X, classify=bool(self.form.num_classes), threads=self.job.threads
        )
        return shaped(self.estimator, output, self.form)

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        super().restore(folder)
        self._sums = {"train": _TreeSum(), "val": _TreeSum()}


class _TreeSum:
    """The running sum of tree predictions, in tree order: what a forest with one thread computes, bit for bit."""

    def __init__(self) -> None:
        self._trees = 0
        self._sum: np.ndarray | None = None

    def mean(self, forest: Estimator, X: "Matrix", *, classify: bool, threads: int) -> "np.ndarray":
        from concurrent.futures import ThreadPoolExecutor

        import numpy as np

        ready = forest._validate_X_predict(X)
        trees = forest.estimators_[self._trees :]

        def ask(tree: Estimator) -> "np.ndarray":
            method = tree.predict_proba if classify else tree.predict
            return np.asarray(method(ready, check_input=False))

        with thread_limit(threads), ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(trees), threads):  # few at a time: their outputs wait in memory
                for output in pool.map(ask, trees[start : start + threads]):
                    self._sum = np.zeros_like(output) if self._sum is None else self._sum
                    self._sum += output
        self._trees = len(forest.estimators_)
        assert self._sum is not None
        return self._sum / self._trees


class HistBoostingSession(BlockSession):
    """Blocks of rounds on rows that are checked and binned once, their raw scores carried on.

    A plain warm start checks, bins and predicts all rows again at every block: at 500,000 x 28 that is a second, as
    much as 30 rounds (measured). What it computes again is equal to what is kept here, so the model is the same.
    """

    keeps_predictions = True

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._kept = _Kept()
        self._val: np.ndarray | None = None
        self._val_rounds = 0

    def block(self) -> int:
        """Rounds in a block: a function of the rows alone.

        Against one fit of 300 rounds at 500,000 x 28 blocks of 20 cost 5%, of 50 or 100 cost 2 to 4% (measured).
        With fewer rows the seconds are few, and early stopping wants to look often.
        """
        return 50 if self.job.train.rows >= 100_000 else 20

    def grow(self, rounds: int) -> None:
        """Train until ``rounds`` rounds are done."""
        with self._kept.installed(self.estimator):
            if not self.rounds and rounds > 1:
                super().grow(1)  # the raw scores of a first fit are out of reach; after one round they cost little
            super().grow(rounds)

    def predict_part(self, part: Literal["train", "val"]) -> "Floats":
        """Training rows from the kept raw scores, validation rows from the new rounds only."""
        self._need_fitted()
        if part == "train":
            raw = self._kept.scores
            return super().predict_part(part) if raw is None else self._linked(raw)
        X = self.rows_of(part).X
        with thread_limit(self.job.threads):
            if self._val is None:
                self._val = self.estimator._raw_predict(X)
            else:
                from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

                new = self.estimator._predictors[self._val_rounds :]
                ready = self.estimator._preprocess_X(X, reset=False)
                self.estimator._predict_iterations(ready, new, self._val, False, _openmp_effective_n_threads())  # noqa: FBT003
        self._val_rounds = self.rounds
        return self._linked(self._val)

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        super().restore(folder)
        self._kept, self._val, self._val_rounds = _Kept(), None, 0

    def _linked(self, raw: "np.ndarray") -> "Floats":
        loss = self.estimator._loss
        output = loss.predict_proba(raw) if self.form.num_classes else loss.link.inverse(raw.ravel())
        return shaped(self.estimator, output, self.form)


class _Kept:
    """What a warm start of HistGradientBoosting would compute again."""

    def __init__(self) -> None:
        self.scores: np.ndarray | None = None
        self._categories: tuple[object] | None = None
        self._binned: np.ndarray | None = None

    @contextmanager
    def installed(self, estimator: Estimator) -> Iterator[None]:
        """Stand in for three steps of ``fit`` while it runs, on this object only."""
        check, bin_rows, score = estimator._preprocess_X, estimator._bin_data, estimator._raw_predict
        mapper: list[object] = [getattr(estimator, "_bin_mapper", None)]

        def kept_check(X: object, *, reset: bool) -> object:
            if not reset:
                return check(X, reset=reset)
            if self._categories is None:
                checked, categories = check(X, reset=True)
                self._categories = (categories,)
                return checked, categories
            return X, self._categories[0]  # once there are bins, fit reads only the shape of X

        def kept_bins(X: object, sample_weight: object, is_training_data: bool) -> object:
            if self._binned is None:
                self._binned = bin_rows(X, sample_weight, is_training_data=is_training_data)
            else:
                estimator._bin_mapper = mapper[0]  # fit replaced it with an unfitted one
            mapper[0] = estimator._bin_mapper
            return self._binned

        def kept_scores(X: object, n_threads: int | None = None) -> object:
            if self.scores is None:
                self.scores = score(X, n_threads)
            return self.scores  # fit adds each new round to this array in place

        stand_ins = {"_preprocess_X": kept_check, "_bin_data": kept_bins, "_raw_predict": kept_scores}
        estimator.__dict__.update(stand_ins)
        try:
            yield
        finally:
            for name in stand_ins:
                estimator.__dict__.pop(name, None)
