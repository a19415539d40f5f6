"""When a difference between training and validation is worth a warning."""

import math

import pytest

from trainwright.core.metrics import Interval, find, overfit_gap
from trainwright.core.tasks import Task


def _interval(low, high):
    return Interval(low=low, high=high, level=0.95, resamples=1000)


@pytest.mark.parametrize(
    ("name", "task", "train", "val", "half", "verdict"),
    [
        ("roc_auc", Task.BINARY, 0.90, 0.86, 0.01, "Acceptable"),  # 0.04 of 0.5 is 8 %
        ("roc_auc", Task.BINARY, 1.00, 0.86, 0.01, "Concerning"),
        ("roc_auc", Task.BINARY, 1.00, 0.86, 0.20, "Acceptable"),  # the validation rows cannot tell
        ("roc_auc", Task.BINARY, 0.70, 0.86, 0.01, "Acceptable"),  # better on validation
        ("accuracy", Task.BINARY, 0.99, 0.90, 0.01, "Acceptable"),  # 9 %
        ("accuracy", Task.BINARY, 0.99, 0.85, 0.01, "Concerning"),
        ("rmse", Task.REGRESSION, 0.80, 1.00, 0.05, "Acceptable"),
        ("rmse", Task.REGRESSION, 0.50, 1.00, 0.05, "Concerning"),
        ("rmse", Task.REGRESSION, 0.50, 1.00, 0.60, "Acceptable"),
        ("rmse", Task.REGRESSION, 160.0, 200.0, 5.0, "Acceptable"),  # 20 %, in any unit
        ("rmse", Task.REGRESSION, 0.0005, 0.0010, 0.0001, "Concerning"),
        ("rmse", Task.REGRESSION, 1.50, 1.00, 0.05, "Acceptable"),
        ("r2", Task.REGRESSION, 0.95, 0.70, 0.05, "Concerning"),
        ("roc_auc", Task.BINARY, math.nan, 0.86, 0.01, "Acceptable"),
    ],
)
def test_verdicts(name, task, train, val, half, verdict):
    gap = overfit_gap(find(name, task), train, val, _interval(val - half, val + half))
    assert gap.verdict == verdict


def test_the_gap_is_positive_when_training_is_better_in_either_direction():
    assert overfit_gap(find("roc_auc", Task.BINARY), 0.9, 0.8, _interval(0.7, 0.9)).gap == pytest.approx(0.1)
    assert overfit_gap(find("log_loss", Task.BINARY), 0.3, 0.4, _interval(0.3, 0.5)).gap == pytest.approx(0.1)


def test_the_rule_states_its_numbers_and_that_it_is_an_assumption():
    gap = overfit_gap(find("roc_auc", Task.BINARY), 1.0, 0.86, _interval(0.85, 0.87))
    assert "10% of the 0.5 between chance and perfect (0.05)" in gap.rule
    assert "(0.01)" in gap.rule
    assert "assumption" in gap.rule
    assert "25% of the validation value (0.25)" in overfit_gap(
        find("rmse", Task.REGRESSION), 0.5, 1.0, _interval(0.9, 1.1)
    ).rule  # fmt: skip


def test_an_unknown_interval_leaves_the_size_to_decide():
    gap = overfit_gap(find("roc_auc", Task.BINARY), 1.0, 0.86, _interval(math.nan, math.nan))
    assert gap.verdict == "Concerning"
