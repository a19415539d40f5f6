"""Trials in several processes of this machine, one trial a process at a time.

A process is told one line of JSON a trial and answers with one. It reads spec, data and ledger from the run's folder by
itself, so what it trains is what the run itself would have. One that dies (out of memory, a crash in a library) costs
its trial a second try, not the search.
"""

import json
import selectors
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from trainwright.core.clock import Clock
from trainwright.core.errors import TrainingFailed
from trainwright.core.jsonable import dumps
from trainwright.fit.stop import StopRequest
from trainwright.search.ledger import Record, record_from_json
from trainwright.search.loop import Task
from trainwright.search.propose import Proposal
from trainwright.search.trial import Outcome

_LOOK_EVERY_S = 0.2  # assumption: how long a signal may wait
_TRIES = 2  # of a trial whose process died
_END_S = 5.0  # assumption: a process that was asked to end needs no longer


@dataclass(slots=True)
class _Process:
    """A process and the task it is at."""

    popen: "subprocess.Popen[str]"
    said: Path
    task: Task | None = None
    ready: bool = False

    @property
    def output(self) -> IO[str]:
        assert self.popen.stdout is not None
        return self.popen.stdout


@dataclass(slots=True, kw_only=True)
class Processes:
    """A worker that hands tasks to ``count`` processes, which are started when they are needed first.

    ``command`` starts one; ``logs`` is the folder for what they say on standard error.
    """

    command: Sequence[str]
    count: int
    clock: Clock
    stop: StopRequest
    logs: Path
    _processes: list[_Process] = field(default_factory=list)
    _waiting: list[Task] = field(default_factory=list)
    _tries: dict[tuple[int, int], int] = field(default_factory=dict)
    _started: int = 0

    def submit(self, task: Task) -> None:
        """Give a task to a free process, or put it at the end of the queue."""
        self._waiting.append(task)
        self._hand_out()

    def next(self) -> Outcome:
        """The first outcome that comes.

        Raises:
            Stopped: a signal came in; the processes were ended.
            TrainingFailed: no process can be started.
        """
        while True:
            self._stop_if_asked()
            with selectors.DefaultSelector() as selector:
                for process in self._processes:
                    selector.register(process.output, selectors.EVENT_READ, process)
                found = [key.data for key, _ in selector.select(_LOOK_EVERY_S)]
            for process in found:
                outcome = self._heard(process)
                if outcome is not None:
                    return outcome

    def close(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.popen.kill()
        for process in self._processes:
            process.popen.wait(_END_S)
            for stream in (process.popen.stdin, process.popen.stdout):
                if stream is not None:
                    stream.close()
        self._processes.clear()

    def _stop_if_asked(self) -> None:
        if self.stop.requested:
            self.close()
        self.stop.raise_if_requested()

    def _hand_out(self) -> None:
        while self._waiting:
            free = next((p for p in self._processes if p.task is None), None)
            if free is None and len(self._processes) >= self.count:
                return
            if free is None:
                free = self._start()
            free.task = self._waiting.pop(0)
            if free.ready:
                self._tell(free)

    def _start(self) -> _Process:
        self.logs.mkdir(parents=True, exist_ok=True)
        self._started += 1
        said = self.logs / f"process-{self._started}.txt"
        with said.open("w", encoding="utf-8") as errors:
            popen = subprocess.Popen(
                list(self.command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which decides
            )
        process = _Process(popen=popen, said=said)
        self._processes.append(process)
        return process

    def _tell(self, process: _Process) -> None:
        task = process.task
        assert task is not None
        assert process.popen.stdin is not None
        left = None if task.deadline_s is None else task.deadline_s - self.clock.elapsed()
        order = {
            "number": task.proposal.number,
            "params": task.proposal.params,
            "origin": task.proposal.origin,
            "share": task.proposal.share,
            "repeat": task.repeat,
            "before": task.before,
            "left_s": left,
        }
        try:
            process.popen.stdin.write(dumps(order) + "\n")
            process.popen.stdin.flush()
        except OSError:
            return  # it is dead: its output will say so

    def _heard(self, process: _Process) -> Outcome | None:
        line = process.output.readline()
        if not line.endswith("\n"):
            return self._lost(process)
        told = json.loads(line)
        if "ready" in told:
            process.ready = True
            if process.task is not None:
                self._tell(process)
            return None
        process.task = None
        self._hand_out()
        return outcome_from_json(told)

    def _lost(self, process: _Process) -> Outcome | None:
        """A process that died: its task is tried once more, then it is a failed trial.

        Raises:
            TrainingFailed: it gave up before it could begin, as the next one would. (One may be killed at any time.)
        """
        code = process.popen.wait(_END_S)
        self._processes.remove(process)
        task, said = process.task, _last_line(process.said)
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        if not process.ready and code >= 0:
            self.close()
            raise TrainingFailed(f"a process for trials could not begin ({why}): {said or 'it said nothing'}")
        if task is None:
            return None
        key = (task.proposal.number, task.repeat)
        self._tries[key] = self._tries.get(key, 1) + 1
        if self._tries[key] <= _TRIES:
            self._waiting.insert(0, task)
            self._hand_out()
            return None
        self._hand_out()
        reason = f"its process died {_TRIES} times ({why}){': ' + said if said else ''}"
        return Outcome(record=_failed(task, reason), lines="")


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome as one line; its model stays where it was trained."""
    predictions = outcome.predictions
    return {
        "record": outcome.record.to_json(),
        "lines": outcome.lines,
        "predictions": None if predictions is None else predictions.tolist(),
    }


def outcome_from_json(told: dict[str, Any]) -> Outcome:
    """Read back what `outcome_to_json` gave."""
    import numpy as np

    predictions = told["predictions"]
    return Outcome(
        record=record_from_json(told["record"]),
        lines=str(told["lines"]),
        predictions=None if predictions is None else np.asarray(predictions, dtype=np.float64),
    )


def task_from_json(told: dict[str, Any], clock: Clock) -> Task:
    """Read what a process is told."""
    left = told["left_s"]
    return Task(
        proposal=Proposal(number=told["number"], params=told["params"], origin=told["origin"], share=told["share"]),
        repeat=told["repeat"],
        before=told["before"],
        deadline_s=None if left is None else clock.elapsed() + left,
    )


def _failed(task: Task, reason: str) -> Record:
    proposal = task.proposal
    return Record(
        number=proposal.number,
        params=proposal.params,
        state="failed",
        repeat=task.repeat,
        origin=proposal.origin,
        reason=reason,
    )


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
