"""Large states are written beside training: whole or not at all, as they were when they were taken, errors told."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fit.test_driver import Run, Walker
from tests.pipeline.builders import ROOT
from trainwright.core.clock import ManualClock
from trainwright.core.errors import ResourceMissing, TrainingFailed
from trainwright.core.events import Found, Saved
from trainwright.fit.saving import LARGE_BYTES
from trainwright.run.checkpoints import read_checkpoint


class Heavy(Walker):
    """A walker with a large state; ``before_write`` happens on the thread that writes."""

    def __init__(self, path: list[float], clock: ManualClock, *, keeps_every_round: bool = False) -> None:
        super().__init__(path, clock, keeps_every_round=keeps_every_round)
        self.before_write: Callable[[int], None] = lambda position: None
        self.threads: list[str] = []

    def state_bytes(self) -> int:
        return LARGE_BYTES

    def snapshot(self) -> Callable[[Path], None]:
        position = self.position

        def write(folder: Path) -> None:
            self.threads.append(threading.current_thread().name)
            self.before_write(position)
            (folder / "position").write_text(str(position))

        return write


def heavy(tmp_path: Path, path: list[float], *, patience: int = 2) -> Run:
    run = Run(tmp_path, path, patience=patience)
    run.session = Heavy(path, run.clock)
    return run


def test_it_is_written_beside_training_as_it_was_when_taken(tmp_path: Path) -> None:
    run = heavy(tmp_path, [5, 4, 3, 3, 3])
    assert isinstance(run.session, Heavy)
    gone_on = threading.Event()
    seen: list[tuple[int, int]] = []

    def wait(position: int) -> None:
        if position == 3:
            assert gone_on.wait(10)
            seen.append((position, run.session.position))

    def units_then_let_go():  # type: ignore[no-untyped-def]
        for unit in Walker.units(run.session):
            if unit.rounds == 4:
                gone_on.set()
            yield unit

    run.session.before_write = wait
    run.session.units = units_then_let_go  # type: ignore[method-assign]
    assert run() == 3
    assert seen[0][0] == 3
    assert seen[0][1] >= 4
    assert run.session.position == 3, "the best one was taken up"
    assert all(name.startswith("checkpoint") for name in run.session.threads)


def test_the_result_and_the_checkpoints_are_those_of_immediate_writes(tmp_path: Path) -> None:
    path = [5.0, 4, 1, 2, 3, 0]
    plain, beside = Run(tmp_path / "a", path, keeps_every_round=False), heavy(tmp_path / "b", path)
    assert plain(checkpoint_every_s=0.0) == beside(checkpoint_every_s=0.0)
    assert plain.fitted.progress == beside.fitted.progress
    for name in ("best", "last"):
        one, other = (read_checkpoint(tmp_path / run / "checkpoints", name) for run in "ab")
        assert one is not None
        assert other is not None
        assert one.state == other.state
        assert (one.engine_folder / "position").read_text() == (other.engine_folder / "position").read_text()
    saved = [[(s.path, s.reason) for s in run.bodies(Saved)] for run in (plain, beside)]  # type: ignore[attr-defined]
    assert saved[0] == saved[1]


def test_a_failed_interval_is_told_and_training_goes_on(tmp_path: Path) -> None:
    run = heavy(tmp_path, [5, 5, 5, 5], patience=0)
    assert isinstance(run.session, Heavy)

    def full(position: int) -> None:
        if position == 2:
            raise OSError(28, "No space left on device")

    run.session.before_write = full
    assert run(checkpoint_every_s=0.0) == 4
    (found,) = run.bodies(Found)
    assert found.finding.code == "checkpoint.failed"  # type: ignore[attr-defined]
    assert "No space left on device" in found.finding.what  # type: ignore[attr-defined]
    assert [s.reason for s in run.bodies(Saved)] == ["interval", "interval", "rounds"]  # type: ignore[attr-defined]
    assert [f.code for f in run.fitted.findings] == ["checkpoint.failed"]


def test_a_failed_best_ends_it_with_the_checkpoint_before(tmp_path: Path) -> None:
    run = heavy(tmp_path, [5, 4, 4, 4])
    assert isinstance(run.session, Heavy)

    def full(position: int) -> None:
        if position == 2:
            raise OSError(28, "No space left on device")

    run.session.before_write = full
    with pytest.raises(ResourceMissing, match="No space left"):
        run()
    best = read_checkpoint(tmp_path / "checkpoints", "best")
    assert best is not None
    assert (best.engine_folder / "position").read_text() == "1"


def test_the_end_waits_for_the_best_one(tmp_path: Path) -> None:
    """A fold writes no last checkpoint, so nothing else waits."""
    run = heavy(tmp_path, [5, 4, 3, 3, 3])
    assert isinstance(run.session, Heavy)
    run.resumable = False
    run.session.before_write = lambda position: time.sleep(0.3 if position == 3 else 0.0)
    assert run() == 3
    assert run.session.position == 3
    assert [s.reason for s in run.bodies(Saved)] == ["best"] * 3  # type: ignore[attr-defined]


KILLED = """
import sys, time
from pathlib import Path
from tests.fit.test_saving import heavy

run = heavy(Path(sys.argv[1]), [5.0] * 5, patience=0)

def stall(position):
    if position == 3:
        print("writing", flush=True)
        time.sleep(600)

run.session.before_write = stall
run(checkpoint_every_s=0.0)
"""


def test_a_kill_during_the_write_leaves_the_one_before(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.kill()
    process.wait()
    process.stdout.close()
    folder = tmp_path / "checkpoints"
    assert any(p.name.endswith(".tmp") for p in folder.iterdir()), "the write was under way"
    again = heavy(tmp_path, [5.0] * 5, patience=0)
    last = read_checkpoint(folder, "last")
    assert last is not None
    assert (last.engine_folder / "position").read_text() == "2"
    assert again(checkpoint_every_s=0.0) == 5
    assert sorted(p.name for p in folder.iterdir()) == ["last"]


@pytest.mark.parametrize("make", [Run, heavy], ids=["at once", "beside"])
def test_as_many_are_kept_as_asked_for(tmp_path: Path, make: Callable[..., Run]) -> None:
    run = make(tmp_path, [5.0] * 6, patience=0)
    run(checkpoint_every_s=0.0, keep_checkpoints=3)
    names = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert names == ["last", "last-000004", "last-000005"]


class Light(Heavy):
    """A walker with a small state that can be copied."""

    def state_bytes(self) -> int:
        return 100


def light(tmp_path: Path, path: list[float]) -> Run:
    run = Run(tmp_path, path)
    run.session = Light(path, run.clock)
    return run


def saved(run: Run) -> list[tuple[int, str]]:
    return [(e.step, e.body.path.removeprefix("checkpoints/")) for e in run.events if isinstance(e.body, Saved)]


def test_the_best_of_many_good_rounds_is_written_once(tmp_path: Path) -> None:
    run = light(tmp_path, [5, 4, 3, 9, 9])
    assert run() == 3
    assert saved(run) == [(3, "best"), (5, "last")]
    assert run.session.position == 3, "the session went back to it"


def test_the_best_is_on_the_disk_before_the_checkpoint_that_a_resume_begins_with(tmp_path: Path) -> None:
    run = light(tmp_path, [5, 4, 3, 2])
    assert run(checkpoint_every_s=2.0) == 4
    assert saved(run) == [(2, "best"), (2, "last"), (4, "best"), (4, "last")]


def test_a_training_that_breaks_leaves_its_best_round(tmp_path: Path) -> None:
    run = light(tmp_path, [5, 4, float("nan")])
    with pytest.raises(TrainingFailed):
        run()
    best = read_checkpoint(tmp_path / "checkpoints", "best")
    assert best is not None
    assert (best.engine_folder / "position").read_text() == "2"
