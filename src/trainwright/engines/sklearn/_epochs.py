"""Estimators with ``partial_fit``: an epoch at a time, the order of rows a function of (seed, epoch)."""

import math
import time
from collections.abc import Iterator

from trainwright.engines.contract import Unit
from trainwright.engines.sklearn._session import Session


class EpochSession(Session):
    """One pass over the permuted rows is a unit."""

    def units(self) -> Iterator[Unit]:
        """Train an epoch at a time."""
        import numpy as np

        target, weights = self.target(), self.weights()
        classes = {"classes": np.arange(self.form.num_classes)} if self.form.num_classes else {}
        while self.rounds < self.job.plan.rounds:
            started = time.perf_counter()
            order = self.job.seeds.generator("epoch", self.rounds).permutation(self.job.train.rows)
            shuffled = {name: values[order] for name, values in weights.items()}
            with self.framework() as told:
                self.estimator.partial_fit(self.job.train.X[order], target[order], **classes, **shuffled)
            self.rounds += 1
            loss = getattr(self.estimator, "loss_", math.nan)
            yield self.unit(started, told, {"train_loss": float(loss)} if hasattr(self.estimator, "loss_") else {})
