"""The process of one tracker: reads the record of a run as it grows, and passes it on.

``python -m trainwright.trackers._follow`` is started by `trainwright.trackers._mirror`. The record is the queue: it is
bounded by nothing but the disk, a slow tracker falls behind in it, and what was sent is known at the other side, which
is asked once. So nothing is sent twice, whoever was killed, and nothing that the other side takes is left out.

On standard input comes an order, one line of JSON, and later ``{"end": STATUS}``; its end alone means that the run
died. On standard output goes what became of it, a line whenever something changes.
"""

import fcntl
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import IO, Any, Literal, TypedDict, cast

from trainwright.core import registry
from trainwright.core.jsonable import dumps
from trainwright.core.packages import first_line
from trainwright.core.secrets import hidden
from trainwright.trackers import _content
from trainwright.trackers._points import Points
from trainwright.trackers._tail import Tail
from trainwright.trackers.contract import STATE, Point, Refused, TrackedRun, Tracker, TrackerModule, TrialRun

_LOOK_EVERY_S = 0.25  # assumption: a person watching a curve does not see a quarter of a second
_BATCH = 1000  # lines read at once, and points in a batch: MLflow takes no more metrics in one call
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0  # between tries; doubled each time (assumption)
_ORPHAN_S = 10.0  # assumption: what may be finished after the run itself was killed
_LONGEST_REASON = 300

Status = Literal["done", "stopped", "failed"]


class Answer(TypedDict, total=False):
    """A line to the run: where the tracker is, how many points it has and how many bytes are unread, or what is wrong.

    ``refused`` counts what the tracker will never take, and ``why`` says its reason; ``broken`` is a mistake of ours.
    """

    opened: str
    points: int
    behind: int
    failing: str
    refused: int
    why: str
    delivering: bool
    closed: bool
    broken: str


@dataclass(slots=True)
class Control:
    """What the run says: nothing yet, how it ended, or that it is gone."""

    status: Status | None = None
    orphaned: bool = False
    woken: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        """Whether there is an end to work towards."""
        return self.orphaned or self.status is not None

    def listen(self, stream: IO[str]) -> None:
        """Wait for the end; on a thread."""
        for line in stream:
            self.status = json.loads(line)["end"]
            self.woken.set()
        if self.status is None:
            self.orphaned = True
            self.woken.set()
            time.sleep(_ORPHAN_S)
            os._exit(1)  # the other side does not answer, and a resume may be waiting


@dataclass(slots=True)
class Follower:
    """Passes one run on to one tracker."""

    run: TrackedRun
    module: TrackerModule
    params: Any  # the module's own Params
    control: Control
    say: Callable[[Answer], None]
    points: int = 0
    refused: int = 0
    _tail: Tail = field(init=False)
    _mapping: Points = field(init=False)
    _tracker: Tracker | None = None
    _last: dict[str, int] = field(default_factory=dict)
    _trials: set[int] = field(default_factory=set)
    _pending: list[Point | TrialRun] = field(default_factory=list)
    _described: bool = False
    _wanted: bool = False
    _uncertain: bool = False
    _wait_s: float = 0.0

    def __post_init__(self) -> None:
        self._tail = Tail(self.run.folder / "training_log.jsonl")
        self._mapping = Points(began_s=self.run.created_s)

    def follow(self) -> None:
        """Until the run has ended and everything is there, or the run is gone."""
        while True:
            over = self.control.over  # asked before looking: what was written before the end is then seen
            status = self.control.status
            try:
                moved = self._forward()
                if over and not moved and self._ended(status):
                    return
                self._wait_s = 0.0
            except Exception as error:  # noqa: BLE001 - whatever a tracker raises, it is told and tried again
                self._failed(error)
                moved = False
            if self.control.orphaned and not moved:
                return
            if not moved:
                self.control.woken.wait(self._wait_s or _LOOK_EVERY_S)
                if self.control.over:
                    self.control.woken.clear()

    def _failed(self, error: Exception) -> None:
        self._uncertain = True
        self._wait_s = min(max(_FIRST_WAIT_S, 2 * self._wait_s), _LONGEST_WAIT_S)
        self.say({"failing": reason(error), "behind": self._tail.behind + len(self._pending)})

    def _forward(self) -> bool:
        """Do the next piece of work; whether there was one."""
        if self._tracker is None:
            self._tracker = self.module.open(self.params, self.run)
            self.say({"opened": hidden(self._tracker.where)})
            self._uncertain = True
        if self._uncertain:  # of what was under way, nobody here knows whether it arrived
            self._last |= self._tracker.known()
            self._trials |= self._tracker.known_trials()
            self._uncertain = False
        if self._wanted and not self._described:
            self._guarded(lambda tracker: tracker.describe(_content.describe(self.run.folder)))
            self._described = True
        read = not self._pending and self._read()
        return self._send() or read

    def _read(self) -> bool:
        """Take up lines of the record that are new; whether there were any."""
        if self._tail.was_cut:
            self._tail.start_over()
            self._mapping = Points(began_s=self.run.created_s)
        before = self._tail.position
        for event in self._tail.lines(_BATCH):
            self._pending += self._mapping.of(event)
            if event["event"] == "trial":
                self._pending.append(_content.trial_run(self.run.folder, event, self.run.created_s))
            if event["event"] == "started" and event["stage"].startswith("fit"):
                self._wanted, self._described = True, False
        return self._tail.position > before

    def _send(self) -> bool:
        """Send a batch of points, or a trial, of what is pending; a look at the record may give nothing to send."""
        if not self._pending:
            return False
        first = self._pending[0]
        if isinstance(first, TrialRun):
            if first.number not in self._trials:
                self._guarded(lambda tracker: tracker.trial(first), costs=len(first.points))
                self._trials.add(first.number)
            del self._pending[0]
            return True
        batch = list(takewhile(lambda one: isinstance(one, Point), self._pending[:_BATCH]))
        ahead: dict[str, int] = {}
        fresh: list[Point] = []
        for point in cast("list[Point]", batch):
            if point.at > ahead.get(point.name, self._last.get(point.name, -1)):
                ahead[point.name] = point.at
                fresh.append(point)
        if fresh:
            self._guarded(lambda tracker: tracker.write(fresh), costs=len(fresh))
            self._last |= ahead
            self.points += len(fresh)
            self.say({"points": self.points, "behind": self._tail.behind})
        del self._pending[: len(batch)]
        return True

    def _ended(self, status: Status | None) -> bool:
        """Deliver and close, once nothing is left to send."""
        assert self._tracker is not None
        if status == "done":
            if not self._described:
                self._guarded(lambda tracker: tracker.describe(_content.describe(self.run.folder)))
                self._described = True
            self.say({"delivering": True})
            self._guarded(lambda tracker: tracker.deliver(_content.package(self.run.folder)))
        self._guarded(lambda tracker: tracker.close(status or "stopped"))
        self.say({"closed": True, "points": self.points})
        return True

    def _guarded(self, call: Callable[[Tracker], None], *, costs: int = 1) -> None:
        """Do something at the tracker; what it refuses for good is told and left out."""
        assert self._tracker is not None
        try:
            call(self._tracker)
        except Refused as error:
            self.refused += costs
            self.say({"refused": self.refused, "why": reason(error)})


def reason(error: BaseException) -> str:
    """An error for people: one line, no secrets."""
    text = hidden(f"{type(error).__name__}: {first_line(error)}" if str(error) else type(error).__name__)
    return text[:_LONGEST_REASON]


class _Voice:
    """Writes lines of JSON to a stream; a reader that is gone is no error."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __call__(self, told: Answer) -> None:
        try:
            print(dumps(told), file=self._stream, flush=True)
        except OSError:
            return


@contextmanager
def _alone(folder: Path, tracker: str) -> Iterator[None]:
    """Wait until what a killed run left behind has ended: two would not see what the other is sending."""
    path = folder / STATE / f"{tracker}.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> None:
    """The entry."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    os.nice(5)  # training comes first
    say = _Voice(answers)
    order: Mapping[str, Any] = json.loads(sys.stdin.readline())
    control = Control()
    threading.Thread(target=control.listen, args=(sys.stdin,), daemon=True).start()
    module = cast(TrackerModule, registry.load("trackers", order["tracker"]))
    params = module.Params.model_validate(order["params"])
    try:
        run = _content.tracked_run(Path(order["run"]))
        with _alone(run.folder, order["tracker"]):
            Follower(run=run, module=module, params=params, control=control, say=say).follow()
    except Exception as error:  # noqa: BLE001 - a mistake of ours must not look like silence
        where = traceback.extract_tb(error.__traceback__)[-1]
        say({"broken": f"{reason(error)} ({Path(where.filename).name}:{where.lineno})"})
        os._exit(1)
    os._exit(0)  # threads of a library that hang must not hold the run


if __name__ == "__main__":
    main()
