"""What a search is made of, from the spec and the data: its settings, its rows, what trains its trials, its end."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from trainwright.core.code_files import is_code
from trainwright.core.errors import SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.families.contract import Range, Request
from trainwright.fit.jobs import take
from trainwright.fit.plan import TWICE, Plan, family_of, load_family, request_of
from trainwright.fit.recipe import recipe_values
from trainwright.fit.replan import CLASS_WEIGHT, CLASS_WEIGHTS, renamed, replanned
from trainwright.search.halving import LARGE, LEAST_PARAMETERS, shares_for
from trainwright.search.ledger import Ledger
from trainwright.search.loop import OwnProcess
from trainwright.search.processes import Processes
from trainwright.search.pruning import choose
from trainwright.search.settings import TRIALS, Known, Pruner, Settings
from trainwright.search.space import Space, in_order, middle, read_space
from trainwright.search.trial import Bench, Split
from trainwright.stages.work import Work

if TYPE_CHECKING:
    import numpy as np

    from trainwright.core.seeds import Seeds
    from trainwright.data.dataset import Dataset, Part
    from trainwright.spec.models import Search as Wanted

_JUDGED_ROWS = 5_000  # validation rows whose predictions are kept for the bootstrap: 20 kB a trial and class
_OUTER_FOLDS = 5  # as in the mission's own example of cross-validation
# Metrics of labels in which a class counts for more than its rows do.
_OF_RARE_CLASSES = frozenset({"f1", "f1_macro", "balanced_accuracy", "recall_macro", "mcc"})
_UNEQUAL = 1.5  # the largest class over the smallest, above which weights are searched (assumption)
_CHEAP_FROM = 20  # trials from which cheap ones pay: two rungs of three promote at least two (assumption)


def settings_of(work: Work, dataset: "Dataset", plan: Plan, wanted: "Wanted") -> Settings:
    """The search that the spec asks for, over the family's defaults.

    Raises:
        SpecError: nothing is left to search.
    """
    spec = work.loaded.spec
    family = load_family(plan.model.family)
    budget = wanted.budget
    trials = budget.trials if budget is not None else None
    seconds = budget.time.seconds if budget is not None and budget.time is not None else None
    if trials is None and seconds is None and spec.training.time_budget is None:
        trials = TRIALS
    request = request_for(work, dataset)
    space: Space = read_space(wanted.search_space) if wanted.search_space else in_order(family.SPACE)
    fixed = cast(Mapping[str, JsonValue], spec.architecture.architecture_spec)
    space = {name: dimension for name, dimension in space.items() if name not in fixed}
    if not space:
        raise SpecError("nothing is left to search: architecture_spec fixes every parameter of the family's own space")
    names = {name: middle(dimension) for name, dimension in space.items()}
    first = [
        ({**_of_recipe(plan), **family.defaults(request)}, "the family's defaults"),
        *getattr(family, "PORTFOLIO", ()),
    ]
    known = [Known(params=renamed(family, params, names, request), source=source) for params, source in first]
    if not wanted.search_space and _rewards_weights(work, dataset, plan, wanted):
        space, known = _with_class_weight(space, known)
    return Settings(
        space=space,
        fixed={**known[0].params, **fixed},
        known=tuple(known),
        method=wanted.method,
        sampler=wanted.sampler,
        pruner=_pruner(wanted, plan, space),
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


def _of_recipe(plan: Plan) -> dict[str, JsonValue]:
    """What the plan's own recipe says under the names of a search: where a network of one's own begins."""
    values = recipe_values(plan.model)
    return {name: values[path] for path, name in TWICE.items() if path in values}


def _rewards_weights(work: Work, dataset: "Dataset", plan: Plan, wanted: "Wanted") -> bool:
    """Whether weights of classes may be worth more than all other parameters: a metric of labels that rare classes
    decide, unequal classes, a model that takes weights, and a spec that leaves them open.

    Measured on diabetes130 (11, 35 and 54 % of rows), macro F1 of test rows with LightGBM's defaults: none 0.409,
    sqrt 0.454, balanced 0.464; the round of the best macro F1 instead of the best log loss gives 0.002.
    """
    import numpy as np

    if plan.primary.name not in _OF_RARE_CLASSES or not plan.model.accepts_weights:
        return False
    if wanted.pruner not in ("auto", "none", "wilcoxon"):
        return False  # what was asked for compares losses, and those under other weights cannot be compared
    if work.loaded.origins.get("training.class_weight", "default") != "default":
        return False
    counts = np.bincount(dataset.train.y, minlength=dataset.target.num_classes)
    return bool(counts.max() > _UNEQUAL * max(1, counts.min()))


def _with_class_weight(space: Space, known: list[Known]) -> tuple[Space, list[Known]]:
    """The space with weights of classes. The first configuration is tried with the middle one, which is right where
    time ends the search early, then with both ends; those after it with the middle."""
    first = [
        replace(
            known[0], params={**known[0].params, CLASS_WEIGHT: weight}, source=f"{known[0].source}, {weight} weights"
        )
        for weight in ("sqrt", "balanced", "none")
    ]
    weighed = [*first, *(replace(one, params={**one.params, CLASS_WEIGHT: "sqrt"}) for one in known[1:])]
    return {**space, CLASS_WEIGHT: Range(choices=CLASS_WEIGHTS)}, weighed


def _pruner(wanted: "Wanted", plan: Plan, space: Space) -> Pruner:
    """What ends a trial that cannot win. Losses under other weights of classes say nothing about each other."""
    if wanted.pruner == "auto" and CLASS_WEIGHT in space and not wanted.folds:
        return "none"
    return choose(wanted.pruner, plan.model.unit, wanted.folds or 0)


def _shares(wanted: "Wanted", rows: int, space: Space, trials: int | None) -> tuple[float, ...]:
    """Shares of the training rows for trials: all, or cheap ones first where the table and the space are large."""
    large = rows >= LARGE and len(space) >= LEAST_PARAMETERS and (trials is None or trials >= _CHEAP_FROM)
    cheap = large if wanted.cheap_trials is None else wanted.cheap_trials
    possible = wanted.method != "grid" and not wanted.folds
    return shares_for(rows) if cheap and possible else (1.0,)


def request_for(work: Work, dataset: "Dataset") -> Request:
    """What the family is told about this data set."""
    estimator = family_of(work.loaded.spec)[1]
    return request_of(dataset, rounds=work.loaded.spec.training.limit, estimator=estimator, loaded=work.loaded)


def worker_of(work: Work, dataset: "Dataset", plan: Plan, settings: Settings, ledger: Ledger) -> OwnProcess | Processes:
    """This process, or as many as the spec asks for, the threads divided among them."""
    if settings.parallel == 1:
        return OwnProcess(bench_of(work, dataset, plan, settings), lambda: ledger.trials)
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


def bench_for(work: Work, dataset: "Dataset", plan: Plan) -> Bench:
    """The bench of the search that the spec asks for.

    Raises:
        SpecError: it asks for none.
    """
    wanted = work.loaded.spec.hyperparameter_search
    if wanted is None:
        raise SpecError(f"the search of {work.loaded.name} is not shared: its spec has no hyperparameter_search")
    return bench_of(work, dataset, plan, settings_of(work, dataset, plan, wanted))


def bench_of(
    work: Work, dataset: "Dataset", plan: Plan, settings: Settings, *, splits: Sequence[Split] | None = None
) -> Bench:
    """What trials of this process share; ``splits`` are others than the search's own."""
    return Bench(
        dataset=dataset,
        splits=_splits(work, dataset, settings) if splits is None else splits,
        replan=lambda params: replanned(plan, work.loaded, dataset, params),
        settings=settings,
        workdir=work.folder.scratch / "search",
        clock=work.clock,
        started_s=work.recorder.started_s,
        stop=work.stop,
        checkpoint_every_s=work.loaded.spec.training.checkpoint_every.seconds,
        pipeline=work.pipeline,
        judged_rows=None if settings.folds else judged_rows(dataset, settings),
        scored_in_time=work.deadline_s is not None,
    )


def _splits(work: Work, dataset: "Dataset", settings: Settings) -> list[Split]:
    """The rows that judge trials. The validation split has the seeds of the final fit, whose model it may become."""
    if not settings.folds:
        return [Split(name="val", train=dataset.train, val=dataset.val, seeds=work.seeds)]
    pairs = folds_of(work, dataset, dataset.train, settings.folds, settings.seeds.child("folds"))
    return [
        Split(
            name=f"fold-{number}",
            train=take(dataset.train, train_at, "train"),
            val=take(dataset.train, val_at, "val"),
            seeds=settings.seeds.child("fold", number),
        )
        for number, (train_at, val_at) in enumerate(pairs)
    ]


def folds_of(
    work: Work, dataset: "Dataset", part: "Part", folds: int, seeds: "Seeds"
) -> "list[tuple[np.ndarray, np.ndarray]]":
    """Positions ``(train, held out)`` in a part of the data, divided as the spec's cross-validation is.

    Raises:
        DataRefused: fewer rows, groups or times than folds need.
    """
    from trainwright.data.folds import make_folds

    spec = work.loaded.spec
    strategy = spec.cross_validation.strategy if spec.cross_validation is not None else "auto"
    return make_folds(part, dataset.target, folds=folds, strategy=strategy, columns=spec.data.columns, seeds=seeds)


def share_of_search(wanted: "Wanted") -> float:
    """The part of the search's time that trials may take; the rest is for the estimate of their luck.

    A nested one does the search once more a fold, so each has the same time; a repeated one has a quarter (assumption).
    """
    match wanted.optimism:
        case "nested":
            return 1 / (1 + outer_folds(wanted))
        case "repeated":
            return 0.75
        case "bootstrap":
            return 1.0


def outer_folds(wanted: "Wanted") -> int:
    """Outer folds of an estimate by held-out rows."""
    return wanted.optimism_folds or _OUTER_FOLDS


def deadline_of(work: Work, settings: Settings, *, spent_s: float, share: float = 1.0) -> float | None:
    """When the search must end: its own time (``spent_s`` of it in earlier sessions), and the run's, less the final
    fit's; of both only the ``share``.

    The final fit takes the winner's model as it is where trials are judged by validation rows in this process; else
    it trains once more, and as long as the longest trial so far is set aside (assumption before there is one: a tenth).
    """
    ends = []
    now = work.clock.elapsed()
    if settings.seconds is not None:
        ends.append(now + share * settings.seconds - spent_s)
    deadline = work.deadline_s
    if deadline is not None:
        left = deadline - now
        folds = work.loaded.spec.cross_validation.folds if work.loaded.spec.cross_validation is not None else 0
        trained = settings.folds or settings.parallel > 1
        fits = folds + (1 if trained or work.loaded.spec.training.distributed is not None else 0)
        final = 0.1 * fits / (1 + 0.1 * fits) if fits else 0.0
        ends.append(now + share * (1 - final) * left)
    return min(ends) if ends else None


def judged_rows(dataset: "Dataset", settings: Settings) -> "np.ndarray":
    """The validation rows whose predictions are kept for the bootstrap: all, or a sample of many."""
    import numpy as np

    rows = len(dataset.val)
    if rows <= _JUDGED_ROWS:
        return np.arange(rows)
    picked = settings.seeds.generator("judged rows").choice(rows, _JUDGED_ROWS, replace=False)
    return np.sort(picked)
