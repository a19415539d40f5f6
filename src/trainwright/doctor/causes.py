"""Causes that are known from before the training: the scale of its inputs, the rate it was given."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trainwright.core.jsonable import JsonValue
from trainwright.doctor.history import History

_WIDE = 100.0
"""The typical size of a column's values beyond which inputs are not scaled (assumption): half of a standardised column
lies within 1.5 of 0, whatever its distribution (Chebyshev). The gradient of a first layer's weights grows with it, and
what a step changes with its square (LeCun et al. 1998, "Efficient BackProp", 4.3)."""
_WHOLE = 1.0  # Friedman 2001, "Greedy function approximation", 5: the rate of a booster lies in (0, 1]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a symptom is there: its ``code`` (without ``doctor.``), what to do, and the numbers that tell it."""

    code: str
    why: str
    fix: str
    evidence: Mapping[str, JsonValue] = field(default_factory=dict)


def wide_inputs(history: History) -> Cause | None:
    """Columns of a table that are not scaled, for a model that is trained by gradient steps (its unit is an epoch)."""
    scale = history.number("input_scale", "largest")
    if scale is None or scale <= _WIDE or history.text("unit") != "epoch":
        return None
    facts = history.facts["input_scale"]
    column = facts.get("column") if isinstance(facts, Mapping) else None
    return Cause(
        "inputs_not_scaled",
        f"Inputs are not scaled: values of column {column} are typically {scale:.3g}, where gradient steps need about "
        "1. No learning rate suits such columns and others together",
        'Leave FEATURES = "native" out of a network of your own: it then gets scaled features. With a pipeline of your '
        "own, add as its last step under data.feature_pipeline: `- sklearn.preprocessing.StandardScaler: {}`",
        {"column": column, "typical_size": scale},
    )


def rate_above_one(history: History) -> Cause | None:
    """A booster whose rate adds more of each tree than the tree itself."""
    rate = history.number("params", "learning_rate")
    if rate is None or rate <= _WHOLE or history.text("unit") not in ("round", "tree"):
        return None
    return Cause(
        "rate_too_high",
        f"The learning rate is {rate:g}: {rate:g} times the correction of each tree is added. Boosters take a rate of "
        "1 at most",
        "Lower the learning rate to 0.1, which is usual",
        {"learning_rate": rate},
    )
