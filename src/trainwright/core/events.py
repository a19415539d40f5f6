"""Events: everything that happens in a run, as one append-only stream of small frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A stage begins. ``facts`` are what it starts from (family, parameters, rows, threads...)."""

    stage: str
    facts: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A unit of training was done.

    ``seconds`` is the engine's own time for it; ``values`` are numbers the engine computed anyway
    (training loss, learning rate, gradient norm...); ``curves`` hold per-round values inside the unit;
    ``statistics`` are those of single layers (gradients, updates). ``step_in_round`` is above 0 where the unit ended
    inside a round (an epoch).
    """

    unit: str
    seconds: float
    values: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    statistics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    step_in_round: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Metrics computed by us: ``{"val": {"roc_auc": 0.91}, "train": {...}}``.

    ``signs`` are numbers about the validation predictions that are no metrics, see `trainwright.doctor.history`.
    """

    metrics: Mapping[str, Mapping[str, float]]
    best: bool
    seconds: float
    signs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A checkpoint is complete on disk; ``path`` is relative to the run folder."""

    path: str
    reason: str
    size_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A finding was made."""

    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """A repair was applied: what was seen, what was changed, from what to what."""

    symptom: str
    action: str
    before: Mapping[str, JsonValue]
    after: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A stage ended and why (``early_stopping``, ``rounds``, ``time_budget``, ``signal``...)."""

    stage: str
    reason: str
    facts: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A trial of a search ended: its value, and the best one so far. ``of`` is None where time is the only limit."""

    number: int
    of: int | None
    state: str
    metric: str
    value: float | None
    best: float | None
    best_number: int | None
    params: Mapping[str, JsonValue]
    seconds: float
    reason: str = ""


Body: TypeAlias = Started | Trained | Evaluated | Saved | Found | Repaired | Finished | Trial


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, at ``step`` (rounds or epochs done; 0 before training), ``time_s`` into the run."""

    step: int
    time_s: float
    body: Body

    def to_json(self) -> dict[str, JsonValue]:
        """One line of the record: ``{"event": "trained", "step": 10, "time_s": 0.2, ...}``."""
        body = to_json(self.body)
        assert isinstance(body, Mapping)
        return {"event": type(self.body).__name__.lower(), "step": self.step, "time_s": self.time_s, **body}
