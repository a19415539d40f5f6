"""What the driver watches: exact on validation rows, and a training curve that costs little."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from tests.fit.test_driver import RMSE, Run
from trainwright.core.metrics import bootstrap_interval
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


def test_signs_tell_how_sure_the_validation_loss_is(tmp_path):
    job = Run(tmp_path, [0.0]).job
    values = np.arange(400.0)
    val = Table(X=values[:, None], y=values + np.random.default_rng(1).normal(size=400))
    session = Ruler(replace(job, train=val, val=val), keeps_predictions=True)
    judge = Judge(session, session.job, (RMSE,), signs=True)
    judge.judge(1, last=True)
    resampled = bootstrap_interval(RMSE, val.y, values + 1.0, seeds=job.seeds)
    assert judge.signs["val_loss_error"] == pytest.approx((resampled.high - resampled.low) / 3.92, rel=0.1)
    assert judge.signs["lowest_prediction"] == pytest.approx((1 - val.y.mean()) / val.y.std())


def _scale(tmp_path: Path, X, **changes):
    job = Run(tmp_path, [0.0]).job
    names = tuple("abc")[: X.shape[1]]
    job = replace(job, train=Table(X=X, y=np.arange(float(X.shape[0]))), feature_names=names, **changes)
    return Judge(Ruler(job, keeps_predictions=True), job, (RMSE,)).constants().get("input_scale")


def test_the_scale_of_inputs_is_that_of_their_largest_column(tmp_path):
    X = np.random.default_rng(2).normal(size=(3000, 3)) * [1.0, 5000.0, 0.0]
    found = _scale(tmp_path, X)
    assert found["column"] == "b"
    assert 3000 < found["largest"] < 4000  # the median of |x| of a normal column is 0.67 of its spread
    assert _scale(tmp_path, scipy.sparse.csr_matrix(X)) == found


def test_single_broken_rows_codes_and_gaps_have_no_scale(tmp_path):
    X = np.random.default_rng(2).normal(size=(300, 3))
    X[7] = [np.inf, 1e30, np.nan]
    X[:, 2] = 4000.0
    assert _scale(tmp_path, X, categorical=(2,))["largest"] < 2
    assert _scale(tmp_path, np.full((5, 1), np.nan)) is None
    assert _scale(tmp_path, np.full((5, 1), np.inf)) is None


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
