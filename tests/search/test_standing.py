"""Ranking, ties within the noise of seeds, and the luck of the best."""

import math

import numpy as np
import pytest

from tests.search.builders import record, settings
from trainwright.core.metrics import find
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.search.standing import judge, optimism, ranking

LOSS = find("log_loss", Task.BINARY)
AUC = find("roc_auc", Task.BINARY)


def repeats(number, values, size):
    return [record(number, v, repeat=at, size=size) for at, v in enumerate(values, start=1)]


def test_the_ranking_follows_the_metrics_direction_and_the_number():
    trials = [
        record(0, 0.3),
        record(1, 0.2),
        record(2, 0.2),
        record(3, None, state="failed"),
        record(4, 0.1, share=0.5),
    ]
    assert [r.number for r in ranking(settings(), trials)] == [1, 2, 0]
    assert [r.number for r in ranking(settings(primary=AUC), trials)] == [0, 1, 2]


def test_a_trial_that_time_cut_counts_only_where_no_other_does():
    cut = record(0, 0.1, state="cut")
    assert [r.number for r in ranking(settings(), [cut, record(1, 0.3)])] == [1]
    assert [r.number for r in ranking(settings(), [cut])] == [0]


def test_without_other_seeds_the_best_value_wins():
    verdict = judge(settings(), [record(0, 0.1), record(1, 0.2)], [])
    assert (verdict.number, verdict.tied, verdict.noise) == (0, (0,), None)


def test_a_margin_inside_the_noise_is_a_tie_and_the_smaller_model_wins():
    best = [record(0, 0.300), record(1, 0.301)]
    noisy = [*repeats(0, (0.310, 0.290), size=900), *repeats(1, (0.311, 0.291), size=100)]
    verdict = judge(settings(), best, noisy)
    assert (verdict.leader, verdict.number, verdict.tied) == (0, 1, (0, 1))
    assert verdict.noise == pytest.approx(0.01)
    assert "smallest model wins" in verdict.why


def test_a_margin_outside_of_the_noise_is_none():
    best = [record(0, 0.300), record(1, 0.350)]
    verdict = judge(settings(), best, [*repeats(0, (0.301, 0.299), 900), *repeats(1, (0.351, 0.349), 100)])
    assert (verdict.number, verdict.tied) == (0, (0,))


def test_other_seeds_can_change_the_leader():
    best = [record(0, 0.300), record(1, 0.310)]  # the first was lucky with the first seed
    verdict = judge(settings(), best, [*repeats(0, (0.400, 0.402), 100), *repeats(1, (0.309, 0.311), 900)])
    assert verdict.leader == 1
    higher = judge(settings(primary=AUC), best, [*repeats(0, (0.30, 0.30), 1), *repeats(1, (0.31, 0.31), 9)])
    assert higher.number == 1


def test_the_luck_of_the_best_of_many_guesses_is_seen():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    guesses = {}
    for number in range(20):
        p = rng.uniform(0.2, 0.8, 300)
        guesses[number] = np.column_stack([1 - p, p])
    found = optimism(AUC, y, guesses, weight=None, seeds=Seeds(1))
    assert found.value > 0.53, "one of twenty guesses looks good"
    assert abs(found.corrected - 0.5) < 0.03, "and is none"
    assert found == optimism(AUC, y, guesses, weight=None, seeds=Seeds(1))


def test_a_best_trial_that_is_better_for_good_is_no_luck():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    sure = np.clip(0.5 + (y - 0.5) * 0.8 + rng.normal(0, 0.05, 400), 0.01, 0.99)
    poor = np.full(400, 0.5)
    found = optimism(
        LOSS, y, {n: np.column_stack([1 - p, p]) for n, p in enumerate((poor, sure))}, weight=None, seeds=Seeds(1)
    )
    assert found.corrected == pytest.approx(found.value, abs=0.01)


def test_one_trial_needs_no_luck_and_one_class_no_auc():
    y = np.zeros(50, dtype=np.int64)
    p = np.column_stack([np.full(50, 0.5)] * 2)
    assert optimism(LOSS, y, {0: p}, weight=None, seeds=Seeds(1)) is None
    assert optimism(AUC, y, {0: p, 1: p}, weight=None, seeds=Seeds(1)) is None
    assert not math.isnan(optimism(LOSS, y, {0: p, 1: p}, weight=None, seeds=Seeds(1)).corrected)
