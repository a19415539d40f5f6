"""The tracker contract as a test suite: subclass it, or parametrise over `registry.names`.

@pytest.mark.parametrize("name", [n for n in registry.names("trackers") if n != "jsonl"])
class TestEveryTracker(TrackerContract): ...

Every tracker follows a small written-out run, is killed in the middle of it, goes on, and follows it once more. It is
asked what it has through the contract alone, in processes of their own, so its default options must need no server.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainwright.core import registry
from trainwright.core.clock import SystemClock
from trainwright.core.events import Body, Evaluated, Event, Finished, Saved, Started, Trained, Trial
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.run.files import write_json, write_text
from trainwright.trackers._content import tracked_run
from trainwright.trackers._mirror import Mirror, Told
from trainwright.trackers._points import Points
from trainwright.trackers.contract import Point

_EPOCHS, _STEPS = 4, 3
_LONGEST_S = 240.0
_ASK = """
import json, sys
from pathlib import Path
from trainwright.core import registry
from trainwright.trackers._content import tracked_run
module = registry.load("trackers", sys.argv[1])
tracker = module.open(module.Params.model_validate(json.loads(sys.argv[3])), tracked_run(Path(sys.argv[2])))
found = {"known": dict(tracker.known()), "trials": sorted(tracker.known_trials()), "where": tracker.where}
tracker.close("stopped")
sys.stdout.write("\\n" + json.dumps(found) + "\\n")
"""


@dataclass(frozen=True, slots=True)
class WrittenRun:
    """A run folder as a training of ``_EPOCHS`` epochs after two trials leaves it, without the training."""

    path: Path

    def begin(self) -> None:
        """What is there before the first event."""
        self._record("running")
        write_text(self.path / "resolved.yaml", "name: told\nseed: 42  # default\ntraining: {optimizer: {lr: 0.1}}\n")
        files = {"train": [{"file": "a.csv", "sha256": "ab" * 32, "rows": 60, "bytes": 100}]}
        write_json(self.path / "data" / "fingerprint.json", {"digest": "cd" * 32, "files": files})
        for number in range(2):
            lines = "".join(dumps(event.to_json()) + "\n" for event in _epochs(1))
            write_text(self.path / "search" / "trials" / f"{number}.jsonl", lines)

    def append(self, events: Sequence[Event]) -> None:
        """More of the log."""
        with (self.path / "training_log.jsonl").open("a") as log:
            log.writelines(dumps(event.to_json()) + "\n" for event in events)

    def finish(self) -> None:
        """What a finished run leaves."""
        self._record("done")
        write_text(self.path / "report.md", "# Report\n")
        write_text(self.path / "model" / "native" / "scorer.json", "{}")
        write_json(self.path / "data" / "schema.json", {})

    def points(self) -> list[Point]:
        """The points of the log so far."""
        mapping = Points(began_s=tracked_run(self.path).created_s)
        lines = (self.path / "training_log.jsonl").read_text().splitlines()
        return [point for line in lines for point in mapping.of(json.loads(line))]

    def last(self) -> dict[str, int]:
        """The last position of every series in the log."""
        return {point.name: point.at for point in self.points()}

    def _record(self, status: str) -> None:
        done: dict[str, JsonValue] = {
            "metrics": {"val": {"accuracy": 0.9}},
            "model": {"num_parameters": 12, "family": "mlp", "rounds_best": 3},
            "primary": {"name": "accuracy", "value": 0.9},
        }
        write_json(
            self.path / "run.json",
            {
                "name": "told",
                "run": self.path.name,
                "version": "0",
                "created": "2026-11-25T00:00:00Z",
                "status": status,
                "data": {"rows": {"train": 60, "val": 20}},
                **(done if status == "done" else {}),
            },
        )


def log() -> list[Event]:
    """Two trials, and the fit of a network."""
    trials: list[Body] = [
        Trial(
            number=number,
            of=2,
            state="complete",
            metric="accuracy",
            value=0.8 + number / 10,
            best=0.8 + number / 10,
            best_number=number,
            params={"lr": 0.1},
            seconds=0.5,
        )
        for number in range(2)
    ]
    return [Event(number, 0.1, trial) for number, trial in enumerate(trials)] + _epochs(_EPOCHS)


def _epochs(count: int) -> list[Event]:
    events = [Event(0, 0.2, Started(stage="fit"))]
    for epoch in range(1, count + 1):
        trained = Trained(
            unit="epoch",
            seconds=0.1,
            values={"loss": 1 / epoch, "grad_norm": 1.0, "learning_rate": 0.1, "cpu_percent": 90.0},
            steps=epoch * _STEPS,
            step_losses=tuple(1 / (epoch + s) for s in range(_STEPS)),
        )
        metrics = {"val": {"log_loss": 1 / epoch, "accuracy": 0.9}, "train": {"log_loss": 0.5 / epoch}}
        events.append(Event(epoch, 0.2 + epoch, trained))
        events.append(Event(epoch, 0.2 + epoch, Evaluated(metrics=metrics, best=True, seconds=0.01)))
    events.append(Event(count, 9.0, Saved(path="checkpoints/last", reason="rounds", size_bytes=100, seconds=0.01)))
    return [*events, Event(count, 9.1, Finished(stage="fit", reason="rounds"))]


@dataclass(slots=True)
class Followed:
    """What came of following one run three times, and what the tracker then had of it."""

    run: WrittenRun
    killed: Told = field(default_factory=Told)
    resumed: Told = field(default_factory=Told)
    again: Told = field(default_factory=Told)
    known: Mapping[str, int] = field(default_factory=dict)
    trials: tuple[int, ...] = ()
    between: Mapping[str, int] = field(default_factory=dict)


def follow(name: str, root: Path, params: Mapping[str, JsonValue]) -> Followed:
    """Follow the first half of a run and be killed, follow all of it, and follow it once more."""
    run = WrittenRun(root / "told-20261125-0000-abcd")
    run.begin()
    found = Followed(run)
    events = log()
    run.append(events[: len(events) // 2])
    half = len(run.points())
    first = _mirror(name, run, params)
    _until(lambda: first.told.points == half)
    first.wait(0.0, lambda: True)
    found.killed = first.told
    found.between = ask(name, run, params)[0]
    run.append(events[len(events) // 2 :])
    run.finish()
    for told in ("resumed", "again"):
        mirror = _mirror(name, run, params)
        mirror.end("done")
        mirror.wait(_LONGEST_S, lambda: False)
        setattr(found, told, mirror.told)
    found.known, found.trials = ask(name, run, params)
    return found


def ask(name: str, run: WrittenRun, params: Mapping[str, JsonValue]) -> tuple[dict[str, int], tuple[int, ...]]:
    """What a tracker has of a run: the last positions, and the trials; asked in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK, name, str(run.path), json.dumps(dict(params))],
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return found["known"], tuple(found["trials"])


def _mirror(name: str, run: WrittenRun, params: Mapping[str, JsonValue]) -> Mirror:
    mirror = Mirror(name=name, params=params, run=run.path, clock=SystemClock(), quiet_s=_LONGEST_S)
    mirror.start()
    return mirror


def _until(reached: Callable[[], bool]) -> None:
    ends = time.monotonic() + _LONGEST_S
    while not reached():
        assert time.monotonic() < ends, "the tracker got nothing"
        time.sleep(0.02)  # a process cannot be waited for in another way


class TrackerContract:
    """What holds for every tracker. ``followed`` is a fixture that gives `follow` for the name."""

    def test_describes_itself(self, name: str) -> None:
        module = registry.load("trackers", name)
        assert module.SUMMARY.strip()
        assert len(module.SUMMARY) <= 120
        assert module.EXTRA.strip()
        assert module.PACKAGES
        assert all(isinstance(key, str) and isinstance(value, str) for key, value in module.ENVIRONMENT.items())

    def test_needs_no_option(self, name: str) -> None:
        fields = registry.load("trackers", name).Params().__class__.model_fields
        assert all(field.description and field.examples for field in fields.values())

    def test_importing_it_imports_none_of_its_packages(self, name: str) -> None:
        code = (
            "import sys; from trainwright.core import registry\n"
            f"module = registry.load('trackers', {name!r})\n"
            "sys.exit(', '.join(p for p in module.PACKAGES if p in sys.modules) or 0)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_a_run_is_there_once_though_it_was_killed(self, followed: Followed) -> None:
        assert followed.resumed.closed, followed.resumed
        assert not followed.resumed.refused, followed.resumed.why
        assert {n: at for n, at in followed.known.items() if n in followed.run.last()} == followed.run.last()
        missing = [point for point in followed.run.points() if point.at > followed.between.get(point.name, -1)]
        assert followed.resumed.points == len(missing)
        assert followed.again.closed
        assert followed.again.points == 0
        assert followed.trials == (0, 1)
        assert {"final/val_accuracy", "parameter_count"} <= set(followed.known)
