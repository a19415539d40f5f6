"""The checks in the order they run, their names, and what a spec may lift."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from trainwright.checks.after_fact import NAME as AFTER_THE_FACT
from trainwright.checks.after_fact import check_after_the_fact
from trainwright.checks.contract import CheckResult, not_checked
from trainwright.checks.cost import NAME as COST
from trainwright.checks.cost import check_cost
from trainwright.checks.environment import (
    DEVICE,
    DISK,
    MEMORY,
    THREADS,
    check_device,
    check_disk,
    check_memory,
    check_threads,
)
from trainwright.checks.experiments import can_be_tried, known_experiments, try_untrained
from trainwright.checks.future import NAME as FUTURE_VALUES
from trainwright.checks.future import check_future
from trainwright.checks.groups import NAME as GROUP_LEAKAGE
from trainwright.checks.groups import check_groups
from trainwright.checks.identifiers import NAME as IDENTIFIERS
from trainwright.checks.identifiers import check_identifiers
from trainwright.checks.leakage import NAME as TARGET_LEAKAGE
from trainwright.checks.leakage import check_target_leakage
from trainwright.checks.model_checks import BEATS, FITS, MEMORISES, PROBABILITIES, SHAPE, check_model
from trainwright.checks.overlap import NAME as SHARED_ROWS
from trainwright.checks.overlap import check_shared_rows
from trainwright.checks.schema import NAME as SCHEMA_DRIFT
from trainwright.checks.schema import check_schema
from trainwright.checks.shared_text import check_shared_text
from trainwright.checks.target import IMBALANCE, TARGET, TINY, check_imbalance, check_target, check_tiny
from trainwright.checks.time_order import NAME as TIME_LEAKAGE
from trainwright.checks.time_order import check_time
from trainwright.core.clock import Clock, SystemClock
from trainwright.core.errors import SpecError
from trainwright.core.registry import unknown
from trainwright.core.tasks import Task
from trainwright.data.dataset import Dataset
from trainwright.engines.contract import Job

DataCheck: TypeAlias = Callable[[Dataset], CheckResult]

DATA_CHECKS: Mapping[str, DataCheck] = {
    TARGET: check_target,
    IMBALANCE: check_imbalance,
    TINY: check_tiny,
    SCHEMA_DRIFT: check_schema,
    SHARED_ROWS: check_shared_rows,
    TARGET_LEAKAGE: check_target_leakage,
    AFTER_THE_FACT: check_after_the_fact,
    FUTURE_VALUES: check_future,
    IDENTIFIERS: check_identifiers,
    GROUP_LEAKAGE: check_groups,
    TIME_LEAKAGE: check_time,
}

TEXT_CHECKS: Mapping[str, DataCheck] = {TINY: check_tiny, SHARED_ROWS: check_shared_text}
"""What can be asked of a text without columns: that there is enough, and that its parts do not repeat each other."""

MODEL_CHECKS = (FITS, SHAPE, PROBABILITIES, BEATS, MEMORISES)
ENVIRONMENT_CHECKS = (DISK, MEMORY, THREADS, DEVICE)

NAMES: tuple[str, ...] = (*DATA_CHECKS, *MODEL_CHECKS, COST, *ENVIRONMENT_CHECKS)
"""Every check that is not an engine's own."""


def known_names() -> tuple[str, ...]:
    """Every name a spec may write under ``checks``: the experiments of all engines among them."""
    return (*NAMES, *dict.fromkeys(name for names in known_experiments().values() for name in names))


def require_known(lifted: Mapping[str, bool]) -> None:
    """Refuse names that are no checks.

    Raises:
        SpecError: a name is unknown; the message has the nearest one.
    """
    for name in lifted:
        if name not in NAMES and name not in known_names():
            raise SpecError(unknown("check", name, known_names()))


def examine_data(
    dataset: Dataset, *, lifted: Mapping[str, bool] | None = None, clock: Clock | None = None
) -> list[CheckResult]:
    """Run every data check. A check that the spec sets to false still runs, and its errors block nothing."""
    clock = clock or SystemClock()
    require_known(lifted or {})
    checks = TEXT_CHECKS if dataset.target.task is Task.LANGUAGE else DATA_CHECKS
    return [_timed(partial(check, dataset), lifted, clock) for check in checks.values()]


def examine_model(
    dataset: Dataset,
    job: Job,
    *,
    lifted: Mapping[str, bool] | None = None,
    time_budget_s: float | None = None,
    clock: Clock | None = None,
) -> list[CheckResult]:
    """Look at the machine, try the model on a few rows, forecast its cost against ``time_budget_s`` (what is left).

    Where the engine tries untrained models, those experiments come first: a model that fails one of them is not trained
    at all, and one that passes is not asked again whether it can memorise.
    """
    clock = clock or SystemClock()
    require_known(lifted or {})
    machine = examine_environment(
        folder=job.workdir, data_bytes=dataset.memory_bytes, threads=job.threads, device=job.device, lifted=lifted
    )
    tried = can_be_tried(job)
    results = [*machine, *(_marked(r, lifted, r.seconds) for r in try_untrained(job))]
    trained = (*MODEL_CHECKS[:-1],) if tried else MODEL_CHECKS
    if any(r.errors for r in results if r.group == "model"):
        why = "The untrained model failed an experiment."
        return [*results, *_unchecked(trained, why, lifted)]
    start = clock.elapsed()
    found = check_model(job, clock, tried=tried)
    share = (clock.elapsed() - start) / len(found)
    results += [_marked(r, lifted, share) for r in found]
    if any(r.name == FITS and r.findings for r in found):
        return [*results, *_unchecked((), "The model did not fit a sample.", lifted)]
    return [*results, _timed(lambda: check_cost(job, clock, time_budget_s), lifted, clock)]


def _unchecked(names: Sequence[str], why: str, lifted: Mapping[str, bool] | None) -> list[CheckResult]:
    """Checks of the model that were not made, and the forecast, which needs one that can be trained."""
    model = [not_checked(name, "model", why) for name in names]
    return [_marked(r, lifted, 0.0) for r in (*model, not_checked(COST, "plan", why))]


def examine_environment(
    *, folder: Path, data_bytes: int, threads: int, device: str, lifted: Mapping[str, bool] | None = None
) -> list[CheckResult]:
    """Look at disk (where ``folder`` is or will be), memory, threads and device."""
    clock = SystemClock()
    require_known(lifted or {})
    checks: tuple[Callable[[], CheckResult], ...] = (
        lambda: check_disk(folder, data_bytes),
        lambda: check_memory(data_bytes),
        lambda: check_threads(threads),
        lambda: check_device(device),
    )
    return [_timed(check, lifted, clock) for check in checks]


def _timed(check: Callable[[], CheckResult], lifted: Mapping[str, bool] | None, clock: Clock) -> CheckResult:
    start = clock.elapsed()
    result = check()
    return _marked(result, lifted, clock.elapsed() - start)


def _marked(result: CheckResult, lifted: Mapping[str, bool] | None, seconds: float) -> CheckResult:
    return replace(result, seconds=seconds, lifted=(lifted or {}).get(result.name) is False)
