"""The doctor's visit: every symptom, asked once."""

from collections.abc import Callable
from typing import TypeAlias

from trainwright.core.findings import Finding
from trainwright.doctor.history import History

Symptom: TypeAlias = Callable[[History], "Finding | None"]

SYMPTOMS: tuple[Symptom, ...] = ()


def examine(history: History) -> list[Finding]:
    """Everything that is wrong with a training as far as its history goes; each symptom at most once, worst first.

    A symptom whose numbers the history does not have is silent. Those that judge a whole training wait for the fact
    ``reason``: the end.
    """
    found = [finding for symptom in SYMPTOMS if (finding := symptom(history)) is not None]
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity.value))


_ORDER = ("error", "warning", "info")
