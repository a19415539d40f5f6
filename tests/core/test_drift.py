"""The population stability index, and what is called drift."""

import numpy as np
import pytest

from trainwright.core.drift import compare_counts, population_stability_index


def test_the_index_is_that_of_its_definition() -> None:
    """Shares 0.5, 0.3, 0.2 against 0.4, 0.3, 0.3: 0.1 ln(5/4) + 0.1 ln(3/2)."""
    found = population_stability_index([500_000, 300_000, 200_000], [400_000, 300_000, 300_000])
    assert found == pytest.approx(0.1 * np.log(5 / 4) + 0.1 * np.log(3 / 2), rel=1e-4)


def test_equal_counts_are_stable_and_empty_bins_do_not_count() -> None:
    assert population_stability_index([5, 0, 7], [5, 0, 7]) == 0.0
    assert population_stability_index([50, 0, 70, 0], [60, 0, 70, 0]) == population_stability_index([50, 70], [60, 70])
    assert np.isfinite(population_stability_index([100, 0], [0, 100]))


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        ([1000] * 10, [1000] * 10, "stable"),
        ([1000] * 10, [700] * 5 + [1300] * 5, "stable"),  # 0.093
        ([1000] * 10, [600] * 5 + [1400] * 5, "moderate"),  # 0.17
        ([1000] * 10, [0] * 5 + [2000] * 5, "large"),
        ([1000] * 10, [10] * 9, "not checked"),
        ([5] * 10, [1000] * 10, "not checked"),
        ([1000], [1000], "stable"),
    ],
)
def test_verdicts(before: list[int], now: list[int], verdict: str) -> None:
    now = now + [0] * (len(before) - len(now))
    assert compare_counts(before, now).verdict == verdict


def test_chance_alone_is_not_called_drift() -> None:
    """200 draws of 150 rows from the very population: plain PSI is above 0.1 in many of them."""
    rng = np.random.default_rng(0)
    shares = np.full(11, 1 / 11)
    before = rng.multinomial(400, shares).tolist()
    found = [compare_counts(before, rng.multinomial(150, shares).tolist(), columns=10) for _ in range(200)]
    assert sum(one.psi > 0.1 for one in found) > 20
    assert {one.verdict for one in found} == {"stable"}


def test_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="the same bins"):
        compare_counts([1, 2], [1, 2, 3])
