"""The only loop that trains: it takes units from a session and decides.

    for unit in session.units():
        trained -> evaluated -> a non-finite step ends it -> best? -> checkpoint if due -> stop?

Patience, budget, signals and the choice of the best round live here and are saved with every checkpoint; engines know
none of it, so every engine stops, resumes and reports alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import ArtifactRefused, TrainingFailed
from trainwright.core.events import Evaluated, Finished, Saved, Started, Trained
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.core.metrics import Metric, find, monitor
from trainwright.doctor.symptoms import non_finite
from trainwright.engines.contract import Job, Session
from trainwright.fit.recorder import Recorder
from trainwright.fit.stop import StopRequest
from trainwright.run.checkpoints import Checkpoint, read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    import numpy as np

_TRAIN_SAMPLE_ROWS = 20_000  # assumption: enough for a curve (AUC standard error below 0.005), cheap at every unit
_LARGE_TRAIN_EVERY = 5  # assumption: on larger tables the training curve needs a point in five units, not in each


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What ends a training.

    ``patience`` rounds without ``watch`` getting better by more than ``min_delta`` stop it (0: never). ``deadline_s``
    is a reading of the clock after which no further unit begins. ``checkpoint_every_s`` seconds pass between saves.
    """

    watch: Metric
    primary: Metric
    patience: int
    min_delta: float = 0.0
    deadline_s: float | None = None
    checkpoint_every_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The driver's own state; saved beside the engine's."""

    rounds: int = 0
    units: int = 0
    best_rounds: int = 0
    best_value: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A finished training. ``rounds`` is the selected round; the session stands ready to predict from it."""

    session: Session
    rounds: int
    progress: Progress

    def predict(self, X: "np.ndarray") -> "np.ndarray":
        """Predictions of the selected model."""
        return self.session.predict(X, rounds=self.rounds if self.session.keeps_every_round else None)

    def export(self, folder: Path) -> None:
        """Write the selected model."""
        self.session.export(folder, rounds=self.rounds if self.session.keeps_every_round else None)


class Judge:
    """Computes the watched metrics of a session on validation rows and on a fixed sample of training rows."""

    def __init__(self, job: Job, rules: Rules) -> None:
        loss = find("log_loss" if job.task.is_classification else "rmse", job.task)
        self.metrics = tuple({m.name: m for m in (rules.watch, rules.primary, loss)}.values())
        rows = job.train.rows
        self._sample: np.ndarray | None = None
        y = job.train.y
        if rows > _TRAIN_SAMPLE_ROWS:
            picked = job.seeds.generator("train sample").choice(rows, _TRAIN_SAMPLE_ROWS, replace=False)
            self._sample = picked
            y = y[picked]
        self._train = {m.name: monitor(m, y, None) for m in self.metrics}
        self._val = {m.name: monitor(m, job.val.y, job.val.weight) for m in self.metrics} if job.val else {}

    def judge(self, session: Session, unit_number: int, *, last: bool) -> tuple[dict[str, dict[str, float]], bool]:
        """Metrics by part, and whether all predictions were finite."""
        import numpy as np

        found: dict[str, dict[str, float]] = {}
        finite = True
        if self._val:
            predicted = session.predict_part("val")
            finite = bool(np.isfinite(predicted).all())
            found["val"] = {name: compute(predicted) for name, compute in self._val.items()} if finite else {}
        if finite and (self._sample is None or last or unit_number % _LARGE_TRAIN_EVERY == 1):
            predicted = session.predict_part("train")
            sample = predicted if self._sample is None else predicted[self._sample]
            finite = bool(np.isfinite(sample).all())
            found["train"] = {name: compute(sample) for name, compute in self._train.items()} if finite else {}
        return found, finite


def fit(
    session: Session,
    job: Job,
    rules: Rules,
    *,
    stage: str,
    recorder: Recorder,
    stop: StopRequest,
    checkpoints: Path,
    resumable: bool,
    log_position: Callable[[], int] = lambda: 0,
    resume_from: Checkpoint | None = None,
) -> Fitted:
    """Train until the rules say stop; the best round is then selected.

    ``checkpoints`` holds ``last`` (when ``resumable``) and ``best`` (for sessions that do not keep every round).

    Raises:
        TrainingFailed: a value that must be finite was not; nothing trained after it is used.
        ArtifactRefused: the checkpoint of the selected round is damaged.
        Stopped: a signal came; a resumable training was saved first.
    """
    progress = Progress()
    if resume_from is not None:
        session.restore(resume_from.engine_folder)
        progress = _progress_from(resume_from.state)
    recorder.emit(progress.rounds, Started(stage=stage, facts=_facts(job, rules)))
    loop = _Loop(
        session=session,
        job=job,
        rules=rules,
        stage=stage,
        recorder=recorder,
        stop=stop,
        checkpoints=checkpoints,
        resumable=resumable,
        log_position=log_position,
        judge=Judge(job, rules),
        saved_s=recorder.clock.elapsed(),
    )
    progress = loop.run(progress)
    selected = progress.best_rounds if rules.patience and progress.best_rounds else progress.rounds
    if not session.keeps_every_round and selected != progress.rounds:
        _go_back_to_best(session, checkpoints)
    recorder.emit(
        progress.rounds,
        Finished(stage=stage, reason=progress.reason, facts={"rounds": progress.rounds, "selected": selected}),
    )
    return Fitted(session=session, rounds=selected, progress=progress)


@dataclass(slots=True, kw_only=True)
class _Loop:
    """One run of the loop; holds what stays the same while it turns, and when it last saved."""

    session: Session
    job: Job
    rules: Rules
    stage: str
    recorder: Recorder
    stop: StopRequest
    checkpoints: Path
    resumable: bool
    log_position: Callable[[], int]
    judge: Judge
    saved_s: float

    def run(self, progress: Progress) -> Progress:
        """Turn until a reason to stop is found, and name it."""
        if progress.reason:
            return progress
        for unit in self.session.units():
            rounds = unit.rounds
            self.recorder.emit(
                rounds, Trained(unit=self.job.plan.unit, seconds=unit.seconds, values=unit.values, curves=unit.curves)
            )
            progress = self._evaluated(replace(progress, rounds=rounds, units=progress.units + 1), unit.values)
            progress = replace(progress, reason=self._reason(progress))
            if self.resumable and (progress.reason or self._due()):
                self._save("last", progress.reason or "interval", progress)
            if progress.reason == "signal":
                self.stop.raise_if_requested()
            if progress.reason:
                return progress
        return replace(progress, reason="rounds")

    def _evaluated(self, progress: Progress, values: Mapping[str, float]) -> Progress:
        began = self.recorder.clock.elapsed()
        last = progress.rounds >= self.job.plan.rounds
        metrics, finite = self.judge.judge(self.session, progress.units, last=last)
        if finding := non_finite(values, predictions_finite=finite, step=progress.rounds, stage=self.stage):
            raise TrainingFailed(finding.sentence(), findings=[finding])
        value = metrics.get("val", {}).get(self.rules.watch.name)
        better = value is not None and _better(value, progress.best_value, self.rules)
        seconds = self.recorder.clock.elapsed() - began
        self.recorder.emit(progress.rounds, Evaluated(metrics=metrics, best=better, seconds=seconds))
        if not better:
            return progress
        progress = replace(progress, best_value=value, best_rounds=progress.rounds)
        if self.rules.patience and not self.session.keeps_every_round and self.job.plan.rounds > 1:
            self._save("best", "best", progress)
        return progress

    def _reason(self, progress: Progress) -> str:
        if self.stop.requested:
            return "signal"
        if progress.rounds >= self.job.plan.rounds:
            return "rounds"
        if self.rules.patience and progress.rounds - progress.best_rounds >= self.rules.patience:
            return "early_stopping"
        if self.rules.deadline_s is not None and self.recorder.clock.elapsed() >= self.rules.deadline_s:
            return "time_budget"
        return ""

    def _due(self) -> bool:
        return self.recorder.clock.elapsed() - self.saved_s >= self.rules.checkpoint_every_s

    def _save(self, name: str, why: str, progress: Progress) -> None:
        reason = "" if progress.reason == "signal" else progress.reason
        state: dict[str, JsonValue] = {
            "stage": self.stage,
            "progress": to_json(asdict(replace(progress, reason=reason))),
            "log_bytes": self.log_position(),
        }
        written = write_checkpoint(self.checkpoints, name, state, self.session.save)
        self.saved_s = self.recorder.clock.elapsed() if name == "last" else self.saved_s
        self.recorder.emit(
            progress.rounds,
            Saved(
                path=f"checkpoints/{name}", reason=why, size_bytes=written.size_bytes, seconds=round(written.seconds, 6)
            ),
        )


def _go_back_to_best(session: Session, checkpoints: Path) -> None:
    best = read_checkpoint(checkpoints, "best")
    if best is None:
        raise ArtifactRefused(
            f"{checkpoints / 'best'}, the checkpoint of the selected round, is missing or damaged. "
            f"Delete {checkpoints} and resume: training then starts over."
        )
    session.restore(best.engine_folder)


def _better(value: float, best: float | None, rules: Rules) -> bool:
    if best is None:
        return True
    gain = value - best if rules.watch.higher_is_better else best - value
    return gain > rules.min_delta


def _progress_from(state: Mapping[str, JsonValue]) -> Progress:
    stored = state["progress"]
    assert isinstance(stored, Mapping)
    best = stored["best_value"]
    return Progress(
        rounds=int(str(stored["rounds"])),
        units=int(str(stored["units"])),
        best_rounds=int(str(stored["best_rounds"])),
        best_value=float(best) if isinstance(best, int | float | str) else None,
        reason=str(stored["reason"]),
    )


def _facts(job: Job, rules: Rules) -> dict[str, JsonValue]:
    plan = job.plan
    return {
        "family": plan.family,
        "engine": plan.engine,
        "estimator": plan.estimator,
        "params": plan.params,
        "rounds_limit": plan.rounds,
        "unit": plan.unit,
        "rows": job.train.rows,
        "val_rows": job.val.rows if job.val else 0,
        "features": len(job.feature_names),
        "threads": job.threads,
        "watch": rules.watch.name,
        "patience": rules.patience,
    }


def budget_finding(progress: Progress, limit: int) -> Finding:
    """Say that the time budget ended the training, and how to repeat the result."""
    return Finding(
        code="budget.stopped",
        severity=Severity.WARNING,
        where="training.time_budget",
        what=f"the time budget ended training after {progress.rounds} of at most {limit} rounds",
        why="more time may give a better model",
        fix=f"Set training.rounds: {progress.rounds} to repeat this result exactly, or raise the budget",
        evidence={"rounds": progress.rounds, "limit": limit},
    )
