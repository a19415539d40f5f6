"""The stage that searches parameters, and what it leaves: ``search/``, and the plan of the best trial."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainwright.core.code_files import is_code
from trainwright.core.errors import SpecError
from trainwright.core.events import Trial
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.families.contract import Request
from trainwright.fit.jobs import Prepared, take
from trainwright.fit.plan import Plan, family_of, load_family, request_of
from trainwright.fit.replan import renamed, replanned, with_effect
from trainwright.run.files import read_json, write_bytes, write_json, write_text
from trainwright.search.halving import LARGE, LEAST_PARAMETERS, informative, shares_for
from trainwright.search.insight import LEAST_TRIALS, edges, importance
from trainwright.search.ledger import Ledger
from trainwright.search.loop import Limits, OwnProcess, Search
from trainwright.search.processes import Processes
from trainwright.search.pruning import choose
from trainwright.search.settings import TRIALS, Known, Settings
from trainwright.search.shared import Shared, shared_study
from trainwright.search.space import Space, in_order, middle, read_space
from trainwright.search.standing import Optimism, Verdict, optimism, ranking
from trainwright.search.trial import Bench, Kept, Outcome, Split, features_key
from trainwright.stages.prepare import prepare_training, write_resolved
from trainwright.stages.work import Work

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.dataset import Dataset
    from trainwright.spec.models import Search as Wanted

_JUDGED_ROWS = 5_000  # validation rows whose predictions are kept for the bootstrap: 20 kB a trial and class
_CHEAP_FROM = 20  # trials from which cheap ones pay: two rungs of three promote at least two (assumption)
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
    work.record["search"] = {name: found[name] for name in _HEADLINE}
    best = replanned(plan, work.loaded, dataset, cast(Mapping[str, JsonValue], found["params"]))
    write_resolved(work, dataset, best)
    return Searched(plan=best, prepared=_prepared_for(work, dataset, best, prepared, kept), kept=kept)


def _prepared_for(work: Work, dataset: "Dataset", best: Plan, prepared: Prepared, kept: Kept | None) -> Prepared:
    """The job of the best trial's plan; features are fitted again only where its plan wants others."""
    if kept is not None:
        return kept.prepared
    if features_key(best.model) == features_key(prepared.job.plan):
        return replace(prepared, job=replace(prepared.job, plan=best.model))
    return prepare_training(work, dataset, best)


_HEADLINE = ("family", "number", "params", "value", "metric", "trials", "states", "reason", "tied", "optimism")


def _searched(work: Work, dataset: "Dataset", plan: Plan, wanted: "Wanted", summary: Path) -> Kept | None:
    """Run the search and write what it came to; gives the winner's model where it is open."""
    settings = _settings(work, dataset, plan, wanted)
    folder = summary.parent
    ledger = Ledger(folder / "trials.jsonl")
    filing = _Filing(work, dataset, settings, folder)
    running = Search(
        settings=settings,
        ledger=ledger,
        worker=_worker(work, dataset, plan, settings, ledger),
        limits=Limits(clock=work.clock, deadline_s=_deadline(work, settings, ledger)),
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
    request = _request(work, dataset)
    corrected = filing.optimism()
    work.add([*_findings(settings, ledger, running.reason, verdict), *edges(settings, winner, family, request)])
    states = [r.state for r in ledger.trials]
    write_json(
        summary,
        {
            "family": plan.model.family,
            "method": settings.method,
            "sampler": settings.sampler if settings.method == "bayesian" else settings.method,
            "pruner": settings.pruner,
            "metric": settings.primary.name,
            "direction": settings.primary.direction,
            "watch": settings.watch.name,
            "shares": settings.shares,
            "judged_by": f"{settings.folds} folds of the training rows" if settings.folds else "validation rows",
            "number": verdict.number,
            "params": params,
            "value": winner.value,
            "train": winner.train,
            "trials": len(states),
            "states": {state: states.count(state) for state in sorted(set(states))},
            "reason": running.reason,
            "seconds": ledger.seconds,
            "leader": verdict.leader,
            "tied": verdict.tied,
            "why": verdict.why,
            "noise": verdict.noise,
            "standings": verdict.standings,
            "optimism": corrected,
            "importance": importance(settings, informative(settings, ledger.trials, LEAST_TRIALS)),
            "space": {name: _told_range(r) for name, r in settings.space.items()},
            "space_source": "the spec" if wanted.search_space else family.SOURCE,
            "ranking": [r.number for r in ranking(settings, ledger.trials)],
        },
    )
    work.record["search"] = {"family": plan.model.family, "number": verdict.number, "params": params}
    kept = running.kept.get(verdict.number)
    if kept is not None and work.loaded.spec.training.distributed is not None:
        kept.close()  # several processes train the final model, and their sums differ
        return None
    return kept


def _told_range(dimension: object) -> JsonValue:
    told = to_json(dimension)
    assert isinstance(told, Mapping)
    return {key: value for key, value in told.items() if value not in (None, False, [], {})}


def _settings(work: Work, dataset: "Dataset", plan: Plan, wanted: "Wanted") -> Settings:
    spec = work.loaded.spec
    family = load_family(plan.model.family)
    budget = wanted.budget
    trials = budget.trials if budget is not None else None
    seconds = budget.time.seconds if budget is not None and budget.time is not None else None
    if trials is None and seconds is None and spec.training.time_budget is None:
        trials = TRIALS
    request = _request(work, dataset)
    space = read_space(wanted.search_space) if wanted.search_space else in_order(family.SPACE)
    fixed = cast(Mapping[str, JsonValue], spec.architecture.architecture_spec)
    space = {name: dimension for name, dimension in space.items() if name not in fixed}
    if not space:
        raise SpecError("nothing is left to search: architecture_spec fixes every parameter of the family's own space")
    names = {name: middle(dimension) for name, dimension in space.items()}
    first = [(family.defaults(request), "the family's defaults"), *getattr(family, "PORTFOLIO", ())]
    known = [Known(params=renamed(family, params, names, request), source=source) for params, source in first]
    return Settings(
        space=space,
        fixed={**known[0].params, **fixed},
        known=tuple(known),
        method=wanted.method,
        sampler=wanted.sampler,
        pruner=choose(wanted.pruner, plan.model.unit, wanted.folds or 0),
        trials=trials,
        seconds=seconds,
        primary=plan.primary,
        watch=plan.watch,
        rounds=plan.model.rounds,
        seeds=work.seeds.child("search"),
        folds=wanted.folds or 0,
        compared_seeds=wanted.seeds,
        parallel=wanted.parallel,
        deterministic=wanted.deterministic,
        shares=_shares(wanted, len(dataset.train), space, trials),
    )


def _shares(wanted: "Wanted", rows: int, space: Space, trials: int | None) -> tuple[float, ...]:
    """Shares of the training rows for trials: all, or cheap ones first where the table and the space are large."""
    large = rows >= LARGE and len(space) >= LEAST_PARAMETERS and (trials is None or trials >= _CHEAP_FROM)
    cheap = large if wanted.cheap_trials is None else wanted.cheap_trials
    possible = wanted.method != "grid" and not wanted.folds
    return shares_for(rows) if cheap and possible else (1.0,)


def _request(work: Work, dataset: "Dataset") -> Request:
    """What the family is told about this data set."""
    estimator = family_of(work.loaded.spec)[1]
    return request_of(dataset, rounds=work.loaded.spec.training.limit, estimator=estimator, loaded=work.loaded)


def _worker(work: Work, dataset: "Dataset", plan: Plan, settings: Settings, ledger: Ledger) -> OwnProcess | Processes:
    """This process, or as many as the spec asks for, the threads divided among them."""
    if settings.parallel == 1:
        return OwnProcess(_bench(work, dataset, plan, settings), lambda: ledger.trials)
    threads = max(1, plan.threads // settings.parallel)
    command = [sys.executable, "-m", "trainwright.stages.trial_process", str(work.folder.path.absolute()), str(threads)]
    return Processes(
        command=[*command, "--trust-code"] if _runs_code(work, plan) else command,
        count=settings.parallel,
        clock=work.clock,
        stop=work.stop,
        logs=work.folder.scratch / "search",
    )


def _runs_code(work: Work, plan: Plan) -> bool:
    """Whether this run runs the user's code, which it may: a spec with code that is not trusted starts no run."""
    data = work.loaded.spec.data
    own_rows = any(is_code(path or "") for path in (data.train_path, data.val_path, data.test_path))
    return plan.model.holds_code or work.pipeline is not None or own_rows


def _shared(work: Work, dataset: "Dataset", plan: Plan, running: Search, url: str) -> Verdict:
    """The search with helpers: this process takes part, waits for the others, and takes over what they found."""
    with shared_study(url, work.folder.path.name, create=True) as study:
        bench = _bench(work, dataset, plan, running.settings)
        shared = Shared(study=study, settings=running.settings, bench=bench, limits=running.limits)
        told: set[int] = set()
        for outcome in shared.take_part():
            running.filed(outcome)
            _take_over(running, shared, told)
        shared.wait()
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


def bench_for(work: Work, dataset: "Dataset", plan: Plan) -> Bench:
    """The bench of the search that the spec asks for.

    Raises:
        SpecError: it asks for none.
    """
    wanted = work.loaded.spec.hyperparameter_search
    if wanted is None:
        raise SpecError(f"the search of {work.loaded.name} is not shared: its spec has no hyperparameter_search")
    return _bench(work, dataset, plan, _settings(work, dataset, plan, wanted))


def _bench(work: Work, dataset: "Dataset", plan: Plan, settings: Settings) -> Bench:
    return Bench(
        dataset=dataset,
        splits=_splits(work, dataset, settings),
        replan=lambda params: replanned(plan, work.loaded, dataset, params),
        settings=settings,
        workdir=work.folder.scratch / "search",
        clock=work.clock,
        started_s=work.recorder.started_s,
        stop=work.stop,
        checkpoint_every_s=work.loaded.spec.training.checkpoint_every.seconds,
        pipeline=work.pipeline,
        judged_rows=None if settings.folds else judged_rows(dataset, settings),
    )


def _splits(work: Work, dataset: "Dataset", settings: Settings) -> list[Split]:
    """The rows that judge trials. The validation split has the seeds of the final fit, whose model it may become."""
    if not settings.folds:
        return [Split(name="val", train=dataset.train, val=dataset.val, seeds=work.seeds)]
    from trainwright.data.folds import make_folds

    spec = work.loaded.spec
    strategy = spec.cross_validation.strategy if spec.cross_validation is not None else "auto"
    pairs = make_folds(
        dataset.train,
        dataset.target,
        folds=settings.folds,
        strategy=strategy,
        columns=spec.data.columns,
        seeds=settings.seeds.child("folds"),
    )
    return [
        Split(
            name=f"fold-{number}",
            train=take(dataset.train, train_at, "train"),
            val=take(dataset.train, val_at, "val"),
            seeds=settings.seeds.child("fold", number),
        )
        for number, (train_at, val_at) in enumerate(pairs)
    ]


def _deadline(work: Work, settings: Settings, ledger: Ledger) -> float | None:
    """When the search must end: its own time (that of earlier sessions counts), and the run's, less the final fit's.

    The final fit takes the winner's model as it is where trials are judged by validation rows in this process; else
    it trains once more, and as long as the longest trial so far is set aside (assumption before there is one: a tenth).
    """
    ends = []
    if settings.seconds is not None:
        ends.append(work.clock.elapsed() + settings.seconds - ledger.seconds)
    deadline = work.deadline_s
    if deadline is not None:
        left = deadline - work.clock.elapsed()
        folds = work.loaded.spec.cross_validation.folds if work.loaded.spec.cross_validation is not None else 0
        trained = settings.folds or settings.parallel > 1
        fits = folds + (1 if trained or work.loaded.spec.training.distributed is not None else 0)
        share = 0.1 * fits / (1 + 0.1 * fits) if fits else 0.0
        ends.append(deadline - share * left)
    return min(ends) if ends else None


def judged_rows(dataset: "Dataset", settings: Settings) -> "np.ndarray":
    """The validation rows whose predictions are kept for the bootstrap: all, or a sample of many."""
    import numpy as np

    rows = len(dataset.val)
    if rows <= _JUDGED_ROWS:
        return np.arange(rows)
    picked = settings.seeds.generator("judged rows").choice(rows, _JUDGED_ROWS, replace=False)
    return np.sort(picked)


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
