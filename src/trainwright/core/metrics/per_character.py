"""Metrics of language models: functions of the mean nats a character.

A row is a stretch of text: ``y`` its characters, the prediction the nats for all of them. So a mean over characters is
a ratio of sums over rows.
"""

import math
from collections.abc import Callable, Mapping


def _perplexity(nats: float) -> float:
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


PER_CHARACTER: Mapping[str, Callable[[float], float]] = {
    "bits_per_character": lambda nats: nats / math.log(2),
    "nats_per_character": lambda nats: nats,
    "perplexity": _perplexity,
}
"""Metric name -> from mean nats a character to its value."""
