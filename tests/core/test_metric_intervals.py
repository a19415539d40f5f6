"""Bootstrap intervals: the fast forms against plain resampling, coverage, and the limits."""

import math

import numpy as np
import pytest

from tests.core.rows import some_rows
from trainwright.core.metrics import bootstrap_interval, compute, find, metrics_for, standard_error
from trainwright.core.metrics.intervals import _statistic, affordable
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task

ALL = [pytest.param(m, task, id=f"{task}-{m.name}") for task in Task for m in metrics_for(task)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("metric", "task"), ALL)
def test_counting_rows_equals_repeating_them(metric, task, ties, weighted):
    y, prediction, weight = some_rows(task, 90, ties=ties)
    given = weight if weighted else None
    statistic, _ = _statistic(metric, y, prediction, given)
    generator = np.random.default_rng(1)
    for _ in range(3):
        drawn = generator.integers(0, len(y), len(y))
        repeated = compute(metric, y[drawn], prediction[drawn], weight=None if given is None else given[drawn])
        counted = statistic(np.bincount(drawn, minlength=len(y)).astype(float))
        assert counted == pytest.approx(repeated, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize(("metric", "task"), ALL)
def test_an_interval_holds_its_value_and_repeats(metric, task):
    y, prediction, _ = some_rows(task, 200)
    first = bootstrap_interval(metric, y, prediction, seeds=Seeds(3), resamples=200)
    assert first.low < first.high
    assert first.resamples == 200
    assert first == bootstrap_interval(metric, y, prediction, seeds=Seeds(3), resamples=200)
    assert first != bootstrap_interval(metric, y, prediction, seeds=Seeds(4), resamples=200)
    if metric.name not in {"calibration_error", "max_error"}:  # both are biased under resampling
        assert first.low <= compute(metric, y, prediction) <= first.high


def test_the_interval_of_a_mean_is_that_of_theory():
    # MAE of errors that are normal: a mean of 2000 values, so mean ± 1.96 standard errors.
    errors = np.abs(np.random.default_rng(0).normal(0, 1, 2000))
    interval = bootstrap_interval(find("mae", Task.REGRESSION), np.zeros(2000), errors, seeds=Seeds(0), resamples=2000)
    half = 1.96 * errors.std() / math.sqrt(2000)
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=0.08)
    assert (interval.high + interval.low) / 2 == pytest.approx(errors.mean(), abs=half / 10)


def test_ninety_percent_intervals_cover_the_truth_about_as_often():
    # Accuracy of a coin that is right 7 times in 10. 200 experiments: 90 % ± 3 standard errors of 2.1 %.
    metric = find("accuracy", Task.BINARY)
    covered = 0
    for experiment in range(200):
        right = np.random.default_rng(experiment).random(300) < 0.7
        prediction = np.column_stack([1.0 - right, 1.0 * right])
        interval = bootstrap_interval(
            metric, np.ones(300, dtype=int), prediction, seeds=Seeds(experiment), resamples=200, level=0.9
        )
        covered += interval.low <= 0.7 <= interval.high
    assert 0.835 <= covered / 200 <= 0.965


def test_a_higher_level_is_wider():
    y, prediction, _ = some_rows(Task.BINARY, 150)
    metric = find("roc_auc", Task.BINARY)
    narrow, wide = (
        bootstrap_interval(metric, y, prediction, seeds=Seeds(0), resamples=400, level=level) for level in (0.5, 0.99)
    )
    assert wide.low < narrow.low < narrow.high < wide.high
    assert (narrow.level, wide.level) == (0.5, 0.99)


def test_an_undefined_metric_has_no_interval():
    interval = bootstrap_interval(
        find("roc_auc", Task.BINARY), np.ones(20, dtype=int), np.full((20, 2), 0.5), seeds=Seeds(0)
    )
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert interval.resamples == 0


@pytest.mark.parametrize("name", ["roc_auc", "f1", "recall"])
def test_resamples_without_the_rare_class_do_not_count(name):
    y = np.zeros(30, dtype=int)
    y[0] = 1  # missing from 36 % of resamples
    p = np.column_stack([np.linspace(0.1, 1, 30), np.linspace(0.9, 0, 30)])
    interval = bootstrap_interval(find(name, Task.BINARY), y, p, seeds=Seeds(0), resamples=500)
    assert 250 < interval.resamples < 400


@pytest.mark.parametrize(
    ("work", "wanted", "used"), [(1000, 1000, 1000), (1e6, 1000, 200), (4e5, 1000, 500), (1e9, 50, 50)]
)
def test_resamples_shrink_with_the_work_but_not_below_two_hundred(work, wanted, used):
    assert affordable(work, wanted) == used


def test_a_scorer_without_a_fast_form_gets_an_interval():
    y, prediction, _ = some_rows(Task.BINARY, 60)
    interval = bootstrap_interval(find("jaccard", Task.BINARY), y, prediction, seeds=Seeds(0), resamples=40)
    assert interval.low < interval.high
    assert interval.resamples == 40


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "task"), [("log_loss", Task.BINARY), ("log_loss", Task.MULTICLASS), ("rmse", Task.REGRESSION)]
)
def test_the_standard_error_is_that_of_resampled_rows(name, task, weighted):
    y, prediction, weight = some_rows(task, 400, ties=False)
    given = weight if weighted else None
    metric = next(m for m in metrics_for(task) if m.name == name)
    interval = bootstrap_interval(metric, y, prediction, weight=given, seeds=Seeds(4))
    found = standard_error(name, y, prediction, given)
    assert found == pytest.approx((interval.high - interval.low) / (2 * 1.96), rel=0.15)
