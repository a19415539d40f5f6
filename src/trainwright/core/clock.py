"""Time as an argument, so that budgets and checkpoints are tested without sleeping."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What time it is: `elapsed` for measuring (never goes back), `now` for labels."""

    def elapsed(self) -> float:
        """Seconds on a monotonic clock."""
        ...

    def now(self) -> datetime:
        """The time of day in UTC."""
        ...


class SystemClock:
    """The machine's clocks."""

    def elapsed(self) -> float:
        """Seconds on a monotonic clock."""
        return time.monotonic()

    def now(self) -> datetime:
        """The time of day in UTC."""
        return datetime.now(UTC)


@dataclass
class ManualClock:
    """A clock that moves only when told to."""

    seconds: float = 0.0
    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def elapsed(self) -> float:
        """Seconds advanced so far."""
        return self.seconds

    def now(self) -> datetime:
        """The start plus the seconds advanced."""
        return datetime.fromtimestamp(self.start.timestamp() + self.seconds, UTC)

    def advance(self, seconds: float) -> None:
        """Move forward."""
        self.seconds += seconds
