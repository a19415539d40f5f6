"""What to try next: a function of the seed, the trial's number and what is known; never of time or of a sampler's past.

The Optuna study is made anew for every proposal, from the ledger's records: its own storages lose trials to a torn
line, and a resumed sampler repeats its draws. It takes 35 ms at 400 trials (measured). Samplers that keep a state of
their own between trials (CMA-ES, NSGA-II, QMC) cannot be asked so, and are not offered.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainwright.core.errors import ResourceMissing
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.families.contract import Range
from trainwright.search.halving import informative, more_than, promoted
from trainwright.search.ledger import Record
from trainwright.search.settings import Settings
from trainwright.search.space import applies, ends, filled, grid, key_of, nearest, rounded

if TYPE_CHECKING:
    import optuna

_ATTEMPTS = 20  # other draws for a configuration that was tried already, before the space counts as exhausted
# Optuna's own: trials drawn at random before the model of the space begins; the known configurations count among them.
_RANDOM_FIRST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A configuration to try, what proposed it, and on which share of the training rows."""

    number: int
    params: Mapping[str, JsonValue]
    origin: str
    share: float = 1.0


def propose(
    number: int, settings: Settings, done: Sequence[Record], pending: Sequence[Proposal] = ()
) -> Proposal | None:
    """The configuration of trial ``number``; None when the space has none left.

    ``done`` are finished trials, ``pending`` those that run at the same time.

    Raises:
        ResourceMissing: the sampler needs a package that is not installed.
    """
    if settings.method == "grid":
        return _next_of_grid(number, settings)
    tried = {key_of(r.params) for r in done} | {key_of(p.params) for p in pending}
    for params, source in _known(settings)[number : number + 1]:
        return Proposal(number=number, params=params, origin=source, share=settings.shares[0] if number else 1.0)
    due = promoted(settings, done, [(key_of(p.params), p.share) for p in pending])
    if due is not None:
        origin, share = f"trial {due.number}, on more rows", more_than(settings, due.share)
        return Proposal(number=number, params=due.params, origin=origin, share=share)
    for attempt in range(_ATTEMPTS):
        params = _drawn(number, attempt, settings, done, pending)
        if key_of(params) not in tried:
            origin = settings.sampler if settings.method == "bayesian" else "random"
            return Proposal(number=number, params=params, origin=origin, share=settings.shares[0])
    return None


def _next_of_grid(number: int, settings: Settings) -> Proposal | None:
    """Grid points in an order of the seed's, so that a grid that is cut short has been everywhere."""
    all_points = list(grid(settings.space, settings.fixed))
    if number >= len(all_points):
        return None
    order = settings.seeds.generator("grid").permutation(len(all_points))
    return Proposal(number=number, params=all_points[int(order[number])], origin="grid")


def _known(settings: Settings) -> list[tuple[dict[str, JsonValue], str]]:
    """Known configurations as points of the space: what lies outside of a range is taken to its nearer end."""
    found: dict[str, tuple[dict[str, JsonValue], str]] = {}
    for known in settings.known:
        params: dict[str, JsonValue] = {}
        for name, dimension in settings.space.items():
            if name in known.params and applies(dimension, {**known.params, **params}, settings.fixed):
                value = nearest(dimension, known.params[name])
                params |= {} if value is None else {name: value}
        found.setdefault(key_of(params), (params, known.source))
    return list(found.values())


def _drawn(
    number: int, attempt: int, settings: Settings, done: Sequence[Record], pending: Sequence[Proposal]
) -> dict[str, JsonValue]:
    seed = settings.seeds.integer("sampler", number, attempt)
    with quiet_optuna() as optuna:
        study = optuna.create_study(direction="minimize", sampler=_sampler(optuna, settings, seed))
        learned = informative(settings, done, _RANDOM_FIRST)
        study.add_trials([t for r in learned if (t := as_trial(r, settings)) is not None])
        study.add_trials([_running(p, settings) for p in pending])
        trial = study.ask()
        params: dict[str, JsonValue] = {}
        for name, dimension in settings.space.items():
            if applies(dimension, params, settings.fixed):
                params[name] = _suggested(trial, name, dimension)
    return params


def _suggested(trial: "optuna.Trial", name: str, dimension: Range) -> JsonValue:
    value = trial._suggest(name, distribution(dimension))  # suggest_* by the distribution's kind, as Optuna does itself
    if dimension.choices:
        return next(c for c in dimension.choices if dumps(c) == value)
    return rounded(dimension, value)


def distribution(dimension: Range) -> "optuna.distributions.BaseDistribution":
    """A dimension as Optuna has it; choices by their JSON, since it takes no lists."""
    from optuna import distributions

    if dimension.choices:
        return distributions.CategoricalDistribution([dumps(c) for c in dimension.choices])
    low, high = ends(dimension)
    if dimension.integer:
        step = 1 if dimension.step is None else int(dimension.step)
        return distributions.IntDistribution(int(low), int(high), log=dimension.log, step=step)
    return distributions.FloatDistribution(low, high, log=dimension.log, step=dimension.step)


def as_trial(record: Record, settings: Settings) -> "optuna.trial.FrozenTrial | None":
    """A record as a trial of Optuna's, to be made small; None for a trial that says nothing about its parameters.

    A parameter that a known configuration leaves to the library counts as the middle of its range: Optuna models only
    what all trials have.
    """
    from optuna.trial import TrialState, create_trial

    intermediate = {step: settings.watch_cost(value) for step, value in record.curve}
    if record.state in ("complete", "cut") and record.value is not None:
        state, value = TrialState.COMPLETE, settings.cost(record.value)
    elif record.state == "pruned" and intermediate:
        state, value = TrialState.PRUNED, min(intermediate.values())
    else:
        return None
    params, distributions = _optuna_params(record.params, settings)
    return create_trial(
        state=state, value=value, params=params, distributions=distributions, intermediate_values=intermediate
    )


def _running(proposal: Proposal, settings: Settings) -> "optuna.trial.FrozenTrial":
    from optuna.trial import TrialState, create_trial

    params, distributions = _optuna_params(proposal.params, settings)
    return create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)


def _optuna_params(params: Mapping[str, JsonValue], settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    whole = filled(settings.space, params, settings.fixed)
    values = {n: dumps(v) if settings.space[n].choices else v for n, v in whole.items()}
    return values, {n: distribution(settings.space[n]) for n in whole}


def _sampler(optuna: Any, settings: Settings, seed: int) -> Any:
    samplers = optuna.samplers
    if settings.method == "random":
        return samplers.RandomSampler(seed=seed)
    match settings.sampler:
        case "tpe":
            conditional = any(d.when for d in settings.space.values())
            return samplers.TPESampler(
                seed=seed, multivariate=True, group=conditional, constant_liar=True, n_startup_trials=_RANDOM_FIRST
            )
        case "gp":
            return samplers.GPSampler(seed=seed, deterministic_objective=False, n_startup_trials=_RANDOM_FIRST)


@contextmanager
def quiet_optuna() -> Iterator[Any]:
    """Optuna without its log lines and its notes on what is experimental; its settings are put back."""
    try:
        import optuna
    except ImportError as error:
        raise ResourceMissing(f"optuna cannot be imported: {error}. Install trainwright again") from error

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", "Heartbeat of storage is supposed to be used with Study.optimize")
            yield optuna
    finally:
        optuna.logging.set_verbosity(level)
