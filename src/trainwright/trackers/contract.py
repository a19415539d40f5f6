"""What a tracker module provides. `trainwright.trackers.testing` holds this as a test suite.

A tracker is one module with these names::

    SUMMARY: str                          # one line
    EXTRA: str                            # the optional dependency that brings its packages
    PACKAGES: tuple[str, ...]             # modules it imports
    ENVIRONMENT: Mapping[str, str]        # set for its process alone: telemetry off, timeouts
    class Params(Section)                 # its options in the spec, every one with a default
    def open(params: Params, run: TrackedRun) -> Tracker

A tracker works in a process of its own (`trainwright.trackers._follow`), which reads the run's folder. So a tracker
that is slow, hangs or dies costs findings and never the run. Its methods may take as long as they like, may raise
anything, and are then called again with the same content; what the other side will never take is `Refused`. They are
called in this order: `known`, `known_trials`, then `describe`, `write` and `trial` as things happen, `deliver` where
the run was finished, `close`. Importing a tracker imports none of its packages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from trainwright.run.hashes import sha256_value

if TYPE_CHECKING:
    from trainwright.spec.section import Section

STATE = ".tracking"
"""The folder in a run that holds what trackers keep about it: the id of their own run."""

Axis: TypeAlias = Literal["round", "step", "trial"]
"""What a point is over: whole rounds (epochs), steps of the optimiser, or trials of a search."""


class Refused(Exception):
    """The other side will never take this: a value it cannot hold, a name it does not allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A value of a series at a position. ``time_s`` is in seconds since 1970; ``value`` is finite."""

    name: str
    axis: Axis
    at: int
    value: float
    time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """A part of the data: its files and their digest, rows, and what it is for (training, validation, test)."""

    name: str
    digest: str
    source: str
    rows: int
    use: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What is known when training begins: every value of ``resolved.yaml``, tags, the data."""

    params: Mapping[str, str]
    tags: Mapping[str, str]
    data: tuple[DataFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRun:
    """A finished trial of a search: a run of its own below the run's. ``state`` is as in the ledger."""

    number: int
    params: Mapping[str, str]
    state: str
    metric: str
    value: float | None
    reason: str
    seconds: float
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What a finished run leaves. ``documents`` and ``plots`` are files; ``model`` is a folder that `predict` takes for
    a run, and holds what is needed for it; ``sample`` are rows as they go into it, and what comes out for them, as two
    frames, or None where a row is no row of a table."""

    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    documents: tuple[Path, ...]
    plots: tuple[Path, ...]
    model: Path
    sample: "tuple[Any, Any] | None"  # two pandas.DataFrame
    requirements: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """The run that is tracked: its folder, the name in its spec, when it began (seconds since 1970), and the folder
    that relative paths of its spec start from."""

    folder: Path
    name: str
    created_s: float
    base: Path

    @property
    def root(self) -> Path:
        """The folder that run folders are made in: local stores of trackers lie there, beside the runs."""
        return self.folder.parent

    def state(self, tracker: str) -> Path:
        """The file in which a tracker may keep where it has this run (JSON, no secrets)."""
        return self.folder / STATE / f"{tracker}.json"

    @property
    def key(self) -> str:
        """16 hex digits that stand for this run, wherever its folder is moved."""
        return sha256_value([self.folder.name, self.created_s])[:16]


class Tracker(Protocol):
    """One run at a tracker, open."""

    where: str
    """Where a person finds it: a folder, a URL; no secrets."""

    def known(self) -> Mapping[str, int]:
        """The last position of every series that is there already: points up to it are not written again."""
        ...

    def known_trials(self) -> frozenset[int]:
        """Trials that are there completely."""
        ...

    def describe(self, description: Description) -> None:
        """Parameters, tags, data; again, after a resume."""
        ...

    def write(self, points: Sequence[Point]) -> None:
        """Points, positions rising within each series. What a kill takes of them, `known` must not count."""
        ...

    def trial(self, trial: TrialRun) -> None:
        """A trial with all its points; what an interrupted call left of it is replaced or completed."""
        ...

    def deliver(self, package: Package) -> None:
        """What the run left; again, after an interrupted call."""
        ...

    def close(self, status: Literal["done", "stopped", "failed"]) -> None:
        """End the run there, or say that it goes on later (``stopped``)."""
        ...


class TrackerModule(Protocol):
    """The type of a tracker module."""

    SUMMARY: str
    EXTRA: str
    PACKAGES: tuple[str, ...]
    ENVIRONMENT: Mapping[str, str]
    Params: "type[Section]"

    def open(self, params: Any, run: TrackedRun) -> Tracker:  # each module takes its own Params
        """Begin the run at the tracker, or go on with it. May raise anything, and is then tried again."""
        ...
