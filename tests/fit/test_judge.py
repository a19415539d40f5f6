"""What the driver watches: exact on validation rows, and a training curve that costs little."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fit.test_driver import RMSE, Run
from trainwright.engines.contract import Table
from trainwright.fit.judge import Judge


class Ruler:
    """Predicts a row's first number plus the unit it is in; counts the rows it was asked for."""

    keeps_every_round = False

    def __init__(self, job, *, keeps_predictions):
        self.job, self.keeps_predictions, self.asked = job, keeps_predictions, 0

    def predict(self, X, *, rounds=None):
        self.asked += len(X)
        return X[:, 0] + 1.0

    def predict_part(self, part):
        return self.predict((self.job.train if part == "train" else self.job.val).X)


def judged(tmp_path: Path, *, rows: int, val_rows: int, kept: bool, units: int = 10):
    """The metrics of each unit, and how many training rows were predicted for them."""
    job = Run(tmp_path, [0.0]).job
    values = np.arange(rows, dtype=np.float64)
    train = Table(X=values[:, None], y=values)
    val = Table(X=values[:val_rows, None], y=values[:val_rows] + 3.0)
    session = Ruler(replace(job, train=train, val=val), keeps_predictions=kept)
    judge = Judge(session, session.job, (RMSE,))
    found = [judge.judge(n, last=n == units)[0] for n in range(1, units + 1)]
    return found, session.asked - units * val_rows


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("rows", [1, 900, 30_000])
def test_validation_is_judged_in_each_unit_and_training_rows_at_the_ends(tmp_path, rows, kept):
    found, _ = judged(tmp_path, rows=rows, val_rows=1, kept=kept)

    assert [f["val"]["rmse"] for f in found] == pytest.approx([2.0] * 10)
    assert found[0]["train"]["rmse"] == found[-1]["train"]["rmse"] == pytest.approx(1.0)


def test_kept_scores_give_a_point_in_each_unit_of_a_small_table(tmp_path):
    found, _ = judged(tmp_path, rows=900, val_rows=100, kept=True)
    assert all("train" in f for f in found)


@pytest.mark.parametrize(
    ("rows", "val_rows", "points", "predicted"),
    [
        (400_000, 5_000, 10, 50_000),  # as many rows as validation has, 1.25% of an epoch's
        (50_000, 5_000, 6, 30_000),  # a tenth of the rows, so in every second unit, and in the last
        (500, 100, 3, 1_500),  # all of a small table, seldom
        (1_000_000, 400_000, 10, 200_000),  # never more than a curve needs
    ],
)
def test_forward_passes_for_the_training_curve_are_few(tmp_path, rows, val_rows, points, predicted):
    found, asked = judged(tmp_path, rows=rows, val_rows=val_rows, kept=False)
    assert sum("train" in f for f in found) == points
    assert asked == predicted
