"""The stage that searches parameters, and what it leaves: ``search/``, and the plan of the best trial."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainwright.core.events import Trial
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.fit.jobs import Prepared, weighed
from trainwright.fit.plan import Plan, load_family
from trainwright.fit.replan import CLASS_WEIGHT, replanned, with_effect
from trainwright.run.files import read_json, write_bytes, write_json, write_text
from trainwright.search.halving import informative
from trainwright.search.insight import LEAST_TRIALS, edges, importance
from trainwright.search.ledger import Ledger
from trainwright.search.loop import Limits, OwnProcess, Search
from trainwright.search.processes import Processes
from trainwright.search.settings import Settings
from trainwright.search.shared import Shared, shared_study
from trainwright.search.standing import Optimism, Verdict, optimism, ranking
from trainwright.search.trial import Kept, Outcome, features_key
from trainwright.stages.prepare import prepare_training, write_resolved
from trainwright.stages.search_optimism import measure_optimism, need_divisions
from trainwright.stages.search_setup import (
    bench_of,
    deadline_of,
    judged_rows,
    request_for,
    settings_of,
    share_of_search,
    worker_of,
)
from trainwright.stages.work import Work

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.dataset import Dataset
    from trainwright.spec.models import Search as Wanted

_SAVED_EVERY_S = 5.0  # between writes of run.json: what a kill may take from the count of the time spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """The plan to train, its job, and the trained model where the winning trial's can be taken as it is."""

    plan: Plan
    prepared: Prepared
    kept: Kept | None = None


def search(work: Work, dataset: "Dataset", plan: Plan, prepared: Prepared) -> Searched:
    """Search where the spec asks for it; the result goes to ``search/summary.json`` and to ``run.json``.

    Raises:
        TrainingFailed: every trial failed.
        Stopped: a signal came in; a resume goes on with the next trial.
    """
    wanted = work.loaded.spec.hyperparameter_search
    if wanted is None:
        return Searched(plan=plan, prepared=prepared)
    summary = work.folder.path / "search" / "summary.json"
    kept: Kept | None = None
    if not work.is_done("search", summary):
        with work.stage("search"):
            kept = _searched(work, dataset, plan, wanted, summary)
    found = read_json(summary)
    luck = measure_optimism(work, dataset, plan, wanted, int(str(found["number"])))
    work.record["search"] = {name: found[name] for name in _HEADLINE} | ({} if luck is None else {"optimism": luck})
    best = replanned(plan, work.loaded, dataset, cast(Mapping[str, JsonValue], found["params"]))
    write_resolved(work, dataset, best)
    return Searched(plan=best, prepared=_prepared_for(work, dataset, best, prepared, kept), kept=kept)


def _prepared_for(work: Work, dataset: "Dataset", best: Plan, prepared: Prepared, kept: Kept | None) -> Prepared:
    """The job of the best trial's plan; features are fitted again only where its plan wants others."""
    if kept is not None:
        return kept.prepared
    if features_key(best.model) == features_key(prepared.job.plan):
        same = replace(prepared, job=replace(prepared.job, plan=best.model))
        return weighed(same, dataset.train, best.class_weight)
    return prepare_training(work, dataset, best)


_HEADLINE = ("family", "number", "params", "value", "metric", "trials", "states", "reason", "tied", "optimism")


def _searched(work: Work, dataset: "Dataset", plan: Plan, wanted: "Wanted", summary: Path) -> Kept | None:
    """Run the search and write what it came to; gives the winner's model where it is open."""
    settings = settings_of(work, dataset, plan, wanted)
    folder = summary.parent
    need_divisions(work, dataset, wanted, settings)
    ledger = Ledger(folder / "trials.jsonl")
    deadline_s = deadline_of(work, settings, spent_s=ledger.seconds, share=share_of_search(wanted))
    filing = _Filing(work, dataset, settings, folder)
    running = Search(
        settings=settings,
        ledger=ledger,
        worker=worker_of(work, dataset, plan, settings, ledger),
        limits=Limits(clock=work.clock, deadline_s=deadline_s),
        told=filing.told,
        filed=filing.filed,
    )
    try:
        verdict = running.run() if wanted.storage is None else _shared(work, dataset, plan, running, wanted.storage)
    finally:
        if isinstance(running.worker, Processes):
            running.worker.close()
    winner = ledger.find(verdict.number)
    assert winner is not None
    params = with_effect(plan, work.loaded, dataset, winner.params)
    family = load_family(plan.model.family)
    request = request_for(work, dataset)
    corrected = filing.optimism()
    work.add([*_findings(settings, ledger, running.reason, verdict), *edges(settings, winner, family, request)])
    told = _summary(settings, ledger, running.reason, verdict)
    family_facts = {"family": plan.model.family, "params": params, "optimism": corrected}
    write_json(summary, {**told, **family_facts, "space_source": "the spec" if wanted.search_space else family.SOURCE})
    work.record["search"] = {"family": plan.model.family, "number": verdict.number, "params": params}
    kept = running.kept.get(verdict.number)
    if kept is not None and work.loaded.spec.training.distributed is not None:
        kept.close()  # several processes train the final model, and their sums differ
        return None
    return kept


def _summary(settings: Settings, ledger: Ledger, reason: str, verdict: Verdict) -> dict[str, object]:
    """What ``search/summary.json`` says of the trials."""
    winner = ledger.find(verdict.number)
    assert winner is not None
    states = [r.state for r in ledger.trials]
    return {
        "method": settings.method,
        "sampler": settings.sampler if settings.method == "bayesian" else settings.method,
        "pruner": settings.pruner,
        "metric": settings.primary.name,
        "direction": settings.primary.direction,
        "watch": settings.watch.name,
        "shares": settings.shares,
        "judged_by": f"{settings.folds} folds of the training rows" if settings.folds else "validation rows",
        "number": verdict.number,
        "value": winner.value,
        "train": winner.train,
        "trials": len(states),
        "states": {state: states.count(state) for state in sorted(set(states))},
        "reason": reason,
        "seconds": ledger.seconds,
        "leader": verdict.leader,
        "tied": verdict.tied,
        "why": verdict.why,
        "noise": verdict.noise,
        "standings": verdict.standings,
        "importance": importance(settings, informative(settings, ledger.trials, LEAST_TRIALS)),
        "space": {name: _told_range(r) for name, r in settings.space.items()},
        "ranking": [r.number for r in ranking(settings, ledger.trials)],
    }


def _told_range(dimension: object) -> JsonValue:
    told = to_json(dimension)
    assert isinstance(told, Mapping)
    return {key: value for key, value in told.items() if value not in (None, False, [], {})}


def _shared(work: Work, dataset: "Dataset", plan: Plan, running: Search, url: str) -> Verdict:
    """The search with helpers: this process takes part, waits for the others, and takes over what they found."""
    with shared_study(url, work.folder.path.name, create=True) as study:
        bench = bench_of(work, dataset, plan, running.settings)
        shared = Shared(study=study, settings=running.settings, bench=bench, limits=running.limits)
        told: set[int] = set()
        for outcome in shared.see_out():
            running.filed(outcome)
            _take_over(running, shared, told)
        _take_over(running, shared, told)
        shared.close()
    running.reason = "time" if running.limits.over() else "trials"
    running.worker = OwnProcess(bench, lambda: running.ledger.trials)
    work.add([_not_deterministic(url)])
    return running.conclude()


def _take_over(running: Search, shared: Shared, told: set[int]) -> None:
    """What is in the database and not in the ledger yet."""
    for record in shared.records():
        running.ledger.append(record)
        if record.number not in told:
            told.add(record.number)
            running.tell(record.number)


def _not_deterministic(url: str) -> Finding:
    return Finding(
        code="search.shared",
        severity=Severity.INFO,
        where="hyperparameter_search.storage",
        what=f"trials were shared by workers over {url.partition(':')[0]}, so their order depended on timing",
        why="the same spec may find another best configuration; the model trained from resolved.yaml is repeatable",
        fix="Remove storage for a search that repeats",
    )


class _Filing:
    """What is written and told about trials while the search runs."""

    def __init__(self, work: Work, dataset: "Dataset", settings: Settings, folder: Path) -> None:
        self._work = work
        self._dataset = dataset
        self._settings = settings
        self._folder = folder
        self._saved_s = work.clock.elapsed()
        self._rows = judged_rows(dataset, settings)

    def told(self, number: int, trial: Trial) -> None:
        """A trial's line in the log and on the screen."""
        self._work.recorder.emit(number, trial)
        if self._work.clock.elapsed() - self._saved_s >= _SAVED_EVERY_S:
            self._saved_s = self._work.clock.elapsed()
            self._work.save()

    def filed(self, outcome: Outcome) -> None:
        """A trial's own events, and the predictions of one that may win."""
        number = outcome.record.number
        write_text(self._folder / "trials" / f"{number}.jsonl", outcome.lines)
        if outcome.predictions is not None:
            self._write_predictions(number, outcome.predictions)

    def optimism(self) -> Optimism | None:
        """How optimistic the best value is, from the stored predictions."""
        import numpy as np

        stored = {
            int(path.stem): np.load(path, allow_pickle=False).astype(np.float64)
            for path in sorted((self._folder / "predictions").glob("*.npy"))
        }
        val = self._dataset.val
        weight = None if val.weight is None else val.weight[self._rows]
        seeds = self._settings.seeds
        return optimism(self._settings.primary, val.y[self._rows], stored, weight=weight, seeds=seeds)

    def _write_predictions(self, number: int, predictions: "np.ndarray") -> None:
        import io

        import numpy as np

        buffer = io.BytesIO()
        np.save(buffer, predictions.astype(np.float32), allow_pickle=False)
        write_bytes(self._folder / "predictions" / f"{number}.npy", buffer.getvalue())


def _findings(settings: Settings, ledger: Ledger, reason: str, verdict: Verdict) -> list[Finding]:
    """What somebody should know about how the search went."""
    found = []
    failed = [r for r in ledger.trials if r.state == "failed"]
    if failed:
        reasons = list(dict.fromkeys(r.reason for r in failed))
        found.append(
            Finding(
                code="search.trials_failed",
                severity=Severity.WARNING,
                where="hyperparameter_search",
                what=f"{len(failed)} of {len(ledger.trials)} trials failed: {reasons[0]}",
                why="a failed trial has no value; the search went on",
                fix="Look at search/trials.jsonl; narrow the range that makes them fail",
                evidence={"trials": [r.number for r in failed], "reasons": reasons[:10]},
            )
        )
    winner = ledger.find(verdict.number)
    weight = None if winner is None else winner.params.get(CLASS_WEIGHT)
    if weight not in (None, "none"):
        found.append(
            Finding(
                code="search.classes_weighed",
                severity=Severity.INFO,
                where="training.class_weight",
                what=f"class_weight: {weight} had the best {settings.primary.name} and was taken",
                why="rare classes are predicted more often; the probabilities are too high for them",
                fix="Write training.class_weight: none for probabilities that are true to the rows",
                evidence={"class_weight": weight},
            )
        )
    if len(verdict.tied) > 1:
        found.append(
            Finding(
                code="search.tie",
                severity=Severity.INFO,
                where="hyperparameter_search",
                what=f"trials {', '.join(map(str, verdict.tied))} are a tie: they differ by less than seeds make them",
                why=verdict.why,
                evidence={"tied": list(verdict.tied), "noise": verdict.noise, "chosen": verdict.number},
            )
        )
    if reason == "time" and settings.trials is not None:
        found.append(
            Finding(
                code="search.cut",
                severity=Severity.WARNING,
                where="hyperparameter_search.budget",
                what=f"time ended the search after {len(ledger.trials)} of {settings.trials} trials",
                why="what was not tried may be better, and the number of trials depends on the machine",
                fix="Raise the time, or lower the number of trials",
                evidence={"trials": len(ledger.trials), "of": settings.trials},
            )
        )
    return found
