"""What the predictions on validation rows say: one answer for all, or more confidence than is earned."""

import math

from trainwright.core.findings import Finding
from trainwright.doctor.history import History, Series
from trainwright.doctor.wording import symptom

# Assumptions, measured with benchmarks/clinic.py as those of `losses`.
_COLLAPSED = 0.995  # of the rows get the same class
_VARIED = 0.95  # ... where at most this share of them belongs to it
_FLAT = 0.02  # of the spread of the true values
_NEAR = 0.005  # below the highest that squashed scores can give
_ROUNDED = 1e-4  # float32 in a softmax, with a margin
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
    return symptom(
        history,
        "class_collapse" if truth is not None else "constant_prediction",
        said,
        "The model found no use for its features, a class is much rarer than another, or the rate was too high",
        "Use training.class_weight: balanced where a class is rare, lower the learning rate, look at the features",
        {"top_class_share": shares.values[-1] if shares.values else None, "truth": truth},
    )


def squashed(history: History) -> Finding | None:
    """Scores of a network that were pressed into a range of their own before the loss, which takes any number."""
    classes, highest = history.number("classes"), history.of("highest_probability")
    if history.text("unit") != "epoch":
        return None
    if classes and classes > 1 and len(highest.values) >= _UNITS:
        said = _squashed_probabilities(history, int(classes))
    else:
        said = _squashed_values(history)
    if not said:
        return None
    return symptom(
        history,
        "output_squashed",
        said,
        "The network ends with a softmax, sigmoid or ReLU of its own, and the loss takes raw scores: it applies what "
        "is needed itself",
        "Remove the last activation of the network, so that it returns raw scores (logits; a regression's any number)",
        {"classes": classes, "highest_probability": highest.values[-1] if highest.values else None},
    )


def _squashed_probabilities(history: History, classes: int) -> str:
    """Scores between 0 and 1 give no probability above e / (e + classes - 1) and none below 1 / (e + classes - 1); two
    classes have one score, and the second of them then has at least a half."""
    top, low = math.e / (math.e + classes - 1), 0.5 if classes == 2 else 1 / (math.e + classes - 1)
    highest, lowest = history.of("highest_probability").values[-_UNITS:], history.of("lowest_probability").values
    if not all((1 - _NEAR) * top <= value <= (1 + _ROUNDED) * top for value in highest):
        return ""
    if not all(value >= (1 - _ROUNDED) * low for value in lowest[-_UNITS:]):
        return ""
    return f"no probability is above {highest[-1]:.4f}, where {top:.4f} is all that scores between 0 and 1 can give"


def _squashed_values(history: History) -> str:
    lowest, spread = history.of("lowest_prediction"), history.of("prediction_spread")
    if len(lowest.values) < _UNITS or history.text("loss") == "quantile":
        return ""
    if _at_end(lowest) < -_ROUNDED or _at_end(spread) <= _FLAT:
        return ""
    return (
        "no validation row is predicted below the mean of the training target, which a network's score of 0 stands for"
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
    return symptom(
        history,
        "miscalibrated",
        f"the mean probability of the predicted class lies {abs(gap):.1%} {word} its accuracy on validation rows",
        "Overfitting makes a model too sure; a rate or a round count that is too low makes it too timid",
        "Regularise more or stop earlier if it is too sure, train longer if too timid; calibrate before you use the "
        "probabilities",
        {"confidence_minus_accuracy": gap, "rows": rows},
    )


def _at_end(series: Series, *, smallest: bool = True) -> float:
    """The least (or most) of the last evaluations: all of them agree on at least (or at most) that."""
    return (min if smallest else max)(series.values[-_UNITS:])
