"""The driver's own state: where a training stands, and what was repaired on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from trainwright.core.jsonable import JsonValue
from trainwright.doctor.remedies import Remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A repair that was made.

    ``rounds`` and ``step`` are the position at which the symptom was seen; ``before`` and ``after`` what was changed,
    ``after`` with the position training went on from; ``beginning``: that was the first one. ``proof`` is what was
    measured of a change that is to leave the result as it is. ``helped`` is None until the training has ended.
    """

    symptom: str
    what: str
    action: str
    values: Mapping[str, JsonValue]
    back: bool
    rounds: int
    step: int
    evidence: Mapping[str, JsonValue] = field(default_factory=dict)
    before: Mapping[str, JsonValue] = field(default_factory=dict)
    after: Mapping[str, JsonValue] = field(default_factory=dict)
    proof: Mapping[str, JsonValue] = field(default_factory=dict)
    beginning: bool = False
    helped: bool | None = None

    @property
    def rows(self) -> tuple[int, ...]:
        """The training rows it left out."""
        rows = self.values.get("rows")
        return tuple(int(str(row)) for row in rows) if isinstance(rows, list | tuple) else ()

    @property
    def remedy(self) -> Remedy:
        """What was done."""
        return Remedy(
            symptom=self.symptom, action=self.action, values=self.values, back=self.back, beginning=self.beginning
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The driver's own state; saved beside the engine's.

    A position is (rounds, step): whole rounds, and steps done in the one that has begun. ``best_rounds`` and
    ``best_step`` are that of the best evaluation.
    """

    rounds: int = 0
    units: int = 0
    best_rounds: int = 0
    best_value: float | None = None
    reason: str = ""
    step: int = 0
    best_step: int = 0
    repairs: tuple[Applied, ...] = ()

    @property
    def is_best(self) -> bool:
        """Whether the present position is the best one."""
        return (self.rounds, self.step) == (self.best_rounds, self.best_step)


def progress_from(state: Mapping[str, JsonValue]) -> Progress:
    """Read back what a checkpoint holds."""
    stored = state["progress"]
    assert isinstance(stored, Mapping)
    best = stored["best_value"]
    repairs = cast("list[dict[str, JsonValue]]", stored.get("repairs", []))
    return Progress(
        rounds=int(str(stored["rounds"])),
        units=int(str(stored["units"])),
        best_rounds=int(str(stored["best_rounds"])),
        best_value=float(best) if isinstance(best, int | float | str) else None,
        reason=str(stored["reason"]),
        step=int(str(stored.get("step", 0))),
        best_step=int(str(stored.get("best_step", 0))),
        repairs=tuple(Applied(**one) for one in repairs),  # type: ignore[arg-type]  # written by us, from this class
    )


def with_outcome(repairs: tuple[Applied, ...], *, trained: bool) -> tuple[Applied, ...]:
    """Whether each repair helped: the training came to an end, and the same symptom was not treated again."""
    return tuple(
        replace(one, helped=trained and all(later.symptom != one.symptom for later in repairs[i + 1 :]))
        for i, one in enumerate(repairs)
    )
