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
    predicting.collapsed,
    predicting.miscalibrated,
    resources.waiting,
)

_ORDER = tuple(Severity)[::-1]


def examine(history: History) -> list[Finding]:
    """Everything that is wrong with a training as far as its history goes; each symptom at most once, worst first.

    A symptom whose numbers the history does not have is silent. Those that judge a whole training wait for the fact
    ``reason``: the end.
    """
    found = [finding for symptom in SYMPTOMS if (finding := symptom(history)) is not None]
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))
