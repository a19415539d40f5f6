"""What the training will cost: a forecast from small timed fits, against the time budget."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.checks.contract import CheckResult, not_checked, plain_result
from trainwright.checks.trial import session, small_job, spread_rows, train
from trainwright.core.clock import Clock
from trainwright.core.findings import Finding, Severity
from trainwright.engines.contract import Job

if TYPE_CHECKING:
    import numpy as np

NAME = "cost"
SMALL, LARGE = 1_000, 4_000  # rows of the timed fits
FEWEST, TOKENS = 16, 2  # at least a batch or two; tokens that cost about as much as a row of a table (assumption)
ROUNDS, LONGER = 5, 5  # rounds of the shorter fit, and times more of the longer one
SECONDS = 20.0  # budget of each timed fit
USEFUL_ROUNDS = 10  # fewer rounds make no model worth having (assumption)
USEFUL_EPOCHS = 2  # the same of a network: a decoder beats 5-grams on a megabyte after two (measured)
EPOCHS = 2  # of the first fit of a network
SLOW = 0.2  # seconds of that fit from which a network's start, some 20 ms, can be left out
MAX_POWER = 3.0  # seconds grow as rows to this power at most (kernel methods: 2 to 3)
SHARE = 0.8  # of the budget goes to training at most: evaluation, export and report take the rest (assumption)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Seconds the training takes at most (all rounds of the plan), and at least (the fewest useful ones)."""

    at_most: float
    at_least: float
    measured: str


def forecast(job: Job, clock: Clock) -> Forecast:
    """Time small fits and scale them to all rows and rounds.

    The first fit of a process pays for imports, so one goes before the timed ones. Rounds are timed as a difference
    of two lengths, as starting an engine costs more than a few small rounds do. A network whose few epochs take long
    needs neither: its start is nothing beside them, and an epoch's seconds grow as its rows.
    """
    share = _row_size(job)
    few, many = spread_rows(job, max(SMALL // share, FEWEST)), spread_rows(job, max(LARGE // share, 4 * FEWEST))
    epochs = job.plan.unit == "epoch"
    first, rounds = _timed(job, few, EPOCHS if epochs else ROUNDS, clock)
    if epochs and first > SLOW:
        return _of_epochs(job, len(few), first / rounds)
    small, large = _per_round(job, few, clock), _per_round(job, many, clock)
    power = _power(job, few, many, small, large)
    a_round = large.round_s * (job.train.rows / len(many)) ** power
    fewest = min(job.plan.rounds, USEFUL_EPOCHS if epochs else USEFUL_ROUNDS)
    start = large.start_s
    measured = f"{len(many):,} rows: {large.round_s:.2g} s a {job.plan.unit}, growing as rows^{power:.1f}"
    return Forecast(at_most=start + a_round * job.plan.rounds, at_least=start + a_round * fewest, measured=measured)


def _of_epochs(job: Job, rows: int, epoch_s: float) -> Forecast:
    a_round = epoch_s * max(job.train.rows / rows, 1.0)
    return Forecast(
        at_most=a_round * job.plan.rounds,
        at_least=a_round * min(job.plan.rounds, USEFUL_EPOCHS),
        measured=f"{rows:,} rows: {epoch_s:.2g} s an epoch, growing as rows^1.0",
    )


def _row_size(job: Job) -> int:
    """How many rows of a table a row counts for: one for tables, half as many as it has tokens for texts."""
    return max(1, int(job.train.X.shape[1]) // TOKENS) if job.plan.features in ("tokens", "language") else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timing:
    """Seconds to start, and for each round."""

    start_s: float
    round_s: float


def _per_round(job: Job, rows: "np.ndarray", clock: Clock) -> _Timing:
    seconds, rounds = _timed(job, rows, ROUNDS, clock)
    if job.plan.rounds <= ROUNDS:
        return _Timing(start_s=0.0, round_s=seconds / rounds)
    longer, more = _timed(job, rows, min(LONGER * ROUNDS, job.plan.rounds), clock)
    if more <= rounds or longer <= seconds:  # cut short, or too quick to tell
        return _Timing(start_s=0.0, round_s=longer / more)
    round_s = (longer - seconds) / (more - rounds)
    return _Timing(start_s=max(seconds - rounds * round_s, 0.0), round_s=round_s)


def _power(job: Job, few: "np.ndarray", many: "np.ndarray", small: _Timing, large: _Timing) -> float:
    """How the seconds of a round grow with rows: at least as ``rows ** 0.5``, linearly for whole fits and trees.

    Small fits hide the slope under fixed costs, hence the floor.
    """
    floor = 1.0 if job.plan.unit in ("fit", "tree") else 0.5
    if len(many) <= len(few):
        return floor
    growth = math.log(max(large.round_s, 1e-6) / max(small.round_s, 1e-6)) / math.log(len(many) / len(few))
    return min(max(growth, floor), MAX_POWER)


def check_cost(job: Job, clock: Clock, time_budget_s: float | None) -> CheckResult:
    """Refuse a plan whose fewest useful rounds cannot fit the budget; say it when its full length cannot."""
    seen = forecast(job, clock)
    if not math.isfinite(seen.at_most):
        return not_checked(NAME, "plan", "The timed fits gave no number to forecast from.")
    early = " (early stopping may end it sooner)" if job.plan.patience else ""
    saw = f"Timed {seen.measured}: forecast at most {seen.at_most:.1f} s for {job.plan.rounds} {job.plan.unit}s{early}"
    note = _finding(
        "plan.forecast", Severity.INFO, job, f"training is forecast to take at most {seen.at_most:.1f} s", seen
    )
    if time_budget_s is None:
        return plain_result(NAME, "plan", f"{saw}; no time budget is set.", [note])
    saw += f", {time_budget_s:g} s are left."
    room = SHARE * time_budget_s
    if seen.at_least > room:
        what = f"needs {seen.at_least:.0f} s for a model worth having by the forecast, {room:.0f} s can go to training"
        return plain_result(NAME, "plan", saw, [_finding("plan.does_not_fit", Severity.ERROR, job, what, seen)])
    if seen.at_most > room:
        what = f"all {job.plan.rounds} {job.plan.unit}s may take {seen.at_most:.0f} s: the budget may end it first"
        return plain_result(NAME, "plan", saw, [_finding("plan.may_be_cut", Severity.INFO, job, what, seen)])
    return plain_result(NAME, "plan", saw, [note])


def _timed(job: Job, rows: "np.ndarray", rounds: int, clock: Clock) -> tuple[float, int]:
    with session(small_job(job, rows, rounds=rounds)) as opened:
        trained = train(opened, clock, SECONDS)
    return trained.seconds, max(trained.rounds, 1)


def _finding(code: str, severity: Severity, job: Job, what: str, seen: Forecast) -> Finding:
    fits = code == "plan.forecast"
    return Finding(
        code=code,
        severity=severity,
        where=f"model {job.plan.family}",
        what=what,
        why="" if fits else "A run that is cut off before it has learnt anything wastes all of its time.",
        fix="" if fits else "Raise training.time_budget, lower training.rounds, or choose a cheaper model_type",
        evidence={"forecast_s": round(seen.at_most, 2), "at_least_s": round(seen.at_least, 2)},
    )
