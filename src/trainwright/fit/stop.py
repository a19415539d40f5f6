"""Stopping on request: the first signal finishes the unit and saves, the second ends at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from trainwright.core.errors import Stopped


@dataclass(slots=True)
class StopRequest:
    """Whether somebody asked to stop, and how."""

    signal_number: int | None = None

    @property
    def requested(self) -> bool:
        """Whether the run should stop after the present unit."""
        return self.signal_number is not None

    def raise_if_requested(self) -> None:
        """End the run here.

        Raises:
            Stopped: a signal came in; exit code 130 for Ctrl-C, 75 for others.
        """
        if self.signal_number is not None:
            name = signal.Signals(self.signal_number).name
            raise Stopped(f"stopped by {name}", by_user=self.signal_number == signal.SIGINT)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request and put the handlers back afterwards; only in the main thread."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, _frame: FrameType | None) -> None:
        if request.requested:
            raise KeyboardInterrupt
        request.signal_number = number

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
