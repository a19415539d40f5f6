"""A small training on the side: a few rows, a few rounds, a few seconds, nothing left behind."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainwright.core import registry
from trainwright.core.clock import Clock
from trainwright.core.seeds import Seeds
from trainwright.doctor.capacity import halved
from trainwright.engines.contract import Job, Session, Table, Unit
from trainwright.engines.repairs import OutOfMemory, Repair

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a small training came to: rounds done, seconds, and whether the seconds ended it early."""

    rounds: int
    seconds: float
    cut_short: bool


def subset(table: Table, rows: "np.ndarray") -> Table:
    """Some rows of a table, in the given order; rows may repeat."""
    weight = None if table.weight is None else table.weight[rows]
    return Table(X=table.X[rows], y=table.y[rows], weight=weight)


def spread_rows(job: Job, limit: int) -> "np.ndarray":
    """At most ``limit`` training rows (more where there are more classes), ascending, with every class among them."""
    import numpy as np

    n = job.train.rows
    if n <= limit:
        return np.arange(n)
    chosen = Seeds(0).generator("trial", n).permutation(n)
    if job.num_classes:
        _, first = np.unique(job.train.y[chosen], return_index=True)
        chosen = np.concatenate([chosen[first], np.delete(chosen, first)])
        limit = max(limit, len(first))
    return np.sort(chosen[:limit])


def small_job(job: Job, rows: "np.ndarray", *, rounds: int) -> Job:
    """The same work on few rows and for few rounds; of validation rows as many at most (a schedule may need some)."""
    import numpy as np

    plan = replace(job.plan, rounds=max(1, min(rounds, job.plan.rounds)))
    val = None if job.val is None else subset(job.val, np.arange(min(job.val.rows, len(rows))))
    return replace(job, plan=plan, train=subset(job.train, rows), val=val)


@contextmanager
def session(job: Job) -> Iterator[Session]:
    """Open the job's engine in a scratch folder of its own, and clean up after."""
    folder = Path(tempfile.mkdtemp(prefix="check-", dir=job.workdir))
    try:
        opened = cast(Session, registry.load("engines", job.plan.engine).open(replace(job, workdir=folder)))
        try:
            yield opened
        finally:
            opened.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _units(opened: Session) -> Iterator[Unit]:
    while True:
        try:
            yield from opened.units()
        except OutOfMemory as full:
            tried = full.tried
            half, step_rows = halved(tried.batch_rows, tried.least_rows), tried.step_rows
            if half >= tried.batch_rows:
                raise
        else:
            return
        opened.apply(Repair(action="halve_batch", values={"batch_size": half, "step_rows": step_rows}))


def train(opened: Session, clock: Clock, seconds: float) -> Trained:
    """Train to the end of the plan, or until the first unit that ends after ``seconds``.

    Passes that memory has no room for are halved, as the training itself has its repairs for them.

    Raises:
        OutOfMemory: the smallest pass does not fit.
    """
    start, rounds = clock.elapsed(), 0
    for unit in _units(opened):
        rounds = unit.rounds
        if clock.elapsed() - start > seconds:
            return Trained(rounds=rounds, seconds=clock.elapsed() - start, cut_short=True)
    return Trained(rounds=rounds, seconds=clock.elapsed() - start, cut_short=False)
