"""What the process of a tracker does with one that works, fails, refuses, or is gone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trainwright.core.events import Event, Finished, Saved
from trainwright.run.files import read_json, write_json
from trainwright.trackers import tensorboard
from trainwright.trackers._content import tracked_run
from trainwright.trackers._follow import Control, Follower, reason
from trainwright.trackers._tail import Tail
from trainwright.trackers.contract import Description, Package, Point, Refused, TrialRun
from trainwright.trackers.testing import WrittenRun, log


@dataclass
class Notebook:
    """A tracker in memory, with a fault: what it is asked for, and how often it then fails."""

    faults: dict[str, list[Exception]] = field(default_factory=dict)
    after: bool = False  # whether a fault comes after the content arrived
    points: list[Point] = field(default_factory=list)
    trials: list[int] = field(default_factory=list)
    described: list[Description] = field(default_factory=list)
    delivered: list[Package] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    where: str = "http://me:hunter2@host"

    def known(self) -> Mapping[str, int]:
        return {p.name: p.at for p in self.points}

    def known_trials(self) -> frozenset[int]:
        return frozenset(self.trials)

    def describe(self, description: Description) -> None:
        self._do("describe", lambda: self.described.append(description))

    def write(self, points: Sequence[Point]) -> None:
        self._do("write", lambda: self.points.extend(points))

    def trial(self, trial: TrialRun) -> None:
        self._do("trial", lambda: self.trials.append(trial.number))

    def deliver(self, package: Package) -> None:
        self._do("deliver", lambda: self.delivered.append(package))

    def close(self, status: str) -> None:
        self._do("close", lambda: self.closed.append(status))

    def _do(self, what: str, act: Callable[[], None]) -> None:
        faults = self.faults.get(what, [])
        if faults and not self.after:
            raise faults.pop(0)
        act()
        if faults:
            raise faults.pop(0)


@pytest.fixture
def run(tmp_path: Path) -> WrittenRun:
    """A finished run."""
    written = WrittenRun(tmp_path / "told-1")
    written.begin()
    written.append(log())
    written.finish()
    return written


def followed(
    run: WrittenRun, notebook: Notebook, status: Any = "done", *, orphaned: bool = False
) -> list[dict[str, Any]]:
    """Follow a run to its end; what was said."""
    said: list[dict[str, Any]] = []
    Follower(
        run=tracked_run(run.path),
        module=SimpleNamespace(open=lambda _params, _run: notebook),  # type: ignore[arg-type]  # a module's one function
        params=None,
        control=Control(status=status, orphaned=orphaned),
        say=said.append,
    ).follow()
    return said


def test_everything_arrives_in_order_and_once(run: WrittenRun):
    notebook = Notebook()
    said = followed(run, notebook)
    assert notebook.points == run.points()
    assert notebook.trials == [0, 1]
    assert notebook.closed == ["done"]
    assert notebook.described[0].params == {"name": "told", "seed": "42", "training.optimizer.lr": "0.1"}
    assert [d.use for d in notebook.described[0].data] == ["training", "validation"]
    assert notebook.delivered[0].metrics["final/val_accuracy"] == 0.9
    assert said[-1] == {"closed": True, "points": len(run.points())}


def test_points_behind_many_lines_without_any(run: WrittenRun):
    saved = Saved(path="checkpoints/last", reason="interval", size_bytes=1, seconds=0.0)
    run.append([*[Event(0, 9.0, Finished(stage="x", reason="done"))] * 2500, Event(9, 9.0, saved)])
    notebook = Notebook()
    followed(run, notebook)
    assert notebook.points[-1].at == 9


def test_what_is_there_already_is_not_sent_again(run: WrittenRun):
    notebook = Notebook(points=run.points()[:20], trials=[0])
    followed(run, notebook)
    assert notebook.points == run.points()
    assert notebook.trials == [0, 1]


@pytest.mark.parametrize("after", [False, True], ids=["nothing arrived", "all arrived"])
@pytest.mark.parametrize("what", ["describe", "write", "trial", "deliver", "close"])
def test_what_failed_is_tried_again(run: WrittenRun, what: str, after: bool):
    notebook = Notebook(faults={what: [ConnectionError("no route to http://me:hunter2@host")]}, after=after)
    said = followed(run, notebook)
    assert notebook.points == run.points()
    assert notebook.trials == [0, 1]
    assert notebook.closed[-1] == "done"
    (failure,) = [told for told in said if "failing" in told]
    assert failure["failing"] == "ConnectionError: no route to http://***@host"


def test_what_is_refused_is_counted_and_left_out(run: WrittenRun):
    notebook = Notebook(faults={"write": [Refused("no such name")]})
    said = followed(run, notebook)
    (told,) = [told for told in said if "refused" in told]
    assert told["why"] == "Refused: no such name"
    assert len(notebook.points) + told["refused"] == len(run.points())
    assert notebook.closed == ["done"]


def test_a_run_that_was_stopped_is_not_delivered(run: WrittenRun):
    notebook = Notebook()
    followed(run, notebook, "stopped")
    assert notebook.points == run.points()
    assert notebook.delivered == []
    assert notebook.closed == ["stopped"]


def test_a_run_that_is_gone_is_closed_as_far_as_it_came(run: WrittenRun):
    notebook = Notebook()
    followed(run, notebook, None, orphaned=True)
    assert notebook.points == run.points()
    assert notebook.closed == ["stopped"]


def test_a_run_that_is_gone_waits_for_no_tracker(run: WrittenRun):
    notebook = Notebook(faults={"write": [ConnectionError("down")] * 9})
    followed(run, notebook, None, orphaned=True)
    assert notebook.closed == []


def test_a_run_that_failed_before_its_first_event(tmp_path: Path):
    run = WrittenRun(tmp_path / "told-1")
    run.begin()
    notebook = Notebook()
    followed(run, notebook, "failed")
    assert (notebook.points, notebook.closed) == ([], ["failed"])


def test_where_it_is_holds_no_secret(run: WrittenRun):
    assert followed(run, Notebook())[0] == {"opened": "http://***@host"}


def test_the_reason_is_one_short_line():
    assert reason(ValueError("first\nsecond")) == "ValueError: first"
    assert reason(KeyError()) == "KeyError"
    assert len(reason(ValueError("x" * 1000))) == 300


def test_a_torn_line_waits_for_its_end(tmp_path: Path):
    path = tmp_path / "log"
    tail = Tail(path)
    assert list(tail.lines(10)) == []
    path.write_text('{"a": 1}\n{"a":')
    assert list(tail.lines(10)) == [{"a": 1}]
    assert list(tail.lines(10)) == []
    with path.open("a") as file:
        file.write(" 2}\n")
    assert list(tail.lines(10)) == [{"a": 2}]
    path.write_text('{"a": 3}\n')
    assert tail.was_cut
    tail.start_over()
    assert list(tail.lines(10)) == [{"a": 3}]


def test_folders_start_from_the_spec(run: WrittenRun):
    told = read_json(run.path / "run.json")
    write_json(run.path / "run.json", {**told, "launch": {"base": "/somewhere"}})
    tracked = tracked_run(run.path)
    assert tensorboard.open(tensorboard.Params(dir="tb"), tracked).where == "/somewhere/tb/told-1"
    assert tensorboard.open(tensorboard.Params(), tracked).where == str(run.path.parent / "tensorboard" / "told-1")
