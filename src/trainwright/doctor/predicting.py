"""What the predictions on validation rows say: one answer for all, or more confidence than is earned."""

import math

from trainwright.core.findings import Finding, Severity
from trainwright.doctor.history import History, Series

# Assumptions, measured with benchmarks/clinic.py as those of `losses`.
_COLLAPSED = 0.995  # of the rows get the same class
_VARIED = 0.95  # ... where at most this share of them belongs to it
_FLAT = 0.02  # of the spread of the true values
_UNITS = 3  # evaluations before a model may be judged by its answers
_TRUST = 0.10  # confidence above accuracy that people act on
_ERRORS = 3.0  # standard errors of the accuracy on top


def collapsed(history: History) -> Finding | None:
    """Every row gets the same answer."""
    shares, truth = history.of("top_class_share"), history.number("true_top_class_share")
    spread = history.of("prediction_spread")
    if len(shares.values) >= _UNITS and truth is not None and truth <= _VARIED and _at_end(shares) >= _COLLAPSED:
        said = f"{_at_end(shares):.1%} of validation rows are predicted as one class, which is right for {truth:.1%}"
    elif len(spread.values) >= _UNITS and _at_end(spread, smallest=False) <= _FLAT:
        said = f"predicted values spread over {_at_end(spread, smallest=False):.1%} of what the true ones do"
    else:
        return None
    return Finding(
        code="doctor.class_collapse" if truth is not None else "doctor.constant_prediction",
        severity=Severity.WARNING,
        where=history.text("stage"),
        what=said,
        why="The model found no use for its features, a class is much rarer than another, or the rate was too high",
        fix="Use training.class_weight: balanced where a class is rare, lower the learning rate, look at the features",
        evidence={"top_class_share": shares.values[-1] if shares.values else None, "truth": truth},
    )


def miscalibrated(history: History) -> Finding | None:
    """Probabilities of the kept model that are far from how often it is right."""
    gaps, rows, kept = history.of("overconfidence"), history.number("val_rows"), history.number("selected")
    if not history.text("reason") or not gaps.values or not rows:
        return None
    at = gaps.steps[-1] if kept is None else kept
    gap = min(zip(gaps.steps, gaps.values, strict=True), key=lambda point: abs(point[0] - at))[1]
    if abs(gap) <= _TRUST + _ERRORS * math.sqrt(0.25 / rows) * 0.5:
        return None
    word = "above" if gap > 0 else "below"
    return Finding(
        code="doctor.miscalibrated",
        severity=Severity.WARNING,
        where=history.text("stage"),
        what=f"the mean probability of the predicted class lies {abs(gap):.1%} {word} its accuracy on validation rows",
        why="Overfitting makes a model too sure; a rate or a round count that is too low makes it too timid",
        fix="Regularise more or stop earlier if it is too sure, train longer if too timid; calibrate before you use "
        "the probabilities",
        evidence={"confidence_minus_accuracy": gap, "rows": rows},
    )


def _at_end(series: Series, *, smallest: bool = True) -> float:
    """The least (or most) of the last evaluations: all of them agree on at least (or at most) that."""
    return (min if smallest else max)(series.values[-_UNITS:])
