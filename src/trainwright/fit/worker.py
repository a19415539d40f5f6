"""One process of a distributed fit: ``python -m trainwright.fit.worker RUN``, started by torchrun or its launcher.

Rank 0 drives: it holds the log and the checkpoints. The others follow it. ``trainwright train`` prepared the run and
waits for the end.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.clock import SystemClock
from trainwright.core.errors import TrainwrightError
from trainwright.engines.repairs import OutOfMemory
from trainwright.fit.driver import fit
from trainwright.fit.handover import STAGE, Order, folder_of, read_order, stop_file, write_outcome
from trainwright.fit.recorder import Recorder
from trainwright.fit.stop import StopRequest
from trainwright.run.checkpoints import read_checkpoint
from trainwright.run.folder import RunFolder
from trainwright.run.lock import locked
from trainwright.trackers.jsonl import EventLog

if TYPE_CHECKING:
    from trainwright.engines.torch.distributed.team import Team
    from trainwright.engines.torch.session import TorchSession

_LOOK_EVERY_S = 0.5  # assumption: an orphan may live this long


class StopFile(StopRequest):
    """A request to stop that the parent leaves as a file, looked for after each unit."""

    def __init__(self, run: Path) -> None:
        super().__init__()
        self._path = stop_file(run)

    @property
    def requested(self) -> bool:
        """Whether the file is there."""
        if self.signal_number is None and self._path.is_file():
            self.signal_number = int(self._path.read_text(encoding="utf-8"))
        return self.signal_number is not None


def work(run: Path) -> int:
    """Take part in the fit of a run; the exit code."""
    from dataclasses import replace

    from trainwright.engines.torch.distributed.leading import follow, open_shared
    from trainwright.engines.torch.distributed.team import join, leave

    order = read_order(run)
    team, device = join(order.job.device, order.strategy)
    workdir = order.job.workdir / f"rank-{team.rank}"
    workdir.mkdir(parents=True, exist_ok=True)
    try:
        session = open_shared(replace(order.job, device=device, workdir=workdir), team)
        if team.rank:
            follow(session, team)
            session.close()
        else:
            error = _lead(run, order, session, team)
            if isinstance(error, OutOfMemory):
                return error.exit_code  # the others wait in the middle of a step: the launcher ends them
    except TrainwrightError as error:
        if team.rank:
            print(error.message, file=sys.stderr)
            return error.exit_code
        write_outcome(run, (), error)
        return 0
    leave()
    return 0


def _lead(run: Path, order: Order, session: "TorchSession", team: "Team") -> TrainwrightError | None:
    """Drive the fit and say how it ended. A stop is an end like any other; what else goes wrong is raised."""
    from trainwright.engines.torch.distributed.leading import Led

    folder, clock, led = RunFolder(run), SystemClock(), Led(session, team)
    with locked(folder_of(run)), EventLog(folder.log) as log:
        stop = StopFile(run)
        try:
            found = fit(
                led,
                order.job,
                order.rules,
                stage=STAGE,
                recorder=Recorder(clock=clock, started_s=order.started_s, listeners=[log]),
                stop=stop,
                checkpoints=folder.checkpoints,
                resumable=True,
                log_position=lambda: log.position,
                resume_from=read_checkpoint(folder.checkpoints, "last"),
                past=log.lines(),
                anew=lambda _job: led.beginning(),
            ).findings
            error: TrainwrightError | None = None
        except TrainwrightError as raised:
            found, error = tuple(led.findings()), raised
        write_outcome(run, found, error)
    if not isinstance(error, OutOfMemory):
        led.close()
    return error


def end_with_parent() -> None:
    """End this process when the one that started it is gone: no orphan writes into a run."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def main() -> None:
    """The entry of a worker."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    code = work(Path(sys.argv[1]))
    sys.stderr.flush()
    os._exit(code)  # torch's threads may abort the interpreter's end: 2 of about 60 with FSDP2 over gloo, torch 2.13


if __name__ == "__main__":
    main()
