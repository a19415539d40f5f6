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
SMALL, LARGE = 1_000, 4_000  # rows of the two timed fits
ROUNDS = 5  # rounds of each
SECONDS = 20.0  # budget of each timed fit
USEFUL_ROUNDS = 10  # fewer rounds make no model worth having (assumption)
MAX_POWER = 3.0  # seconds grow as rows to this power at most (kernel methods: 2 to 3)
SHARE = 0.8  # of the budget goes to training at most: evaluation, export and report take the rest (assumption)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Seconds the training takes at most (all rounds of the plan), and at least (the fewest useful ones)."""

    at_most: float
    at_least: float
    measured: str


def forecast(job: Job, clock: Clock) -> Forecast:
    """Time two small fits and scale them to all rows and rounds.

    The first fit of a process pays for imports: a fit before the timed ones takes that out.
    """
    rows = job.train.rows
    _timed(job, spread_rows(job, SMALL), clock)
    large_rows = spread_rows(job, LARGE)
    small_seconds, small_rounds = _timed(job, spread_rows(job, SMALL), clock)
    large_seconds, large_rounds = _timed(job, large_rows, clock)
    power = 1.0
    if rows > LARGE:
        power = math.log(max(large_seconds / large_rounds, 1e-6) / max(small_seconds / small_rounds, 1e-6))
        power = min(max(power / math.log(LARGE / SMALL), 0.0), MAX_POWER)
        # Of a fit that scales with rows, small ones hide the slope under fixed costs: never less than linear for a
        # model fitted in one go, half of that for rounds (histograms are cheap beside what a round costs anyway).
        power = max(power, 1.0 if job.plan.unit == "fit" else 0.5)
    a_round = large_seconds / large_rounds * (rows / len(large_rows)) ** power
    fewest = min(job.plan.rounds, USEFUL_ROUNDS)
    measured = (
        f"{len(large_rows):,} rows, {large_rounds} {job.plan.unit}s in {large_seconds:.2f} s, "
        f"growing as rows^{power:.1f}"
    )
    return Forecast(at_most=a_round * job.plan.rounds, at_least=a_round * fewest, measured=measured)


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


def _timed(job: Job, rows: "np.ndarray", clock: Clock) -> tuple[float, int]:
    with session(small_job(job, rows, rounds=ROUNDS)) as opened:
        trained = train(opened, clock, SECONDS)
    return trained.seconds, max(trained.rounds, 1)


def _finding(code: str, severity: Severity, job: Job, what: str, seen: Forecast) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        where=f"model {job.plan.family}",
        what=what,
        why="A run that is cut off before it has learnt anything wastes all of its time.",
        fix="Raise training.time_budget, lower training.rounds, or choose a cheaper model_type",
        evidence={"forecast_s": round(seen.at_most, 2), "at_least_s": round(seen.at_least, 2)},
    )
