"""The final fit by several processes, and what the run's record says of their number."""

from collections.abc import Mapping

from trainwright.core.errors import TrainingFailed
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.engines.contract import Job
from trainwright.fit.handover import Order
from trainwright.fit.rules import Rules
from trainwright.fit.spread import World, fit_by_workers
from trainwright.run.checkpoints import read_checkpoint
from trainwright.stages.work import Work


def note_world(work: Work, world: World) -> None:
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


def of_world(work: Work, level: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The level of determinism, with the number of processes it holds for."""
    worlds = _worlds(work)
    if not worlds:
        return level
    if len(worlds) > 1:
        return {**level, "level": "within tolerance", "why": f"trained by {worlds} processes in turn"}
    return {**level, "why": f"{level['why']}; with {worlds[0]} processes"}


def fit_by_processes(work: Work, job: Job, rules: Rules, world: World) -> None:
    """Have the fit done by several processes; afterwards ``checkpoints/last`` holds its end."""
    if not _has_ended(work):
        order = Order(
            job=job,
            rules=rules,
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
