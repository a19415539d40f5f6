"""Each rule that ends a trial: when it does, and when it must not."""

import pytest

from tests.search.builders import record, settings
from trainwright.core.metrics import find
from trainwright.core.tasks import Task
from trainwright.search.pruning import choose, loses_folds, pruner

GOOD = tuple((r, 0.5 - 0.2 * r / (r + 20)) for r in range(10, 101, 10))  # down to 0.333


def ends_at(wanted, curve, done, number=9, limit=100):
    """The round at which a trial with that curve ends; None where it goes on."""
    prunes = pruner(wanted, number, done, limit=limit)
    return next((rounds for rounds, value in curve if prunes(rounds, value)), None)


@pytest.mark.parametrize(
    ("wanted", "unit", "folds", "chosen"),
    [
        ("auto", "round", 0, "outlook"),
        ("auto", "tree", 0, "outlook"),
        ("auto", "epoch", 0, "median"),
        ("auto", "fit", 0, "none"),
        ("auto", "round", 5, "wilcoxon"),
        ("asha", "round", 0, "asha"),
        ("none", "epoch", 0, "none"),
    ],
)
def test_what_auto_chooses(wanted, unit, folds, chosen):
    assert choose(wanted, unit, folds) == chosen


def test_a_trial_that_has_flattened_behind_the_best_one_ends():
    done = [record(0, 0.333, curve=GOOD)]
    flat = [(r, 0.45 if r > 20 else 0.5) for r in range(10, 101, 10)]
    assert ends_at(settings(pruner="outlook"), flat, done) == 60
    assert ends_at(settings(pruner="none"), flat, done) is None


def test_a_slow_trial_that_can_still_get_there_goes_on():
    done = [record(0, 0.333, curve=GOOD)]
    slow = [(r, 0.5 - 0.0017 * r) for r in range(10, 101, 10)]  # 0.33 at the end, and worse all the way
    assert ends_at(settings(pruner="outlook"), slow, done) is None
    assert ends_at(settings(pruner="outlook"), [(r, 0.5 - 0.0012 * r) for r in range(10, 101, 10)], done) == 60


def test_gains_that_shrink_with_every_doubling_end_a_trial_long_before_a_line_would():
    done = [record(0, 0.333, curve=GOOD)]
    shrinking = [(r, 0.4 + 0.1 * 10 / r) for r in range(10, 10_001, 10)]  # never below 0.4; its line is, for long
    end = ends_at(settings(pruner="outlook"), shrinking, done, limit=10_000)
    assert end is not None
    assert end <= 200
    to_the_best = [(r, 0.33 + 0.1 * 10 / r) for r in range(10, 10_001, 10)]
    assert ends_at(settings(pruner="outlook"), to_the_best, done, limit=10_000) is None


def test_gains_that_grow_with_a_doubling_end_nothing():
    done = [record(0, 0.333, curve=GOOD)]
    late = [(r, 0.6 - 0.00004 * r) for r in range(10, 5_001, 10)]  # 0.2 at the end; each doubling brings twice as much
    assert ends_at(settings(pruner="outlook"), late, done, limit=10_000) is None


def test_one_bad_evaluation_ends_nothing():
    bumpy = [(10, 0.40), (20, 0.38), (30, 0.39), (40, 0.37), (50, 0.35), (60, 0.36), (70, 0.335)]
    assert ends_at(settings(pruner="outlook"), bumpy, [record(0, 0.333, curve=GOOD)]) is None


def test_nothing_is_ended_before_a_trial_is_complete():
    awful = [(r, 9.0) for r in range(10, 101, 10)]
    pruned = [record(n, None, state="pruned", curve=GOOD) for n in range(8)]
    for name in ("outlook", "median"):
        assert ends_at(settings(pruner=name), awful, pruned) is None


def test_a_metric_to_be_maximised_is_turned_round():
    auc = find("roc_auc", Task.BINARY)
    done = [record(0, 0.9, curve=tuple((r, 0.9) for r in range(10, 101, 10)))]
    wanted = settings(pruner="outlook", primary=auc, watch=auc)
    assert ends_at(wanted, [(r, 0.8) for r in range(10, 101, 10)], done) == 60
    assert ends_at(wanted, [(r, 0.95) for r in range(10, 101, 10)], done) is None


def test_the_median_rule_waits_for_five_trials_and_the_warm_up():
    done = [record(n, 0.333, curve=tuple((r, v + n / 100) for r, v in GOOD)) for n in range(5)]
    behind = [(r, v + 0.03) for r, v in GOOD]
    wanted = settings(pruner="median")
    assert ends_at(wanted, behind, done) == 20
    assert ends_at(wanted, behind, done[:4]) is None
    assert ends_at(wanted, [(r, v + 0.01) for r, v in GOOD], done) is None


def test_successive_halving_keeps_the_best_third_at_each_rung():
    done = [record(n, 0.3, curve=tuple((r, v + n / 100) for r, v in GOOD)) for n in range(6)]
    wanted = settings(pruner="asha")
    assert ends_at(wanted, [(r, v - 0.01) for r, v in GOOD], done) is None
    assert ends_at(wanted, [(r, v + 0.015) for r, v in GOOD], done) == 10
    crossing = [(r, 0.2 if r < 30 else 0.6) for r, _ in GOOD]
    assert ends_at(wanted, crossing, done) is None, "the best value so far is compared"


def test_hyperbands_brackets_begin_later():
    done = [record(n, 0.3, curve=tuple((r, v + n / 100) for r, v in GOOD)) for n in range(6)]
    behind = [(r, v + 0.05) for r, v in GOOD]
    assert [ends_at(settings(pruner="hyperband"), behind, done, number) for number in (9, 10, 11)] == [10, 20, 40]


def test_folds_are_compared_in_pairs_and_a_better_mean_goes_on():
    best = record(0, 0.30, folds=(0.30, 0.31, 0.29, 0.30, 0.30))
    wanted = settings(pruner="wilcoxon")
    assert loses_folds(wanted, [0.40, 0.41, 0.39, 0.42], [best])
    assert not loses_folds(wanted, [0.40, 0.41], [best]), "two folds prove nothing"
    assert not loses_folds(wanted, [0.29, 0.30, 0.28, 0.29], [best])
    assert not loses_folds(wanted, [0.30, 0.31, 0.29, 0.30], [best]), "equal is not worse"
    assert not loses_folds(settings(pruner="none"), [0.9, 0.9, 0.9, 0.9], [best])
    assert not loses_folds(wanted, [0.9, 0.9, 0.9, 0.9], [])
