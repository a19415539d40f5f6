"""Whether rows still look like the rows a model was trained on: the population stability index of binned counts.

``PSI = sum((p - q) * ln(p / q))`` over bins, after Lewis, "An Introduction to Credit Scoring" (1994). The usual
readings, below 0.1 stable and above 0.25 a major shift, are those of Siddiqi, "Credit Risk Scorecards" (2006). For rows
of one population PSI follows ``(1/N + 1/M) * chi2(bins - 1)`` (Yurdakul and Naranjo, "Statistical properties of the
population stability index", Journal of Risk Model Validation 14(4), 2020): what chance alone reaches is never called
drift.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["stable", "moderate", "large", "not checked"]

MODERATE, LARGE = 0.1, 0.25  # Siddiqi 2006
FEW_ROWS = 100  # assumption: with 11 bins, below that most hold fewer than the 10 a share can be read from
_CHANCE = 0.001  # assumption: one false alarm in a thousand comparisons, all columns of them together
_HALF = 0.5  # added to each bin, so that an empty one has a logarithm (Haldane 1956, for odds)


@dataclass(frozen=True, slots=True)
class Drift:
    """A comparison of two counts: ``limit`` is what chance reaches; ``rows`` those compared with training."""

    psi: float
    limit: float
    rows: int
    verdict: Verdict


def compare_counts(expected: Sequence[int], actual: Sequence[int], *, columns: int = 1) -> Drift:
    """Compare counts in the same bins; ``columns`` is how many columns are compared in one go.

    Fewer than `FEW_ROWS` rows on either side are not checked.

    Raises:
        ValueError: another number of bins.
    """
    from scipy.special import gammaincinv

    if len(expected) != len(actual):
        raise ValueError(f"the same bins are needed, got {len(expected)} and {len(actual)}")
    before, now = sum(expected), sum(actual)
    bins = sum(1 for one, other in zip(expected, actual, strict=True) if one or other)
    if min(before, now) < FEW_ROWS or bins < 2:
        return Drift(psi=0.0, limit=0.0, rows=now, verdict="not checked" if min(before, now) < FEW_ROWS else "stable")
    psi = population_stability_index(expected, actual)
    chi2 = 2 * float(gammaincinv((bins - 1) / 2, 1 - _CHANCE / max(columns, 1)))
    limit = (1 / before + 1 / now) * chi2
    verdict: Verdict = "stable" if psi < max(MODERATE, limit) else "moderate" if psi < LARGE else "large"
    return Drift(psi=psi, limit=limit, rows=now, verdict=verdict)


def population_stability_index(expected: Sequence[int], actual: Sequence[int]) -> float:
    """The index of two counts in the same bins; bins that are empty in both do not count."""
    pairs = [(one + _HALF, other + _HALF) for one, other in zip(expected, actual, strict=True) if one or other]
    before, now = sum(one for one, _ in pairs), sum(other for _, other in pairs)
    return sum((other / now - one / before) * math.log((other / now) / (one / before)) for one, other in pairs)
