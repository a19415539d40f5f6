"""A run at work: its folder, its record, its clock, and the stages it has done."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright import __version__
from trainwright.core.clock import Clock
from trainwright.core.errors import Stopped, TrainwrightError
from trainwright.core.events import Finished, Started
from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue
from trainwright.core.seeds import Seeds
from trainwright.fit.recorder import Recorder
from trainwright.fit.stop import StopRequest
from trainwright.run.files import write_json
from trainwright.run.folder import RunFolder
from trainwright.run.hashes import sha256_value
from trainwright.trackers.jsonl import EventLog

if TYPE_CHECKING:
    import pandas as pd

    from trainwright.data.pipelines import FeaturePipeline
    from trainwright.spec.load import LoadedSpec

_TAIL_SHARE = 0.1  # assumption: export and report take less than a tenth of a budget anybody sets
_EXPORT_S = 10.0  # each format beside native: onnx and booster took 1 s, torch's formats 3 to 9 s on 2 cores, idle
_TAIL_MIN_S, _TAIL_MAX_S = 8.0, 120.0  # the report with its plots was measured at 3 to 6 s on 2 cores


@dataclass(slots=True, kw_only=True)
class Work:
    """What the stages of one run share. ``record`` is the content of ``run.json`` and is rewritten after each stage."""

    folder: RunFolder
    loaded: "LoadedSpec"
    frames: "Mapping[str, pd.DataFrame] | None"
    pipeline: "FeaturePipeline | None"
    clock: Clock
    recorder: Recorder
    stop: StopRequest
    threads: int
    record: dict[str, JsonValue]
    log: EventLog
    findings: list[Finding] = field(default_factory=list)
    log_kept: bool = True

    @property
    def seeds(self) -> Seeds:
        """The run's root seed."""
        return Seeds(self.loaded.spec.seed)

    @property
    def keeps_folds(self) -> bool:
        """Whether the models of the folds are delivered as an ensemble."""
        wanted = self.loaded.spec.cross_validation
        return wanted is not None and wanted.final == "ensemble"

    @property
    def elapsed_s(self) -> float:
        """Seconds this run has taken, earlier sessions included."""
        return self.clock.elapsed() - self.recorder.started_s

    @property
    def deadline_s(self) -> float | None:
        """The clock's reading at which training must end, the tail for export and report set aside."""
        budget = self.loaded.spec.training.time_budget
        if budget is None:
            return None
        tail = min(max(_TAIL_SHARE * budget.seconds, _TAIL_MIN_S), _TAIL_MAX_S)
        exports = _EXPORT_S * sum(name != "native" for name in self.loaded.spec.export)
        tail = min(tail + exports, budget.seconds / 2)
        return self.recorder.started_s + budget.seconds - tail

    def share_of_time(self, share: float) -> float | None:
        """A reading of the clock that leaves the rest of the remaining time to what comes after."""
        deadline = self.deadline_s
        if deadline is None:
            return None
        now = self.clock.elapsed()
        return now + max(deadline - now, 0.0) * share

    def add(self, findings: Sequence[Finding], *, step: int = 0) -> None:
        """Take note of findings: in the log at once, in ``run.json`` with the next stage. Repeats are dropped."""
        fresh = [f for f in findings if f not in self.findings]
        self.findings.extend(fresh)
        self.recorder.found(fresh, step=step)

    def note(self, findings: Sequence[Finding]) -> None:
        """Take note of findings that are in the log already; a resume says again, in other numbers, what it chose."""
        said = {(f.code, f.where) for f in self.findings}
        self.findings.extend(f for f in findings if (f.code, f.where) not in said)

    def save(self) -> None:
        """Rewrite ``run.json``."""
        self.record["findings"] = [f.to_json() for f in self.findings]
        seconds = self.record.setdefault("seconds", {})
        assert isinstance(seconds, dict)
        seconds["total"] = round(self.elapsed_s, 3)
        write_json(self.folder.record, self.record)

    def inputs(self) -> str:
        """Hash of what every stage's result depends on: the spec, the data, the version, the threads."""
        digests = self.record.get("digests")
        known = digests if isinstance(digests, Mapping) else {}
        return sha256_value([known.get("spec"), known.get("data"), __version__, self.threads])

    def is_done(self, name: str, *needs: Path) -> bool:
        """Whether an earlier session finished this stage with the same inputs and its files are there."""
        done = self._stages().get(name)
        return done is not None and done.get("inputs") == self.inputs() and all(path.exists() for path in needs)

    @contextmanager
    def stage(self, name: str, *, announced: bool = True, repeated: bool = False) -> Iterator[None]:
        """Time a stage, stop before it when asked to, and note it as done.

        ``announced`` emits that it started and finished; the driver does so itself for what it trains. A ``repeated``
        stage trains again after a resume, which then cuts the log before it.
        """
        self.stop.raise_if_requested()
        began = self.clock.elapsed()
        if announced:
            self.recorder.emit(0, Started(stage=name))
        yield
        seconds = self.record.setdefault("seconds", {})
        assert isinstance(seconds, dict)
        spent = round(float(str(seconds.get(name, 0.0))) + self.clock.elapsed() - began, 3)
        seconds[name] = spent
        stages = self._stages()
        stages[name] = {"name": name, "status": "done", "seconds": spent, "inputs": self.inputs()}
        self.record["stages"] = list(stages.values())
        if announced:
            self.recorder.emit(0, Finished(stage=name, reason="done"))
        self.log_kept = self.log_kept and not repeated
        if self.log_kept:
            self.record["log_bytes"] = self.log.position
        self.save()

    def _stages(self) -> dict[str, dict[str, JsonValue]]:
        stages = self.record.get("stages")
        found = [s for s in stages if isinstance(s, dict)] if isinstance(stages, list) else []
        return {str(s["name"]): s for s in found}

    def end(self, error: BaseException | None) -> None:
        """Write how the run ended."""
        self.record["status"] = _status(error)
        if isinstance(error, TrainwrightError):
            self.add([f for f in error.findings if f not in self.findings])
            self.record["error"] = {"kind": error.kind, "message": error.message, "exit_code": error.exit_code}
        else:
            self.record.pop("error", None)
        self.record["finished"] = f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"
        shutil.rmtree(self.folder.scratch, ignore_errors=True)
        self.save()


def _status(error: BaseException | None) -> str:
    if error is None:
        return "done"
    return "stopped" if isinstance(error, Stopped | KeyboardInterrupt) else "failed"
