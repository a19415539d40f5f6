"""How far claimed probabilities are from what happened."""

from typing import TYPE_CHECKING

from trainwright.report.facts import Facts
from trainwright.report.predictions import Predictions
from trainwright.report.reading import finite

if TYPE_CHECKING:
    import numpy as np

BINS = 10  # the usual number for reliability diagrams (Guo et al. 2017 use 15; 10 leave more rows in each)
ROWS_IN_BIN = 20  # fewer rows give a share with a standard error above 0.1


FEW_ROWS = 50  # assumption: fewer rows say nothing about probabilities


def calibration_error(facts: Facts) -> float | None:
    """Expected calibration error on held-out rows: the run's own metric, so that every text names the same number.

    Counted from the predictions where the record has none; None for other targets and with too few rows.
    """
    held = facts.held_out()
    if held is None or not facts.classes or len(held) < FEW_ROWS:
        return None
    known = finite(facts.metrics.get(held.part, {}).get("calibration_error"))
    return reliability(*claims(held))[1] if known is None else known


def claims(found: Predictions) -> "tuple[np.ndarray, np.ndarray]":
    """What was claimed and whether it came true: the positive class of two, else the most probable class."""
    if len(found.classes) == 2:
        return found.probability[:, 1], (found.y == 1).astype(float)
    return found.probability.max(axis=1), (found.y == found.predicted).astype(float)


def reliability(claimed: "np.ndarray", right: "np.ndarray") -> tuple[list[tuple[float, float, float]], float]:
    """Mean claim, share that came true and its standard error by bin of equally many rows; and the mean distance.

    The distance is weighted by rows: the expected calibration error with equal-mass bins.
    """
    import numpy as np

    bins = max(min(BINS, len(claimed) // ROWS_IN_BIN), 2)
    parts = [p for p in np.array_split(np.argsort(claimed, kind="stable"), bins) if len(p)]
    points, distance = [], 0.0
    for part in parts:
        claim, share = float(claimed[part].mean()), float(right[part].mean())
        points.append((claim, share, float(np.sqrt(max(share * (1 - share), 1e-9) / len(part)))))
        distance += abs(claim - share) * len(part)
    return points, distance / len(claimed)
