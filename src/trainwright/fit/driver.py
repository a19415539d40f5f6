"""The only loop that trains: it takes units from a session and decides.

    for unit in session.units():
        trained -> not finite? repaired, or the end -> evaluated if whole -> best? -> ill? repaired -> checkpoint if due
        -> stop?

A unit may end inside a round (an epoch of minutes): it is saved and stopped at like any other, and evaluated only when
the budget ends the training there.

Patience, budget, signals and the choice of the best round live here and are saved with every checkpoint; engines know
none of it, so every engine stops, resumes and reports alike.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import ArtifactRefused, TrainingFailed
from trainwright.core.events import Evaluated, Finished, Started, Trained
from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.core.usage import ProcessUsage
from trainwright.doctor.symptoms import Waits, non_finite, starved
from trainwright.engines.contract import Beginning, Job, Session, Unit, findings_of
from trainwright.engines.repairs import Halves, OutOfMemory
from trainwright.fit.chart import Chart
from trainwright.fit.judge import Judge
from trainwright.fit.progress import Applied, Progress, progress_from, with_outcome
from trainwright.fit.recorder import Recorder
from trainwright.fit.repairing import Repairing, Treated, advised
from trainwright.fit.rules import Rules
from trainwright.fit.saving import Saver
from trainwright.fit.stop import StopRequest
from trainwright.fit.tail import Tail
from trainwright.run.checkpoints import Checkpoint, read_checkpoint

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A finished training. ``rounds`` is the selected round; the session stands ready to predict from it.

    ``findings`` were recorded while it was trained: what the engine chose or fell back to, what the driver saw.
    ``repairs`` are the changes of course on the way, in order.
    """

    session: Session
    rounds: int
    progress: Progress
    findings: tuple[Finding, ...] = ()
    repairs: tuple[Applied, ...] = ()

    def predict(self, X: "np.ndarray") -> "np.ndarray":
        """Predictions of the selected model."""
        return self.session.predict(X, rounds=self.rounds if self.session.keeps_every_round else None)

    def export(self, folder: Path) -> None:
        """Write the selected model."""
        self.session.export(folder, rounds=self.rounds if self.session.keeps_every_round else None)


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
    ends_early: Callable[[int, float], bool] = lambda _rounds, _value: False,
    past: Iterable[Mapping[str, JsonValue]] = (),
    anew: Callable[[Job], Beginning] | None = None,
) -> Fitted:
    """Train until the rules say stop; the best round is then selected.

    ``checkpoints`` holds ``last`` (when ``resumable``) and ``best`` (for sessions that do not keep every round).
    ``ends_early`` is asked after each evaluation with the rounds done and the watched metric on validation rows; a
    search ends a training so that cannot win, for the reason ``pruned``. ``past`` are the lines of the log that a
    resumed training wrote before, for the doctor. ``anew`` opens a second session of the job, which a repair that goes
    back to the beginning starts from.

    Raises:
        TrainingFailed: a value that must be finite was not; nothing trained after it is used.
        ArtifactRefused: the checkpoint of the selected round is damaged.
        Stopped: a signal came; a resumable training was saved first.
    """
    progress = Progress()
    if resume_from is not None:
        session.restore(resume_from.engine_folder)
        progress = progress_from(resume_from.state)
    judge = Judge(session, job, (rules.watch, rules.primary), signs=rules.repairs is not None)
    judge.leave_out([row for one in progress.repairs for row in one.rows])
    chart = Chart(stage, past) if rules.repairs is not None else None
    recorder = recorder if chart is None else replace(recorder, listeners=(*recorder.listeners, chart))
    recorder.emit(progress.rounds, Started(stage=stage, facts={**_facts(job, rules), **judge.constants()}))
    saver = Saver(session, checkpoints, recorder, keep=rules.keep_checkpoints)
    repairing = None
    if chart is not None and rules.repairs is not None:
        repairing = Repairing(
            session=session,
            job=job,
            policy=rules.repairs,
            saver=saver,
            judge=judge,
            recorder=recorder,
            checkpoints=checkpoints,
            since=chart.since,
            anew=anew,
            stage=stage,
        )
        if isinstance(session, Halves):
            for planned in rules.repairs.repeat:
                session.break_at(planned.rounds, planned.step)
    loop = _Loop(
        session=session,
        job=job,
        rules=rules,
        stage=stage,
        recorder=recorder,
        stop=stop,
        saver=saver,
        resumable=resumable,
        log_position=log_position,
        judge=judge,
        repairing=repairing,
        tail=Tail(session, job, recorder.clock),
        saved_s=recorder.clock.elapsed(),
        ends_early=ends_early,
    )
    try:
        progress = loop.run(progress)
        saver.settle()
        loop.hear(progress.rounds)
    finally:
        saver.close()
    return _selected(loop, progress, chart, checkpoints)


def _selected(loop: "_Loop", progress: Progress, chart: Chart | None, checkpoints: Path) -> Fitted:
    """The end: the session at its selected round, and what the doctor says of the whole training."""
    session, rules, recorder = loop.session, loop.rules, loop.recorder
    choose = bool(rules.patience) and progress.best_value is not None
    if choose and not session.keeps_every_round and not progress.is_best:
        progress = _back_at_best(session, checkpoints, progress)
    selected = progress.best_rounds if choose else progress.rounds
    facts: dict[str, JsonValue] = {"rounds": progress.rounds, "selected": selected}
    if progress.step:
        facts |= {"step": progress.step, "selected_step": progress.best_step if choose else progress.step}
    finished = Finished(stage=loop.stage, reason=progress.reason, facts=facts)
    if chart is not None:
        treated = {one.symptom for one in progress.repairs}
        verdict = [f for f in chart.verdict(finished) if f.code not in treated]
        loop.tell(verdict, progress.rounds)
        if rules.repairs is not None and rules.repairs.mode != "off":
            loop.tell(advised(verdict, loop.job, progress, selects=choose), progress.rounds)
    recorder.emit(progress.rounds, finished)
    return Fitted(
        session=session,
        rounds=selected,
        progress=progress,
        findings=tuple(loop.told),
        repairs=with_outcome(progress.repairs, trained=progress.best_value is not None),
    )


@dataclass(slots=True, kw_only=True)
class _Loop:
    """One run of the loop; holds what stays the same while it turns, and when it last saved."""

    session: Session
    job: Job
    rules: Rules
    stage: str
    recorder: Recorder
    stop: StopRequest
    saver: Saver
    resumable: bool
    log_position: Callable[[], int]
    judge: Judge
    tail: Tail
    saved_s: float
    ends_early: Callable[[int, float], bool]
    repairing: Repairing | None = None
    pruned: bool = False
    waits: Waits = field(default_factory=Waits)
    told: list[Finding] = field(default_factory=list)
    usage: ProcessUsage = field(default_factory=ProcessUsage)

    def run(self, progress: Progress) -> Progress:
        """Turn until a reason to stop is found, and name it."""
        while not progress.reason:
            progress = self._until_repair(progress)
        return progress

    def _until_repair(self, progress: Progress) -> Progress:
        """Turn until a reason to stop is found, or a repair changed what units follow."""
        progress = self._prepared(progress)
        units = self.session.units()
        while True:
            try:
                unit = next(units, None)
            except OutOfMemory as error:
                return self._smaller(error, progress)
            if unit is None:
                return replace(progress, reason="rounds")
            self.recorder.emit(unit.rounds, _trained(unit, self.job.plan.unit, self._usage_of(unit)))
            self.saver.look()
            progress = replace(progress, rounds=unit.rounds, step=unit.step, units=progress.units + 1)
            progress = self._prepared(self._listen(unit, progress))
            if self.repairing is not None:
                progress = self.repairing.filled(progress)
            progress, back = self._looked_at(progress, unit)
            if back:
                self._saved_after_repair(progress)
                return progress
            if self.resumable and (progress.reason or self._due()):
                self._save("last", progress.reason or "interval", progress)
            if progress.reason == "signal":
                self.stop.raise_if_requested()
            if progress.reason:
                return progress

    def _prepared(self, progress: Progress) -> Progress:
        """With what an earlier training changed before its next unit."""
        while self.repairing is not None and (again := self.repairing.due(progress)) is not None:
            self.tell(again.findings, progress.rounds)
            progress = again.progress
        return progress

    def _smaller(self, error: OutOfMemory, progress: Progress) -> Progress:
        """In smaller batches from here on; written at once, so that a kill finds them."""
        if self.repairing is None:
            raise error
        treated = self.repairing.full(error, progress)
        self.tell(treated.findings, progress.rounds)
        self._saved_after_repair(treated.progress)
        return treated.progress

    def _saved_after_repair(self, progress: Progress) -> None:
        """Written at once: a kill must find the best round and the last one of the same course."""
        self.pruned = False
        if self.resumable:
            self._save("last", "repair", progress)

    def _usage_of(self, unit: Unit) -> Mapping[str, float]:
        """What the process takes, where the engine does not say it."""
        return {} if "cpu_percent" in unit.values else self.usage.read()

    def _listen(self, unit: Unit, progress: Progress) -> Progress:
        """Record what there is to be said after a unit; that it waits for its data, where it does, and what is done."""
        self.waits, starving = starved(self.waits, unit.values, unit.seconds, step=unit.rounds, stage=self.stage)
        if starving is not None and self.repairing is not None:
            treated = self.repairing.starved(starving, progress)
            self.waits = self.waits if treated.progress is progress else Waits()
            self.tell(treated.findings, unit.rounds)
            progress = treated.progress
        else:
            self.tell([] if starving is None else [starving], unit.rounds)
        self.hear(unit.rounds)
        return progress

    def hear(self, step: int) -> None:
        """Record what the session and the saver have to say."""
        self.tell([*findings_of(self.session), *self.saver.findings], step)

    def tell(self, findings: Sequence[Finding], step: int) -> None:
        """Record findings that were not told before."""
        known = {(f.code, f.where) for f in self.told if f.code.startswith("doctor.")}
        fresh = [f for f in findings if f not in self.told and (f.code, f.where) not in known]
        self.told += fresh
        self.recorder.found(fresh, step=step)

    def _looked_at(self, progress: Progress, unit: Unit) -> tuple[Progress, bool]:
        """Evaluated where the unit is whole or the budget ends the training in it; with the reason to stop, if any,
        and whether a repair went back."""
        treated = self._finite_or_repaired(unit.values, progress, predictions_finite=True)
        if treated.back:
            return treated.progress, True
        progress = treated.progress
        if not unit.whole:
            reason = self._reason(progress)
            if reason != "time_budget":
                return replace(progress, reason=reason), False
        treated = self._evaluated(progress, last=not unit.whole)
        if treated.back:
            return treated.progress, True
        progress = treated.progress
        return replace(progress, reason=self._reason(progress) if unit.whole else "time_budget"), False

    def _finite_or_repaired(
        self, values: Mapping[str, float], progress: Progress, *, predictions_finite: bool
    ) -> Treated:
        step, stage = progress.rounds, self.stage
        finding = non_finite(values, predictions_finite=predictions_finite, step=step, stage=stage)
        if finding is None:
            treated = None if self.repairing is None else self.repairing.overflown(values, progress)
            self.tell(() if treated is None else treated.findings, progress.rounds)
            return treated or Treated(progress=progress)
        treated = None if self.repairing is None else self.repairing.broken(finding, progress)
        if treated is None or treated.progress is progress:
            said = () if treated is None else treated.findings
            cause = finding if treated is None else treated.cause or finding
            raise TrainingFailed(cause.sentence(), findings=[cause, *said])
        self.tell(treated.findings, progress.rounds)
        return treated

    def _evaluated(self, progress: Progress, *, last: bool) -> Treated:
        began = self.recorder.clock.elapsed()
        last = last or progress.rounds >= self.job.plan.rounds
        metrics, finite = self.judge.judge(progress.units, last=last)
        treated = self._finite_or_repaired({}, progress, predictions_finite=finite)
        if treated.back:
            return treated
        progress = treated.progress
        value = metrics.get("val", {}).get(self.rules.watch.name)
        better = value is not None and self.rules.better(value, progress.best_value)
        self.pruned = value is not None and self.ends_early(progress.rounds, value)
        seconds = self.recorder.clock.elapsed() - began
        signs = self.judge.signs
        self.recorder.emit(progress.rounds, Evaluated(metrics=metrics, best=better, seconds=seconds, signs=signs))
        looked = None if self.repairing is None else self.repairing.look(progress)
        if looked is not None:
            self.tell(looked.findings, progress.rounds)
            progress = looked.progress
        if looked is not None and looked.back:
            return looked
        if better:
            progress = replace(progress, best_value=value, best_rounds=progress.rounds, best_step=progress.step)
            if self.rules.keeps_best and not self.session.keeps_every_round and self.job.plan.rounds > 1:
                self._save("best", "best", progress)
        return Treated(progress=progress)

    def _reason(self, progress: Progress) -> str:
        if self.stop.requested:
            return "signal"
        if progress.rounds >= self.job.plan.rounds:
            return "rounds"
        if self.rules.patience and progress.rounds - progress.best_rounds >= self.rules.patience:
            return "early_stopping"
        if self.rules.deadline_s is not None:
            tail_s = self.tail.seconds(progress.rounds) if self.rules.scored_in_time else 0.0
            if self.recorder.clock.elapsed() >= self.rules.deadline_s - tail_s:
                return "time_budget"
        return "pruned" if self.pruned else ""

    def _due(self) -> bool:
        return self.recorder.clock.elapsed() - self.saved_s >= self.rules.checkpoint_every_s

    def _save(self, name: str, why: str, progress: Progress) -> None:
        reason = "" if progress.reason == "signal" else progress.reason
        state: dict[str, JsonValue] = {
            "stage": self.stage,
            "progress": to_json(asdict(replace(progress, reason=reason))),
            "log_bytes": self.log_position(),
        }
        label = f"{progress.rounds:06d}" + (f"-{progress.step:08d}" if progress.step else "")
        self.saver.save(name, why, state, step=progress.rounds, label=label, at_once=bool(progress.reason))
        self.saved_s = self.recorder.clock.elapsed() if name == "last" else self.saved_s


def _back_at_best(session: Session, checkpoints: Path, progress: Progress) -> Progress:
    """The session at its best round, which is the one that was saved: a training that was killed, and by its budget
    did not come as far again, may find a later one there than it knows of."""
    best = read_checkpoint(checkpoints, "best")
    if best is None:
        raise ArtifactRefused(
            f"{checkpoints / 'best'}, the checkpoint of the selected round, is missing or damaged. "
            f"Delete {checkpoints} and resume: training then starts over."
        )
    session.restore(best.engine_folder)
    saved = progress_from(best.state)
    return replace(progress, best_rounds=saved.best_rounds, best_step=saved.best_step, best_value=saved.best_value)


def _trained(unit: Unit, name: str, usage: Mapping[str, float]) -> Trained:
    return Trained(
        unit=name,
        seconds=unit.seconds,
        values={**usage, **unit.values},
        curves=unit.curves,
        statistics=unit.statistics,
        step_in_round=unit.step,
        steps=unit.steps,
        step_losses=unit.step_losses,
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
