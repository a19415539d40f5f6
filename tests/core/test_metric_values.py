"""Metric values against scikit-learn and by hand; undefined is NaN and silent."""

import math

import numpy as np
import pytest
import sklearn.metrics as sk

from tests.core.rows import some_rows
from trainwright.core.metrics import compute, compute_all, confusion, find, metrics_for, why_undefined
from trainwright.core.tasks import Task


def _value(name, task, y, prediction, weight=None):
    return compute(find(name, task), np.asarray(y), np.asarray(prediction, dtype=float), weight=weight)


@pytest.mark.parametrize("weighted", [False, True])
def test_binary_values_are_those_of_scikit_learn(weighted):
    y, p, w = some_rows(Task.BINARY, 300)
    w = w if weighted else None
    labels = p.argmax(axis=1)
    expected = {
        "roc_auc": sk.roc_auc_score(y, p[:, 1], sample_weight=w),
        "pr_auc": sk.average_precision_score(y, p[:, 1], sample_weight=w),
        "log_loss": sk.log_loss(y, p, sample_weight=w),
        "brier": sk.brier_score_loss(y, p[:, 1], sample_weight=w),
        "accuracy": sk.accuracy_score(y, labels, sample_weight=w),
        "balanced_accuracy": sk.balanced_accuracy_score(y, labels, sample_weight=w),
        "precision": sk.precision_score(y, labels, sample_weight=w),
        "recall": sk.recall_score(y, labels, sample_weight=w),
        "f1": sk.f1_score(y, labels, sample_weight=w),
        "f1_macro": sk.f1_score(y, labels, average="macro", sample_weight=w),
        "f1_weighted": sk.f1_score(y, labels, average="weighted", sample_weight=w),
        "mcc": sk.matthews_corrcoef(y, labels, sample_weight=w),
    }
    values = compute_all(Task.BINARY, y, p, weight=w)
    assert {k: values[k] for k in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_multiclass_values_are_those_of_scikit_learn(weighted):
    y, p, w = some_rows(Task.MULTICLASS, 300)
    w = w if weighted else None
    labels = p.argmax(axis=1)
    values = compute_all(Task.MULTICLASS, y, p, weight=w)
    assert values["roc_auc"] == pytest.approx(
        sk.roc_auc_score(y, p, multi_class="ovr", average="macro", sample_weight=w), abs=1e-12
    )
    assert values["pr_auc"] == pytest.approx(sk.average_precision_score(y, p, sample_weight=w), abs=1e-12)
    assert values["log_loss"] == pytest.approx(sk.log_loss(y, p, sample_weight=w), abs=1e-12)
    assert values["brier"] == pytest.approx(sk.brier_score_loss(y, p, sample_weight=w), abs=1e-12)
    assert values["recall_macro"] == pytest.approx(sk.recall_score(y, labels, average="macro", sample_weight=w))
    assert set(values) == {m.name for m in metrics_for(Task.MULTICLASS)}


@pytest.mark.parametrize("weighted", [False, True])
def test_regression_values_are_those_of_scikit_learn(weighted):
    y, p, w = some_rows(Task.REGRESSION, 300)
    w = w if weighted else None
    values = compute_all(Task.REGRESSION, y, p, weight=w)
    assert values == pytest.approx(
        {
            "rmse": sk.root_mean_squared_error(y, p, sample_weight=w),
            "mae": sk.mean_absolute_error(y, p, sample_weight=w),
            "r2": sk.r2_score(y, p, sample_weight=w),
            "median_ae": sk.median_absolute_error(y, p, sample_weight=w),
            "mape": sk.mean_absolute_percentage_error(y, p, sample_weight=w),
            "rmsle": sk.root_mean_squared_log_error(y, p, sample_weight=w),
            "max_error": sk.max_error(y, p),
        },
        abs=1e-12,
    )


def test_calibration_error_by_hand():
    # Binary, positive-class probability: 0.9 four times with three positives, 0.1 (first bins) once with one.
    p = np.array([0.9, 0.9, 0.9, 0.9, 0.1])
    y = [1, 1, 1, 0, 1]
    expected = (abs(3 - 4 * 0.9) + abs(1 - 0.1)) / 5
    assert _value("ece", Task.BINARY, y, np.column_stack([1 - p, p])) == pytest.approx(expected)
    # Multiclass, most probable class: confidences 0.5 (wrong) and 0.8 (right).
    three = [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]
    assert _value("ece", Task.MULTICLASS, [1, 2], three) == pytest.approx((0.5 + 0.2) / 2)
    assert _value("ece", Task.MULTICLASS, [1, 2], three, np.array([3.0, 1.0])) == pytest.approx((1.5 + 0.2) / 4)


def test_calibration_bins_are_closed_on_the_right_and_take_zero_and_one():
    edge = 1 / 15
    p = np.array([0.0, edge, 1.0])  # 0 and 1/15 share the first bin: their errors cancel before the absolute value
    assert _value("ece", Task.BINARY, [0, 0, 1], np.column_stack([1 - p, p])) == pytest.approx(edge / 3)
    assert _value("ece", Task.BINARY, [1, 0, 1], np.column_stack([1 - p, p])) == pytest.approx((1 - edge) / 3)


def test_a_class_missing_from_the_targets_does_not_hide_the_others():
    y, p, _ = some_rows(Task.MULTICLASS, 200)
    keep = y != 3
    y, p = y[keep], p[keep]
    values = compute_all(Task.MULTICLASS, y, p)
    assert values["roc_auc"] == pytest.approx(np.mean([sk.roc_auc_score(y == c, p[:, c]) for c in range(3)]))
    assert values["log_loss"] == pytest.approx(sk.log_loss(y, p, labels=[0, 1, 2, 3]))
    assert set(values) == {m.name for m in metrics_for(Task.MULTICLASS)}


def test_one_class_only_leaves_out_what_is_undefined():
    p = np.column_stack([np.full(5, 0.4), np.full(5, 0.6)])
    only_negative = compute_all(Task.BINARY, np.zeros(5, dtype=int), p)
    assert {"roc_auc", "pr_auc", "precision", "recall", "f1"}.isdisjoint(only_negative)
    assert only_negative["accuracy"] == 0.0
    only_positive = compute_all(Task.BINARY, np.ones(5, dtype=int), p)
    assert {"roc_auc", "pr_auc"}.isdisjoint(only_positive)
    assert only_positive["f1"] == 1.0


@pytest.mark.parametrize(
    ("name", "y", "prediction"),
    [("rmsle", [-1.0, 2.0], [1.0, 2.0]), ("rmsle", [1.0, 2.0], [-0.5, 2.0]), ("mape", [0.0, 2.0], [1.0, 2.0]),
     ("r2", [1.0], [1.0]), ("rmse", [], []), ("rmse", [1.0, 2.0], [math.nan, 2.0]), ("mae", [1.0], [math.inf]),
     ("mean_poisson_deviance", [1.0, 2.0], [-1.0, 2.0])],
)  # fmt: skip
def test_undefined_is_nan_without_a_warning(name, y, prediction):
    assert math.isnan(_value(name, Task.REGRESSION, y, prediction))


def test_undefined_values_are_left_out():
    values = compute_all(Task.REGRESSION, np.array([0.0, -1.0]), np.array([0.5, 0.5]))
    assert {"mape", "rmsle"}.isdisjoint(values)
    assert values["rmse"] == pytest.approx(math.sqrt(1.25))


@pytest.mark.parametrize("task", Task)
def test_every_metric_stays_silent_on_every_odd_input(task):
    y, p, _ = some_rows(task, 12)
    odd = [p * math.nan, p * 0, p * 7, -p, p[:1], p[:0]]
    for metric in metrics_for(task):
        for prediction in odd:
            assert isinstance(compute(metric, y[: len(prediction)], prediction), float)


def test_what_is_no_probability_is_not_judged_as_one():
    assert math.isnan(_value("log_loss", Task.BINARY, [0, 1], [[-3.0, 4.0], [0.5, 0.5]]))
    assert math.isnan(_value("log_loss", Task.BINARY, [0, 1], [[0.5, 4.0], [0.5, 0.5]]))
    slightly = [[1.0 + 1e-9, -1e-9], [0.5, 0.5]]
    assert _value("log_loss", Task.BINARY, [0, 1], slightly) == pytest.approx(math.log(2) / 2)
    assert _value("accuracy", Task.BINARY, [1, 1], [[-3.0, 4.0], [5.0, 4.0]]) == 0.5


@pytest.mark.parametrize(
    ("name", "y", "words"),
    [
        ("roc_auc", [1, 1], "only one class occurs"),
        ("f1", [0, 0], "positive class does not occur"),
        ("log_loss", [], "no rows"),
    ],
)
def test_why_a_metric_is_undefined(name, y, words):
    assert words in why_undefined(find(name, Task.BINARY), np.array(y, dtype=int))


def test_a_defined_metric_has_no_reason_against_it():
    assert why_undefined(find("roc_auc", Task.BINARY), np.array([0, 1])) == ""
    assert "are 0" in why_undefined(find("mape", Task.REGRESSION), np.array([0.0, 1.0]))
    assert "negative" in why_undefined(find("rmsle", Task.REGRESSION), np.array([-1.0, 1.0]))


@pytest.mark.parametrize(
    ("y", "prediction"), [([0, 1], [[0.5, 0.5]]), ([0, 1], [0.5, 0.5]), ([[0], [1]], [[0.5, 0.5]] * 2)]
)
def test_shapes_that_do_not_belong_together_are_a_mistake_of_the_caller(y, prediction):
    with pytest.raises(ValueError, match=r"roc_auc needs shapes \(rows,\) and \(rows, classes\)"):
        _value("roc_auc", Task.BINARY, y, prediction)


def test_confusion_counts_true_down_and_predicted_across():
    y = np.array([0, 0, 1, 2])
    p = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.9, 0.1, 0.0]])
    table = confusion(y, p)
    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert table.tolist() == sk.confusion_matrix(y, p.argmax(axis=1), labels=[0, 1, 2]).tolist()
