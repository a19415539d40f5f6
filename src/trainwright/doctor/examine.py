"""The doctor's visit: every symptom, asked once."""

from collections.abc import Callable
from typing import TypeAlias

from trainwright.core.findings import Finding, Severity
from trainwright.doctor import fitting, layers, losses, predicting, resources
from trainwright.doctor.history import History

Symptom: TypeAlias = Callable[[History], "Finding | None"]

SYMPTOMS: tuple[Symptom, ...] = (
    losses.non_finite,
    losses.exploding,
    losses.spike,
    losses.stuck,
    losses.crawling,
    losses.oscillating,
    layers.vanishing,
    layers.dead,
    layers.exploding_gradients,
    fitting.overfitting,
    fitting.by_heart,
    fitting.label_noise,
    fitting.underfitting,
    fitting.too_good,
    fitting.rounds_too_few,
    fitting.stopped_too_early,
    fitting.schedule_too_short,
    fitting.plateau,
    fitting.no_split,
    predicting.squashed,
    predicting.collapsed,
    predicting.miscalibrated,
    resources.waiting,
)

_ORDER = tuple(Severity)[::-1]

_COURSE = ("loss_stuck", "underfitting", "class_collapse", "constant_prediction", "plateau", "rounds_too_few")
_OF_A_LOST_ONE = (
    *_COURSE,
    "oscillation",
    "loss_spike",
    "overfitting",
    "learned_by_heart",
    "label_noise",
    "miscalibrated",
)
_FOLLOWS = {
    "non_finite": _OF_A_LOST_ONE,
    "loss_exploding": _OF_A_LOST_ONE,
    "rate_too_high": _OF_A_LOST_ONE,
    "inputs_not_scaled": (*_OF_A_LOST_ONE, "exploding_gradients"),
    "rate_too_low": _COURSE,
    "output_squashed": (*_COURSE, "miscalibrated"),
    "no_split": _COURSE,
    "loss_stuck": _COURSE[1:],
    "dead_layer": _COURSE,
    "learned_by_heart": ("overfitting", "label_noise", "plateau"),
    "overfitting": ("label_noise", "plateau"),
}
"""What says the same of a training as another symptom, seen from further away: where the first is there, the others are
left out. A lost training's gap, its answers and its rough curve are those of its loss."""


def examine(history: History) -> list[Finding]:
    """Everything that is wrong with a training as far as its history goes, worst first; each story told once.

    A symptom whose numbers the history does not have is silent. Those that judge a whole training wait for the fact
    ``reason``: the end.
    """
    found: dict[str, Finding] = {}
    for symptom in SYMPTOMS:
        if (finding := symptom(history)) is not None:
            found.setdefault(finding.code, finding)
    follows = {f"doctor.{code}" for first, more in _FOLLOWS.items() if f"doctor.{first}" in found for code in more}
    kept = [finding for code, finding in found.items() if code not in follows]
    return sorted(kept, key=lambda finding: _ORDER.index(finding.severity))
