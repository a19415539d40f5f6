"""Metrics of language models: ratios of sums over rows, in every place that computes them."""

import math

import numpy as np
import pytest

from trainwright.core.errors import SpecError
from trainwright.core.metrics import (
    bootstrap_interval,
    compute,
    compute_all,
    default_metric,
    find,
    loss_metric,
    monitor,
)
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task

CHARACTERS = np.array([100.0, 50.0, 10.0])
NATS = np.array([120.0, 90.0, 5.0])
MEAN = 215 / 160


def test_values_are_means_over_characters_not_rows() -> None:
    values = compute_all(Task.LANGUAGE, CHARACTERS, NATS)
    assert values == pytest.approx(
        {"bits_per_character": MEAN / math.log(2), "nats_per_character": MEAN, "perplexity": math.exp(MEAN)}
    )


@pytest.mark.parametrize("name", ["bits_per_character", "nats_per_character", "perplexity"])
def test_monitor_and_interval_agree_with_the_value(name: str) -> None:
    metric = find(name, Task.LANGUAGE)
    value = compute(metric, CHARACTERS, NATS)
    assert monitor(metric, CHARACTERS, None)(NATS) == pytest.approx(value, rel=1e-12)
    interval = bootstrap_interval(metric, CHARACTERS, NATS, seeds=Seeds(0))
    assert interval.low <= value <= interval.high
    assert not metric.higher_is_better


def test_undefined_without_characters_or_with_broken_predictions() -> None:
    metric = default_metric(Task.LANGUAGE)
    assert math.isnan(compute(metric, np.zeros(2), np.ones(2)))
    assert math.isnan(compute(metric, CHARACTERS, np.array([1.0, np.nan, 1.0])))
    assert math.isnan(compute(find("perplexity", Task.LANGUAGE), np.ones(1), np.array([1e6])))


def test_names() -> None:
    assert default_metric(Task.LANGUAGE).name == "bits_per_character"
    assert loss_metric(Task.LANGUAGE).name == "nats_per_character"
    assert find("BPC", Task.LANGUAGE).name == "bits_per_character"
    for name in ("roc_auc", "nonsense"):
        with pytest.raises(SpecError, match="bits_per_character"):
            find(name, Task.LANGUAGE)
    with pytest.raises(SpecError):
        find("bits_per_character", Task.REGRESSION)
