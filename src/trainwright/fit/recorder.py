"""From "this happened" to events: stamps each with the step and the time, and passes it to whoever listens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from trainwright.core.clock import Clock
from trainwright.core.events import Body, Event, Found
from trainwright.core.findings import Finding

Listener: TypeAlias = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Emits events to listeners, in order. ``started_s`` is the clock's reading when the run began, earlier
    sessions counted as if there had been no pause."""

    clock: Clock
    started_s: float
    listeners: Sequence[Listener] = ()

    def emit(self, step: int, body: Body) -> None:
        """Something happened at ``step``."""
        event = Event(step, round(self.clock.elapsed() - self.started_s, 6), body)
        for listener in self.listeners:
            listener(event)

    def found(self, findings: Sequence[Finding], *, step: int = 0) -> None:
        """Findings were made."""
        for finding in findings:
            self.emit(step, Found(finding=finding))
