"""The run's side of a tracker: starts its process, hears what became of it, and ends it in time."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from trainwright.core import registry
from trainwright.core.clock import Clock
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.trackers.contract import TrackerModule

CLOSE_S = 120.0
"""What a tracker that goes forward, or has a model under way, may take after the run's end (assumption: 1 GB at 10 MB a
second)."""

QUIET_S = 30.0
"""What one that has not failed may be silent at the end: it may still be loading its libraries on a busy machine. A
request that hangs is given up after 10 s, and then the tracker has failed."""

FAILING_S = 1.0
"""What one whose last try failed still gets: it has failed before, and the run must not wait for it."""

HURRY_S = 5.0
"""What one that has not failed may be silent after a signal: the run is to be left, and a resume sends the rest."""

_LOOK_EVERY_S = 0.05

# Of one process, whatever the tracker: no GPU, no threads that the training needs.
_ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


@dataclass(slots=True)
class Told:
    """What a tracker's process has said, the latest of each."""

    opened: str = ""
    points: int = 0
    behind: int = 0
    failing: str = ""
    refused: int = 0
    why: str = ""
    broken: str = ""
    delivering: bool = False
    closed: bool = False
    lines: int = 0

    def hear(self, told: Mapping[str, Any]) -> None:
        """Take in one line."""
        self.lines += 1
        self.failing = ""
        for name, value in told.items():
            setattr(self, name, value)


@dataclass(slots=True, kw_only=True)
class Mirror:
    """One tracker of one run."""

    name: str
    params: Mapping[str, JsonValue]
    run: Path
    clock: Clock
    quiet_s: float = QUIET_S
    told: Told = field(default_factory=Told)
    _process: "subprocess.Popen[str] | None" = None
    _reader: threading.Thread | None = None

    def start(self) -> None:
        """Start the process; the run goes on at once, also where none can be started."""
        module = cast(TrackerModule, registry.load("trackers", self.name))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "trainwright.trackers._follow"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # what libraries print may hold secrets; what went wrong is told
                text=True,
                env={**os.environ, **_ENVIRONMENT, **module.ENVIRONMENT},
                start_new_session=True,  # Ctrl-C reaches the run alone, which decides
            )
        except OSError as error:
            self.told.broken = f"its process cannot be started: {error.strerror or error}"
            return
        self._send({"tracker": self.name, "params": self.params, "run": str(self.run.resolve())})
        self._reader = threading.Thread(target=self._hear, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def end(self, status: str) -> None:
        """Say how the run ended."""
        self._send({"end": status})

    def wait(self, limit_s: float, hurry: Callable[[], bool]) -> None:
        """Until the process is done or its time is up; then it is killed. ``hurry`` says that somebody is waiting."""
        if self._process is None:
            return
        began = heard = self.clock.elapsed()
        lines = self.told.lines
        while not self._has_ended():
            now = self.clock.elapsed()
            if self.told.lines > lines:
                lines, heard = self.told.lines, now if not self.told.failing else heard
            if now - began > limit_s or now - heard > self._patience_s(hurry=hurry()):
                break
        self._stop()

    def _patience_s(self, *, hurry: bool) -> float:
        """How long it may be silent now."""
        if self.told.failing:
            return FAILING_S
        if hurry:
            return HURRY_S
        return CLOSE_S if self.told.delivering else self.quiet_s

    def findings(self) -> list[Finding]:
        """What the tracker did not get, and why."""
        told, found = self.told, []
        where = f"tracking.{self.name}"
        if told.refused:
            found.append(
                Finding(
                    code="tracker.refused",
                    severity=Severity.WARNING,
                    where=where,
                    what=f"{self.name} does not take {told.refused} values: {told.why}",
                    why="they are in the run folder all the same",
                    fix="Read what it says; a name or a value there may be taken by something else",
                    evidence={"refused": told.refused},
                )
            )
        if not told.closed:
            reason = told.broken or told.failing or "it was not done in time"
            had = f"{told.points} points arrived" if told.opened else "nothing arrived"
            found.append(
                Finding(
                    code="tracker.incomplete" if told.opened else "tracker.unreachable",
                    severity=Severity.WARNING,
                    where=where,
                    what=f"{self.name} does not have all of this run: {reason}; {had}",
                    why="the run did not wait for it and lost nothing: training_log.jsonl holds every event",
                    fix="See that it can be reached, and has room, before the next run",
                    evidence={"points": told.points, "bytes_not_read": told.behind},
                )
            )
        return found

    def _hear(self, stream: IO[str]) -> None:
        for line in stream:
            if line.endswith("\n"):  # a killed process may leave a torn one
                self.told.hear(json.loads(line))

    def _send(self, message: Mapping[str, JsonValue]) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(dumps(message) + "\n")
            self._process.stdin.flush()
        except OSError:  # it died: `wait` sees that, and `findings` tells
            return

    def _has_ended(self) -> bool:
        assert self._process is not None
        try:
            self._process.wait(_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _stop(self) -> None:
        assert self._process is not None
        code = self._process.poll()
        if code and not self.told.broken:
            self.told.broken = f"its process ended with code {code}"
        self._process.kill()
        self._process.wait()
        if self._reader is not None:
            self._reader.join(FAILING_S)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue
