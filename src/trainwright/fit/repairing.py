"""Repairs while a training runs: what to do is the doctor's choice, how it is done and recorded is here.

Going back means the best checkpoint, or the beginning: both are functions of the training alone, never of the clock, so
a training that is repeated repairs itself in the same way at the same steps.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from trainwright.core import registry
from trainwright.core.errors import SpecError
from trainwright.core.events import Repaired
from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue
from trainwright.doctor import advice, capacity, layers, losses
from trainwright.doctor.history import Growing
from trainwright.doctor.remedies import TRACELESS, Policy, Remedy, choose, repaired, suggestion
from trainwright.engines.contract import Beginning, Job, Session
from trainwright.engines.repairs import Halves, Loads, OutOfMemory, Repair, Suspects
from trainwright.fit.judge import Judge
from trainwright.fit.progress import Applied, Progress, progress_from
from trainwright.fit.recorder import Recorder
from trainwright.fit.saving import Saver
from trainwright.run.checkpoints import read_checkpoint
from trainwright.run.environment import available_cores

_OFTEN = 20  # units after each of which the doctor looks; later at every twentieth part of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Treated:
    """What came of a look: the position training goes on from, whether it went ``back``, and what there is to say.

    ``cause`` is the finding that was looked into, with what was found about it.
    """

    progress: Progress
    back: bool = False
    findings: tuple[Finding, ...] = ()
    cause: Finding | None = None


@dataclass(slots=True, kw_only=True)
class Repairing:
    """The doctor at a training's bedside."""

    session: Session
    job: Job
    policy: Policy
    saver: Saver
    judge: Judge
    recorder: Recorder
    checkpoints: Path
    since: Growing  # what happened since the last repair
    anew: Callable[[Job], Beginning] | None
    stage: str = "fit"

    def look(self, progress: Progress) -> Treated | None:
        """After an evaluation: what there is to treat, if anything is."""
        if (again := self._repeated(progress)) is not None:
            return self._made(again, None, progress)
        history = self.since.history()
        seen = len(history.of("unit_seconds").values)
        if len(progress.repairs) < len(self.policy.repeat) or (seen > _OFTEN and seen % (seen // _OFTEN)):
            return None
        symptoms = (layers.burst, losses.exploding, losses.stuck, losses.crawling, layers.exploding_gradients)
        return self.treat([f for symptom in symptoms if (f := symptom(history)) is not None], progress)

    def filled(self, progress: Progress) -> Progress:
        """After a unit: the rate that a repair had measured, in its entry."""
        if not progress.repairs:
            return progress
        last, rate = progress.repairs[-1], self._rate()
        if rate is None or last.after.get("learning_rate", rate) is not None:
            return progress
        filled = replace(last, after={**last.after, "learning_rate": rate})
        return replace(progress, repairs=(*progress.repairs[:-1], filled))

    def broken(self, finding: Finding, progress: Progress) -> Treated:
        """What is done about a value that is not finite; nothing where the progress stays what it was."""
        if (again := self._repeated(progress)) is not None:
            return self._made(again, finding, progress)
        cause = self._with_suspects(finding)
        known = cause.code != finding.code or (cause.evidence.get("rows") and not cause.evidence.get("by_loss"))
        first = None if known else layers.burst(self.since.history())
        causes = [cause] if first is None else [first, cause]
        return replace(self.treat(causes, progress) or Treated(progress=progress), cause=cause)

    def overflown(self, values: Mapping[str, float], progress: Progress) -> Treated | None:
        """After a unit of finite losses: what is done about a loss scale that has collapsed; None: it has not."""
        finding = capacity.scale_collapsed(
            values, precision=self.session.facts().precision, step=progress.rounds, stage=self.stage
        )
        if finding is None:
            return None
        if (again := self._repeated(progress)) is not None:
            return self._made(again, finding, progress)
        treated = self.treat([finding], progress)
        if treated is None or treated.progress is progress:
            return Treated(progress=progress, findings=(finding, *(() if treated is None else treated.findings)))
        return treated

    def starved(self, finding: Finding, progress: Progress) -> Treated:
        """What is done about a training that waits for its rows."""
        seen = finding
        if isinstance(self.session, Loads):
            evidence: dict[str, JsonValue] = {**asdict(self.session.loading()), "cores": available_cores()}
            seen = replace(finding, evidence={**finding.evidence, **evidence})
        treated = self.treat([seen], progress)
        if treated is None or treated.progress is progress:
            return Treated(progress=progress, findings=(seen, *(() if treated is None else treated.findings)))
        return treated

    def full(self, error: OutOfMemory, progress: Progress) -> Treated:
        """What can be done about a step that did not fit.

        Raises:
            OutOfMemory: nothing; with what is to be written into the spec.
        """
        finding = capacity.out_of_memory(error.tried, step=progress.rounds, stage=self.stage)
        treated = self.treat([finding], progress)
        if treated is None or treated.progress is progress:
            said = () if treated is None else treated.findings
            raise OutOfMemory(f"{error.message}. {finding.fix}", error.tried, findings=[finding, *said]) from error
        return treated

    def treat(self, findings: Sequence[Finding], progress: Progress) -> Treated | None:
        """The remedy for findings, made where the policy says so, else said."""
        if not findings or self.policy.mode == "off":
            return None
        able = self._able()
        done = [one.remedy for one in progress.repairs]
        auto = self.policy.mode == "auto"
        best = _at(progress) if self._good(progress) else None
        remedy = choose(findings, self.policy, able=able, done=done, best=best) if auto else None
        if remedy is not None and self._reaches(remedy, best):
            finding = next(f for f in findings if f.code == remedy.symptom)
            return self._made(remedy, finding, progress)
        every = ("learning_rate", "clip_norm", "skip_rows", "halve_batch", "precision", "num_workers")
        advice = choose(findings, Policy(), able=every, best=best)
        if advice is None:
            return None
        inside = "learning_rate" in able
        path = "training.optimizer.lr" if inside else "architecture.architecture_spec.learning_rate"
        said = suggestion(advice, rate=self._rate(), path=path)
        return Treated(progress=progress, findings=(said,))

    def _reaches(self, remedy: Remedy, best: float | None) -> bool:
        """Whether there is where the remedy wants to go back to."""
        at_best = best is not None and not remedy.beginning
        return not remedy.back or at_best or self.anew is not None

    def due(self, progress: Progress) -> Treated | None:
        """Before a unit: what an earlier training did here whatever the numbers of the unit before were."""
        again = self._repeated(progress)
        if again is None or again.action not in ("halve_batch", *TRACELESS):
            return None
        return self._made(again, None, progress)

    def _able(self) -> tuple[str, ...]:
        """The actions of the engine that this session can do: several processes cannot leave a step by themselves."""
        able: tuple[str, ...] = registry.load("engines", self.job.plan.engine).CAPABILITIES.repairs
        return able if isinstance(self.session, Halves) else tuple(one for one in able if one != "halve_batch")

    def _repeated(self, progress: Progress) -> Remedy | None:
        """What an earlier training did at this position."""
        at = len(progress.repairs)
        if at >= len(self.policy.repeat):
            return None
        planned = self.policy.repeat[at]
        if (planned.rounds, planned.step) != (progress.rounds, progress.step):
            return None
        return planned.remedy

    def _made(self, remedy: Remedy, finding: Finding | None, progress: Progress) -> Treated:
        before, values = self._state(remedy), dict(remedy.values)
        goes_on = self._go_back(progress, beginning=remedy.beginning) if remedy.back else progress
        for one in progress.repairs[len(goes_on.repairs) :]:
            self._apply(one.action, one.values)
        self._apply(remedy.action, values)
        proof, doubts = self._proved(remedy, goes_on)
        after = {**self._state(remedy), "rounds": goes_on.rounds, "step": goes_on.step}
        made = Applied(
            symptom=remedy.symptom,
            what="" if finding is None else finding.what,
            action=remedy.action,
            values=values,
            back=remedy.back,
            beginning=remedy.beginning,
            rounds=progress.rounds,
            step=progress.step,
            evidence={} if finding is None else dict(finding.evidence),
            before=before,
            after=after,
            proof=proof,
        )
        told = Repaired(symptom=made.symptom, action=made.action, before={**before, **values}, after=after)
        self.recorder.emit(progress.rounds, told)
        if remedy.action not in TRACELESS:
            self.since.forget()
        found = (*(() if finding is None else (repaired(finding, remedy),)), *doubts)
        return Treated(progress=replace(goes_on, repairs=(*progress.repairs, made)), back=remedy.back, findings=found)

    def _proved(self, remedy: Remedy, at: Progress) -> tuple[Mapping[str, JsonValue], tuple[Finding, ...]]:
        """That the next step stays the same but for rounding, as measured; or the finding that it does not."""
        if remedy.action != "halve_batch" or not isinstance(self.session, Halves):
            return {}, ()
        found = self.session.compare_batches()
        proof: dict[str, JsonValue] = {**asdict(found), "equivalent": found.holds}
        if found.holds:
            return proof, ()
        return proof, (capacity.not_equivalent(found, step=at.rounds, stage=self.stage),)

    def _apply(self, action: str, values: Mapping[str, JsonValue]) -> None:
        try:
            self.session.apply(Repair(action=action, values=values))
        except ValueError as error:  # one that was chosen here always fits; one that is repeated may be another model's
            raise SpecError(
                f"training.repairs.repeat: {error}. Remove what an earlier run of another spec did"
            ) from error
        rows = values.get("rows")
        if isinstance(rows, list | tuple):
            self.judge.leave_out([int(str(row)) for row in rows])

    def _good(self, progress: Progress) -> bool:
        """Whether the best position lies before the present one and can be gone back to."""
        return progress.best_value is not None and not progress.is_best and not self.session.keeps_every_round

    def _go_back(self, progress: Progress, *, beginning: bool) -> Progress:
        """The session at its best position, or at the beginning where that is asked for or no other is good."""
        self.saver.settle()
        best = read_checkpoint(self.checkpoints, "best") if self._good(progress) and not beginning else None
        if best is not None:
            saved = progress_from(best.state)
            if (saved.rounds, saved.step) == (progress.best_rounds, progress.best_step):
                self.session.restore(best.engine_folder)
                return replace(saved, reason="")
        assert self.anew is not None
        with tempfile.TemporaryDirectory(dir=self.job.workdir) as folder:
            fresh = self.anew(self.job)
            try:
                fresh.save(Path(folder))
            finally:
                fresh.close()
            self.session.restore(Path(folder))
        return Progress()

    def _with_suspects(self, finding: Finding) -> Finding:
        if not isinstance(self.session, Suspects):
            return finding
        found = self.session.suspects()
        evidence: dict[str, JsonValue] = {
            "rows": list(found.rows),
            "examined": found.examined,
            "spoiled": found.spoiled,
            "by_loss": found.by_loss,
        }
        seen = replace(finding, evidence={**finding.evidence, **evidence})
        return capacity.overflown(seen, precision=self.session.facts().precision) if found.only_rounded else seen

    def _state(self, remedy: Remedy) -> dict[str, JsonValue]:
        facts = self.session.facts()
        if remedy.action == "num_workers" and isinstance(self.session, Loads):
            return {"num_workers": self.session.loading().workers}
        if remedy.action == "precision":
            return {"precision": facts.precision}
        if remedy.action == "halve_batch":
            return {"batch_size": facts.pass_rows, "step_rows": facts.batch_size}
        return {"learning_rate": self._rate()} if remedy.action == "learning_rate" else {}

    def _rate(self) -> float | None:
        rate = self.session.facts().learning_rate
        return None if rate is None else float(rate)


def _at(progress: Progress) -> float:
    """The best position in rounds: inside a round between two whole numbers (`trainwright.doctor.history`)."""
    return progress.best_rounds + progress.best_step / (progress.best_step + 1)


def advised(verdict: Sequence[Finding], job: Job, progress: Progress, *, selects: bool) -> list[Finding]:
    """After a training: what to write into the spec against what no repair is for. ``selects``: the best round is what
    is delivered, so that an earlier end would change nothing."""
    plan = job.plan
    recipe = plan.options.get("recipe")
    optimizer = recipe.get("optimizer") if isinstance(recipe, Mapping) else None
    decay = optimizer.get("weight_decay", 0.0) if isinstance(optimizer, Mapping) else None
    best = None if selects or progress.best_rounds >= progress.rounds else progress.best_rounds
    return advice.advise(
        verdict,
        params=plan.params,
        weight_decay=float(decay) if isinstance(decay, int | float) else None,
        unit=plan.unit,
        best=best,
    )
