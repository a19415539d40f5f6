"""The model card's metadata in the form of the Hugging Face Hub: YAML between dashes, results as a ``model-index``.

After https://github.com/huggingface/hub-docs/blob/main/modelcard.md; ``huggingface_hub.ModelCard`` reads it.
"""

import math
from dataclasses import dataclass

from trainwright.core.tasks import Task
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.reading import mapping, text
from trainwright.report.words import metric_label

_LIBRARIES = {"torch": "pytorch", "sklearn": "sklearn"}  # the Hub's names where they are not the engine's
_PARTS = ("test", "val")  # held-out rows only: a score on training rows is no result


@dataclass(frozen=True, slots=True, kw_only=True)
class HubResult:
    """The scores on one part of the rows: (metric, its label, value), the primary one first; finite values only."""

    part: str
    dataset: str
    metrics: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubCard:
    """What the Hub shows beside a card and searches by."""

    framework: str
    pipeline: str
    tags: tuple[str, ...]
    metrics: tuple[str, ...]
    model: str
    revision: str
    results: tuple[HubResult, ...]


def hub_card(facts: Facts) -> HubCard:
    """The metadata of a run."""
    engine = text(facts.model.get("engine"), "unknown")
    pipeline = _pipeline(facts)
    results = tuple(r for part in _PARTS if (r := _result(facts, part)).metrics)
    tags = ("trainwright", pipeline, facts.task.value, text(facts.model.get("family")))
    return HubCard(
        framework=_LIBRARIES.get(engine, engine),
        pipeline=pipeline,
        tags=tuple(dict.fromkeys(tag for tag in tags if tag)),
        metrics=tuple(dict.fromkeys(name for result in results for name, _, _ in result.metrics)),
        model=facts.name,
        revision=text(mapping(facts.record.get("digests")).get("data")),
        results=results,
    )


def _pipeline(facts: Facts) -> str:
    """The Hub's name of the task."""
    if facts.task is Task.LANGUAGE:
        return "text-generation"
    kinds = [c.kind for c in facts.columns if c.role == "feature"]
    if kinds == ["image"]:
        return "image-classification" if facts.task.is_classification else "other"  # the Hub has no name for it
    if kinds == ["text"] and facts.task.is_classification:
        return "text-classification"
    return "tabular-classification" if facts.task.is_classification else "tabular-regression"


def _result(facts: Facts, part: str) -> HubResult:
    names = sorted(facts.metrics.get(part, {}), key=lambda name: name != facts.primary)
    found = [(n, f"{PART_NAMES[part]} {metric_label(n)}", facts.metric(part, n)) for n in names]
    return HubResult(
        part="validation" if part == "val" else part,
        dataset=f"{facts.name}, {PART_NAMES[part].lower()} rows",
        metrics=tuple((n, label, value) for n, label, value in found if value is not None and math.isfinite(value)),
    )
