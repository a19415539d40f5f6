"""The trials of a search as the folder tells them: ``search/summary.json`` and ``search/trials.jsonl``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainwright.core.jsonable import JsonValue
from trainwright.report.reading import finite, items, json_lines, mapping, numbers, optional_json, text, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFact:
    """One trial: its parameters, how it ended, and its scores on validation and training rows."""

    number: int
    params: Mapping[str, JsonValue]
    state: str
    value: float | None
    train: float | None
    rounds: int | None
    seconds: float
    origin: str
    reason: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFact:
    """A search that ended: its summary, its trials by number, and the estimate of the luck of the best (or nothing)."""

    summary: Mapping[str, JsonValue]
    trials: tuple[TrialFact, ...]
    optimism: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def number(self) -> int | None:
        """The trial that won."""
        return whole(self.summary.get("number"))

    @property
    def ranked(self) -> tuple[TrialFact, ...]:
        """Trials with a score, the best first."""
        by_number = {t.number: t for t in self.trials}
        order = [whole(n) for n in items(self.summary.get("ranking"))]
        return tuple(by_number[n] for n in order if n in by_number)

    @property
    def unranked(self) -> tuple[TrialFact, ...]:
        """Trials without a score, by number."""
        scored = {t.number for t in self.ranked}
        return tuple(t for t in self.trials if t.number not in scored)

    @property
    def states(self) -> Mapping[str, float]:
        """How many trials ended in which way."""
        return numbers(self.summary.get("states"))

    @property
    def importance(self) -> tuple[tuple[str, float], ...]:
        """Parameters by what they mattered, the most important first."""
        return tuple(sorted(numbers(self.summary.get("importance")).items(), key=lambda pair: -pair[1]))


def read_search(run: Path) -> SearchFact | None:
    """The search of a run; None where there was none, or it did not end."""
    summary = optional_json(run / "search" / "summary.json")
    if not summary:
        return None
    lines = json_lines(run / "search" / "trials.jsonl")
    trials = [_trial(line) for line in lines if whole(line.get("repeat")) == 0]
    measured = mapping(optional_json(run / "search" / "optimism.json").get("measured"))
    return SearchFact(
        summary=summary,
        trials=tuple(sorted(trials, key=lambda t: t.number)),
        optimism=measured or mapping(summary.get("optimism")),
    )


def _trial(line: Mapping[str, JsonValue]) -> TrialFact:
    return TrialFact(
        number=whole(line.get("number")) or 0,
        params=mapping(line.get("params")),
        state=text(line.get("state")),
        value=finite(line.get("value")),
        train=finite(line.get("train")),
        rounds=whole(line.get("rounds")),
        seconds=finite(line.get("seconds")) or 0.0,
        origin=text(line.get("origin")),
        reason=text(line.get("reason")),
        share=finite(line.get("share")) or 1.0,
    )
