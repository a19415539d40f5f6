"""The training loop's fast metrics give the same numbers as scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.rows import some_rows
from trainwright.core.metrics import compute, find, metrics_for, monitor
from trainwright.core.tasks import Task

ALL = [pytest.param(m, task, id=f"{task}-{m.name}") for task in Task for m in metrics_for(task)]


@pytest.mark.parametrize(("metric", "task"), ALL)
@settings(max_examples=25, deadline=None)
@given(rows=st.integers(2, 60), seed=st.integers(0, 10**6), ties=st.booleans(), weighted=st.booleans())
def test_a_monitor_gives_the_value_of_compute(metric, task, rows, seed, ties, weighted):
    y, prediction, weight = some_rows(task, rows, seed, ties=ties)
    weight = weight if weighted else None
    expected = compute(metric, y, prediction, weight=weight)
    assert monitor(metric, y, weight)(prediction) == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.5 + 1e-16, 0.75, 1.0]), min_size=2, max_size=30),
    data=st.data(),
)
def test_ranking_with_ties_and_extremes(scores, data):
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(scores), max_size=len(scores))))
    p = np.column_stack([1 - np.array(scores), scores])
    for name in ("roc_auc", "pr_auc", "log_loss", "brier"):
        metric = find(name, Task.BINARY)
        expected = compute(metric, y, p)
        for weight in (None, np.ones(len(y))):
            assert monitor(metric, y, weight)(p) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_one_monitor_serves_many_predictions():
    y, prediction, _ = some_rows(Task.MULTICLASS, 80)
    for metric in metrics_for(Task.MULTICLASS):
        watch = monitor(metric, y, None)
        for power in (1.0, 2.0, 0.5):
            moved = prediction**power / (prediction**power).sum(axis=1, keepdims=True)
            assert watch(moved) == pytest.approx(compute(metric, y, moved), abs=1e-12)


@pytest.mark.parametrize(("metric", "task"), ALL)
def test_predictions_that_are_not_finite_give_nan(metric, task):
    y, prediction, _ = some_rows(task, 10)
    prediction[3] = math.nan
    assert math.isnan(monitor(metric, y, None)(prediction))


def test_an_undefined_metric_is_nan_for_every_prediction():
    watch = monitor(find("roc_auc", Task.BINARY), np.ones(4, dtype=int), None)
    assert math.isnan(watch(np.full((4, 2), 0.5)))


def test_a_constant_target_scores_as_in_scikit_learn():
    r2 = monitor(find("r2", Task.REGRESSION), np.full(4, 2.0), None)
    assert r2(np.full(4, 2.0)) == 1.0
    assert r2(np.full(4, 2.5)) == 0.0


def test_a_metric_without_a_fast_form_still_works():
    y, prediction, weight = some_rows(Task.BINARY, 40)
    metric = find("jaccard", Task.BINARY)
    assert monitor(metric, y, weight)(prediction) == compute(metric, y, prediction, weight=weight)


def test_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="needs shapes"):
        monitor(find("roc_auc", Task.BINARY), np.array([0, 1]), None)(np.array([0.1, 0.2]))


def test_columns_in_fortran_order_are_read_as_rows():
    y, prediction, _ = some_rows(Task.MULTICLASS, 50)
    metric = find("log_loss", Task.MULTICLASS)
    assert monitor(metric, y, None)(np.asfortranarray(prediction)) == pytest.approx(compute(metric, y, prediction))
