"""What a session may offer to the doctor: changes while it trains, and a closer look. All but `Repair` is optional."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from trainwright.core.errors import ResourceMissing
from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.capacity import Equivalence, Pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A change a doctor asks for while training goes on: ``Repair(action="learning_rate", values={"factor": 0.5})``."""

    action: str
    values: Mapping[str, JsonValue]


class OutOfMemory(ResourceMissing):
    """Memory had no room for a pass, ``tried``. Nothing was trained in its step; `Session.units` goes on before it."""

    def __init__(self, message: str, tried: Pass, *, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message, findings=findings)
        self.tried = tried


@runtime_checkable
class Halves(Protocol):
    """A session whose steps can be taken in smaller batches (the repair ``halve_batch``)."""

    def break_at(self, rounds: int, step: int) -> None:
        """End a unit at this position, where an earlier training of the job was repaired."""
        ...

    def compare_batches(self) -> Equivalence:
        """Compare the gradient of rows of the next step in one pass and in two; the training is as it was after it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How rows come to the device: ``streamed`` batch by batch by ``workers`` threads, or they lie there. In each of
    ``processes`` that train together."""

    streamed: bool
    workers: int
    processes: int = 1


@runtime_checkable
class Loads(Protocol):
    """A session whose threads for loading can be changed while it trains, with the same batches (`num_workers`)."""

    def loading(self) -> Loading:
        """How it is now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """Who is to blame for a step that was not finite.

    ``rows`` are positions in the job's training table whose own loss or input is not finite or extreme, among the
    ``examined`` ones. ``by_loss``: the input of one of them is usual, so that the network may be what is wrong.
    ``spoiled``: the network itself holds values that are not finite. ``only_rounded``: training computes in half
    precision, and in float32 these rows have finite losses.
    """

    rows: tuple[int, ...]
    examined: int
    spoiled: bool
    by_loss: bool = False
    only_rounded: bool = False


@runtime_checkable
class Suspects(Protocol):
    """A session that can look for the rows that broke its latest unit."""

    def suspects(self) -> Suspicion:
        """Look at the rows of the latest unit one by one; the training is as it was afterwards."""
        ...
