"""The stage that trains the final model."""

import shutil
from collections.abc import Mapping
from typing import cast

from trainwright.core import registry
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.doctor.examine import examine
from trainwright.doctor.history import history_of
from trainwright.doctor.remedies import Planned, Policy, Remedy
from trainwright.engines.contract import Job
from trainwright.fit.driver import Fitted, fit
from trainwright.fit.jobs import Prepared, open_session
from trainwright.fit.plan import Plan
from trainwright.fit.recorder import Recorder
from trainwright.fit.rules import Rules, budget_finding
from trainwright.fit.spread import world_of
from trainwright.run.checkpoints import Checkpoint, read_checkpoint
from trainwright.run.files import whole_folder
from trainwright.search.trial import Kept
from trainwright.spec.repairs import Repairs
from trainwright.stages.processes import fit_by_processes, note_world, of_world
from trainwright.stages.work import Work


def train_final(work: Work, prepared: Prepared, plan: Plan, *, stage: str = "fit", kept: Kept | None = None) -> Fitted:
    """Train the final model; the stage ``fit`` goes on from ``checkpoints/last`` where there is one.

    A ``kept`` trial of a search was trained on the same rows with the same seeds and rules: it is this model already.
    """
    if kept is not None:
        return _taken_over(work, prepared, plan, kept)
    work.record.pop("from_trial", None)
    job = prepared.job
    resumable = stage == "fit"
    world, found = world_of(work.loaded.spec.training.distributed if resumable else None, plan.device)
    with work.stage(stage, announced=False, repeated=not resumable):
        work.add(found)
        if resumable:
            note_world(work, world)
        if world.size > 1:
            fit_by_processes(work, job, training_rules(work, plan), world)
        last = read_checkpoint(work.folder.checkpoints, "last") if resumable else None
        work.add(_put_aside(work, last) if resumable else [])
        session = open_session(job)
        fitted = fit(
            session,
            job,
            training_rules(work, plan),
            stage=stage,
            recorder=_silent(work) if world.size > 1 else work.recorder,
            stop=work.stop,
            checkpoints=work.folder.checkpoints if resumable else job.workdir / "checkpoints",
            resumable=resumable,
            log_position=lambda: work.log.position,
            resume_from=last,
            past=work.log.lines() if resumable else (),
            anew=open_session if world.size == 1 else None,
        )
        work.note(fitted.findings)
        _note_repairs(work, fitted)
        if fitted.progress.reason == "time_budget":
            work.add([budget_finding(fitted.progress, plan.model.rounds)], step=fitted.progress.rounds)
        work.record["model"] = {**model_facts(plan, prepared, fitted), "stage": stage}
        work.record["determinism"] = of_world(work, determinism(plan, job, fitted))
    return fitted


def _taken_over(work: Work, prepared: Prepared, plan: Plan, kept: Kept) -> Fitted:
    """The model of the winning trial as the final one; its events become those of the stage ``fit``."""
    with work.stage("fit", announced=False):
        for event in kept.events:
            work.recorder.emit(event.step, event.body)
        fitted = kept.fitted
        work.add(examine(history_of(kept.events)), step=fitted.progress.rounds)
        best = kept.prepared.job.workdir / "checkpoints" / "best"
        if best.is_dir():
            with whole_folder(work.folder.checkpoints / "best") as fresh:
                shutil.copytree(best, fresh, dirs_exist_ok=True)
        work.note(fitted.findings)
        if fitted.progress.reason == "time_budget":
            work.add([budget_finding(fitted.progress, plan.model.rounds)], step=fitted.progress.rounds)
        work.record["model"] = {**model_facts(plan, prepared, fitted), "stage": "fit"}
        work.record["from_trial"] = kept.number
        work.record["determinism"] = determinism(plan, kept.prepared.job, fitted)
    return fitted


def _put_aside(work: Work, last: Checkpoint | None) -> list[Finding]:
    """Say that a damaged checkpoint was put aside, and what training goes on from instead."""
    damaged = sorted(path.name for path in work.folder.checkpoints.glob("last*.damaged"))
    if not damaged:
        return []
    instead = "the beginning" if last is None else f"checkpoints/{last.engine_folder.parent.name}"
    return [
        Finding(
            code="checkpoint.damaged",
            severity=Severity.WARNING,
            where=f"checkpoints/{damaged[-1]}",
            what=f"a checkpoint was damaged and put aside; training goes on from {instead}",
            why="What it held is trained again, with the same result",
            fix="Look at the disk; the folder may be deleted. training.keep_checkpoints keeps more than one",
            evidence={"damaged": damaged},
        )
    ]


def _silent(work: Work) -> Recorder:
    """A recorder for a fit that is only taken up: its events were recorded where it was done."""
    return Recorder(clock=work.clock, started_s=work.recorder.started_s)


def training_rules(work: Work, plan: Plan) -> Rules:
    """The driver's rules for the final model."""
    return Rules(
        watch=plan.watch,
        primary=plan.primary,
        patience=plan.patience,
        min_delta=plan.min_delta,
        deadline_s=work.deadline_s,
        checkpoint_every_s=work.loaded.spec.training.checkpoint_every.seconds,
        keep_checkpoints=work.loaded.spec.training.keep_checkpoints,
        repairs=policy_of(work.loaded.spec.training.repairs),
    )


def policy_of(repairs: Repairs) -> Policy:
    """What the spec allows the doctor."""
    return Policy(
        mode=repairs.mode,
        rate_changes=repairs.rate_changes,
        skipped_rows=repairs.skipped_rows,
        clips=repairs.clips,
        batch_halvings=repairs.batch_halvings,
        precision_changes=repairs.precision_changes,
        worker_changes=repairs.worker_changes,
        repeat=tuple(
            Planned(
                remedy=Remedy(
                    symptom=one.symptom,
                    action=one.action,
                    values=cast("Mapping[str, JsonValue]", one.values),
                    back=one.back,
                    beginning=one.beginning,
                ),
                rounds=one.rounds,
                step=one.step,
            )
            for one in repairs.repeat
        ),
    )


def _note_repairs(work: Work, fitted: Fitted) -> None:
    """What was repaired, in the record; a run without repairs has no such entry."""
    if fitted.repairs:
        work.record["repairs"] = to_json(fitted.repairs)
    else:
        work.record.pop("repairs", None)


def model_facts(plan: Plan, prepared: Prepared, fitted: Fitted) -> dict[str, JsonValue]:
    """The ``model`` entry of ``run.json``."""
    model = plan.model
    facts = fitted.session.facts(rounds=fitted.rounds if fitted.session.keeps_every_round else None)
    return {
        "family": model.family,
        "engine": model.engine,
        "engine_version": registry.load("engines", model.engine).version(),
        "estimator": model.estimator,
        "params": dict(model.params),
        "loss": model.loss,
        "unit": model.unit,
        "rounds_limit": model.rounds,
        "rounds_run": fitted.progress.rounds,
        "rounds_best": fitted.rounds,
        "stopped_by": fitted.progress.reason,
        "patience": plan.patience,
        "watch": plan.watch.name,
        "num_parameters": facts.num_parameters,
        "parameters_kind": facts.parameters_kind,
        "optimizer": facts.optimizer,
        "learning_rate": facts.learning_rate,
        "batch_size": facts.batch_size,
        "importance": dict(facts.importance),
        "importance_kind": facts.importance_kind,
        "features": len(prepared.features.names),
        "threads": plan.threads,
        "device": plan.device,
        "notes": list(model.notes),
    }


def determinism(plan: Plan, job: Job, fitted: Fitted) -> dict[str, JsonValue]:
    """Which level of determinism this run reached, and how it resumes."""
    engine = registry.load("engines", plan.model.engine)
    policy = engine.resume_policy(plan.model, job.train.rows, len(job.feature_names))
    resume: Mapping[str, JsonValue] = {"kind": policy.kind.value, "exact": policy.exact, "why": policy.why}
    if fitted.progress.reason == "time_budget":
        level, why = "statistical", "the time budget chose the number of rounds; set training.rounds to repeat it"
    else:
        level, why = "exact on the same hardware, versions and thread count", "all randomness comes from the root seed"
    return {"level": level, "why": why, "resume": dict(resume)}
