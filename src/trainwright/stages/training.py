"""The stages that train: baselines, cross-validation, the final fit."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from trainwright.core import registry
from trainwright.core.amounts import amount
from trainwright.core.errors import TrainingFailed
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.core.metrics import compute
from trainwright.data.pixels import THUMBNAIL
from trainwright.doctor.examine import examine
from trainwright.doctor.history import history_of
from trainwright.doctor.remedies import Planned, Policy
from trainwright.engines.contract import Job
from trainwright.fit.baselines import Baseline, beats, train_baseline
from trainwright.fit.driver import Fitted, Rules, budget_finding, fit
from trainwright.fit.folds import Fold, train_folds
from trainwright.fit.handover import Order
from trainwright.fit.jobs import Prepared, open_session
from trainwright.fit.plan import Plan, load_family
from trainwright.fit.recorder import Recorder
from trainwright.fit.spread import World, fit_by_workers, world_of
from trainwright.run.checkpoints import Checkpoint, read_checkpoint
from trainwright.run.files import read_json, whole_folder, write_json
from trainwright.search.trial import Kept
from trainwright.spec.repairs import Repairs
from trainwright.stages.work import Work

if TYPE_CHECKING:
    from trainwright.data.dataset import Dataset

_BASELINES_SHARE = 0.15  # assumption: baselines may take at most this share of what remains of a budget


def train_baselines(work: Work, dataset: "Dataset", plan: Plan) -> list[Baseline]:
    """Train what the spec names under ``baselines`` on the same split; results go to ``baselines.json``."""
    path = work.folder.path / "baselines.json"
    if work.is_done("baselines", path):
        stored = read_json(path)["baselines"]
        assert isinstance(stored, list)
        return [Baseline(name=str(b["name"]), rows=int(b["rows"]), val=float(b["val"])) for b in stored]
    trained: list[Baseline] = []
    with work.stage("baselines"):
        names = work.loaded.spec.baselines
        for number, name in enumerate(names):
            result = train_baseline(
                name,
                dataset,
                plan,
                work.folder.path / "baselines" / name,
                scratch=work.folder.scratch / f"baseline-{name}",
                seeds=work.seeds.child("baseline"),
                recorder=work.recorder,
                stop=work.stop,
                deadline_s=work.share_of_time(_BASELINES_SHARE / (len(names) - number)),
            )
            if isinstance(result, Finding):
                work.add([result])
            else:
                trained.append(result)
            work.stop.raise_if_requested()
        work.add(_on_thumbnails(plan, trained))
        write_json(path, {"metric": plan.primary.name, "baselines": trained})
    return trained


def _on_thumbnails(plan: Plan, trained: list[Baseline]) -> list[Finding]:
    """Say that baselines of a model of images saw less than it does."""
    looked = [b.name for b in trained if b.name != "dummy" and load_family(b.name).FEATURES != "image"]
    if plan.model.features != "image" or not looked:
        return []
    return [
        Finding(
            code="baseline.thumbnails",
            severity=Severity.INFO,
            where="baselines",
            what=f"{', '.join(looked)} saw thumbnails of {THUMBNAIL} x {THUMBNAIL} pixels, as they take tables",
            why="Their scores are what colour and layout alone are worth.",
        )
    ]


def cross_validate(work: Work, dataset: "Dataset", plan: Plan) -> list[Fold]:
    """Train one model a fold when the spec asks for it; results go to ``cross_validation.json``."""
    wanted = work.loaded.spec.cross_validation
    if wanted is None:
        return []
    with work.stage("cross_validation"):
        folds = train_folds(
            dataset,
            plan,
            folds=wanted.folds,
            strategy=wanted.strategy,
            columns=work.loaded.spec.data.columns,
            folder=work.folder,
            inputs=work.inputs(),
            seeds=work.seeds.child("cross-validation"),
            recorder=work.recorder,
            stop=work.stop,
            pipeline=work.pipeline,
            share_of_time=work.share_of_time,
            repairs=replace(policy_of(work.loaded.spec.training.repairs), repeat=()),
        )
        work.add(_cut_folds(folds))
    return folds


def _cut_folds(folds: list[Fold]) -> list[Finding]:
    """Say that the time budget ended folds early: their scores are those of shorter trainings."""
    cut = [fold.number for fold in folds if fold.stopped_by == "time_budget"]
    if not cut:
        return []
    return [
        Finding(
            code="budget.folds_cut",
            severity=Severity.WARNING,
            where="cross_validation",
            what=f"the time budget ended {len(cut)} of {len(folds)} folds before they were done",
            why="their scores are those of shorter trainings",
            fix="Raise training.time_budget, or use fewer folds",
            evidence={"folds": cut},
        )
    ]


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
            _note_world(work, world)
        if world.size > 1:
            _fit_by_workers(work, job, plan, world)
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
        work.record["determinism"] = _of_world(work, determinism(plan, job, fitted))
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


def _fit_by_workers(work: Work, job: Job, plan: Plan, world: World) -> None:
    """Have the fit done by several processes; afterwards ``checkpoints/last`` holds its end."""
    if not _has_ended(work):
        order = Order(
            job=job,
            rules=training_rules(work, plan),
            strategy=world.strategy,
            started_s=work.recorder.started_s,
        )
        others = [listener for listener in work.recorder.listeners if listener is not work.log]
        try:
            found = fit_by_workers(
                work.folder.path, order, world, stop=work.stop, listeners=others, log=work.folder.log
            )
        finally:
            work.log.catch_up()
        work.note(found)
    if not _has_ended(work):
        raise TrainingFailed(
            f"the processes left no finished training in {work.folder.checkpoints}. "
            f"`trainwright resume {work.folder.path}` goes on."
        )


def _has_ended(work: Work) -> bool:
    """Whether ``checkpoints/last`` is the end of a training."""
    last = read_checkpoint(work.folder.checkpoints, "last")
    progress = last.state["progress"] if last is not None else {}
    return isinstance(progress, Mapping) and bool(progress.get("reason"))


def _silent(work: Work) -> Recorder:
    """A recorder for a fit that is only taken up: its events were recorded where it was done."""
    return Recorder(clock=work.clock, started_s=work.recorder.started_s)


def _note_world(work: Work, world: World) -> None:
    """Write down how many processes train from here on; one that was always alone writes nothing."""
    worlds = _worlds(work)
    if world.size == 1 and not worlds:
        return
    if not _has_ended(work) and worlds[-1:] != [world.size]:
        begun_alone = not worlds and (work.folder.checkpoints / "last").is_dir()
        work.record["processes"] = [*([1] if begun_alone else worlds), world.size]
        work.save()
    work.add(_world_findings(work, world))


def _worlds(work: Work) -> list[JsonValue]:
    """Numbers of processes that took part in this run's fit, in order."""
    worlds = work.record.get("processes")
    return list(worlds) if isinstance(worlds, list) else []


def _world_findings(work: Work, world: World) -> list[Finding]:
    """Say by how many processes is trained, and where that changed."""
    worlds, found = _worlds(work), list[Finding]()
    if world.size > 1:
        found.append(
            Finding(
                code="distributed.world",
                severity=Severity.INFO,
                where="training.distributed",
                what=f"{world.size} processes train together ({world.strategy}); each takes its part of every batch "
                "of batch_size rows",
                why="folds and baselines are trained by one process",
                evidence={"strategy": world.strategy, "processes": world.processes, "nodes": world.nodes},
            )
        )
    if len(worlds) > 1:
        found.append(
            Finding(
                code="distributed.processes_changed",
                severity=Severity.WARNING,
                where="training.distributed.processes",
                what=f"the number of processes changed while the run was trained: {worlds}",
                why="sums are rounded in another order, and dropout draws from a stream a process: the result is that "
                "of an undisturbed run within a tolerance only",
                fix="Resume with the number of processes the run began with",
                evidence={"processes": worlds},
            )
        )
    return found


def _of_world(work: Work, level: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The level of determinism, with the number of processes it holds for."""
    worlds = _worlds(work)
    if not worlds:
        return level
    if len(worlds) > 1:
        return {**level, "level": "within tolerance", "why": f"trained by {worlds} processes in turn"}
    return {**level, "why": f"{level['why']}; with {worlds[0]} processes"}


def simpler_family(
    work: Work, dataset: "Dataset", prepared: Prepared, plan: Plan, fitted: Fitted, baselines: list[Baseline]
) -> str | None:
    """With ``model_type: auto``, the baseline that beats the trained model on validation rows, if one does.

    Who leaves the choice to us never gets a model that a simpler one beats. Validation decides, as everywhere.
    """
    if work.loaded.spec.architecture.model_type != "auto" or work.keeps_folds or not baselines:
        return None
    assert prepared.job.val is not None
    val = compute(plan.primary, dataset.val.y, fitted.predict(prepared.job.val.X), weight=dataset.val.weight)
    best = (max if plan.primary.higher_is_better else min)(baselines, key=lambda b: b.val)
    if best.name == "dummy" or not beats(plan.primary, best.val, val):
        return None
    work.add(
        [
            Finding(
                code="plan.simpler_chosen",
                severity=Severity.WARNING,
                where="architecture.model_type",
                what=f"{best.name} was chosen over {plan.model.family}: {plan.primary.name} {amount(best.val)} against "
                f"{amount(val)} on validation rows",
                why="with model_type: auto the simplest model that nothing beats is delivered",
                fix=f"Write architecture.model_type: {plan.model.family} to have that one all the same",
                evidence={"chosen": best.val, "left": val},
            )
        ]
    )
    return best.name


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
                symptom=one.symptom,
                action=one.action,
                values=cast("Mapping[str, JsonValue]", one.values),
                rounds=one.rounds,
                step=one.step,
                back=one.back,
                beginning=one.beginning,
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


def baseline_findings(plan: Plan, val: float, baselines: list[Baseline]) -> list[Finding]:
    """One warning for every baseline the model does not beat."""
    return [
        Finding(
            code="baseline.not_beaten",
            severity=Severity.WARNING,
            where=f"baselines: {b.name}",
            what=f"the model does not beat {b.name}: {plan.primary.name} {amount(val)} against {amount(b.val)} on "
            "validation rows",
            why="what the model adds is not worth its cost, or the features carry no signal",
            fix="Use the baseline, or give the model better features or more rows",
            evidence={"model": val, "baseline": b.val},
        )
        for b in baselines
        if not beats(plan.primary, val, b.val)
    ]
