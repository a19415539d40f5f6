"""How a training is saved: small states at once, large ones by a thread while training goes on.

A small state named ``best`` waits in memory until ``last`` is written or training ends: a resume begins at ``last``, so
it needs the best of that moment and no later one, and rounds that get better one after the other cost no disk.

One write is under way at most; the next one, and whoever reads, waits for it. Each is whole or not at all, so a kill in
the middle leaves the checkpoint before it. The copy that a thread writes is taken between two steps: it is what an
immediate write would have held.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trainwright.core.errors import ResourceMissing
from trainwright.core.events import Saved
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.engines.contract import Session, Snapshots
from trainwright.fit.recorder import Recorder
from trainwright.run.checkpoints import Checkpoint, write_checkpoint

BEST = "best"
"""The checkpoint of the best round so far."""

LARGE_BYTES = 16 << 20
"""States from here on are written by a thread. Measured on a busy disk: 16 MB take 0.26 s to write, hash and flush, a
hundredth of the usual 30 s between checkpoints, and 2 ms to copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A copy of a state that is not on the disk yet."""

    reason: str
    state: Mapping[str, JsonValue]
    step: int
    label: str
    fill: Callable[[Path], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Write:
    """A checkpoint on its way to the disk."""

    name: str
    reason: str
    step: int
    done: "Future[Checkpoint]"


class Saver:
    """Writes the checkpoints of one training below ``root``, and keeps ``keep`` of those named ``last``.

    ``findings`` tell of a write that failed, once until one succeeds.
    """

    def __init__(self, session: Session, root: Path, recorder: Recorder, *, keep: int = 1) -> None:
        self._session, self._root, self._recorder, self._keep = session, root, recorder, keep
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._under_way: _Write | None = None
        self._held: _Held | None = None
        self._failing = False
        self.findings: list[Finding] = []

    def save(
        self, name: str, reason: str, state: Mapping[str, JsonValue], *, step: int, label: str, at_once: bool
    ) -> None:
        """Save the session as it is now, after ``step`` rounds; ``label`` is its position in words that sort.

        ``at_once``: training does not go on, so there is nothing to write beside.

        Raises:
            ResourceMissing: the disk is full, now or when the checkpoint ``best`` before this one was written.
        """
        session = self._session
        large = isinstance(session, Snapshots) and session.state_bytes() >= LARGE_BYTES
        if name == BEST and isinstance(session, Snapshots) and not large:
            self._held = _Held(reason=reason, state=state, step=step, label=label, fill=session.snapshot())
            return
        self.settle()
        if at_once or not large:
            self._told(name, reason, step, self._written(name, state, session.save, label))
            return
        assert isinstance(session, Snapshots)
        done = self._pool.submit(self._written, name, state, session.snapshot(), label)
        self._under_way = _Write(name=name, reason=reason, step=step, done=done)

    def look(self) -> None:
        """Say how the write under way ended, if it has.

        Raises:
            ResourceMissing: it was ``best``, without which the selected round would be lost.
        """
        if self._under_way is not None and self._under_way.done.done():
            self.settle()

    def settle(self) -> None:
        """Bring to the disk what waits for it, and say how the write under way ended; raises as `look`."""
        held, self._held = self._held, None
        if held is not None:
            self._told(BEST, held.reason, held.step, self._written(BEST, held.state, held.fill, held.label))
        write, self._under_way = self._under_way, None
        if write is None:
            return
        try:
            self._told(write.name, write.reason, write.step, write.done.result())
            self._failing = False
        except ResourceMissing as error:
            if write.name == BEST:
                raise
            self.findings += [] if self._failing else [_failed(write, error)]
            self._failing = True

    def close(self) -> None:
        """Wait for the thread: nobody writes into a run that is not held any more.

        Where training broke, its best round is written all the same if the disk has room: it shows what went wrong.
        """
        with suppress(ResourceMissing):
            self.settle()
        self._pool.shutdown(wait=True)

    def _written(
        self, name: str, state: Mapping[str, JsonValue], fill: Callable[[Path], None], label: str
    ) -> Checkpoint:
        return write_checkpoint(self._root, name, state, fill, label=label, keep=self._keep if name == "last" else 1)

    def _told(self, name: str, reason: str, step: int, written: Checkpoint) -> None:
        seconds = round(written.seconds, 6)
        saved = Saved(path=f"checkpoints/{name}", reason=reason, size_bytes=written.size_bytes, seconds=seconds)
        self._recorder.emit(step, saved)


def _failed(write: _Write, error: ResourceMissing) -> Finding:
    return Finding(
        code="checkpoint.failed",
        severity=Severity.WARNING,
        where=f"checkpoints/{write.name}",
        what=f"the checkpoint of round {write.step} was not written: {error.message}",
        why="Training goes on; a kill now would go back to the checkpoint before it",
        fix="Free some space on the disk of the run; the next checkpoint is tried all the same",
        evidence={"round": write.step},
    )
