"""How many threads train a job fastest on the CPU: a few steps tell. The number is part of the result and said."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.engines.contract import Job, Table
from trainwright.engines.torch.session import TorchSession

_TRIES = 3  # the least of three passes: other work on the machine only ever adds time
_PASS_SECONDS = 0.3  # assumption: long enough for steps of a millisecond to be told apart
_MOST_STEPS = 20
_GAIN = 0.9
"""More threads must take at most nine tenths of the time: they also make the result depend on more cores, and two
threads on cores that others use were 5 to 15 times slower than one (docs/lessons.md)."""


def choose(job: Job, cores: int) -> tuple[int, Finding]:
    """The number of threads, and what was measured."""
    candidates = _candidates(cores)
    seconds = measure(job, candidates)
    best = candidates[0]
    for threads in candidates[1:]:
        if seconds[threads] < _GAIN * seconds[best]:
            best = threads
    told: dict[str, JsonValue] = {str(threads): round(s, 6) for threads, s in seconds.items()}
    said = ", ".join(f"{threads}: {1000 * s:.2f} ms" for threads, s in seconds.items())
    return best, Finding(
        code="torch.threads",
        severity=Severity.INFO,
        where="training.threads",
        what=f"trains with {best} of {cores} threads, by the time of a step ({said})",
        why="the number of threads is part of the result, so it is pinned",
        fix=f"Set training.threads: {best} to repeat this result without measuring",
        evidence={"cores": cores, "seconds_per_step": told, "chosen": best},
    )


def measure(job: Job, candidates: Sequence[int]) -> dict[int, float]:
    """Seconds of one step by the number of threads; the passes take turns. The job's own training is not touched."""
    sessions = {threads: TorchSession(replace(_small(job), threads=threads)) for threads in candidates}
    try:
        best = dict.fromkeys(candidates, float("inf"))
        for session in sessions.values():
            session.time_steps(2)  # the first ones allocate
        for _ in range(_TRIES):
            for threads, session in sessions.items():
                best[threads] = min(best[threads], _pass(session))
        return best
    finally:
        for session in sessions.values():
            session.close()


def _pass(session: TorchSession) -> float:
    began, steps = time.perf_counter(), 0
    while steps < _MOST_STEPS and (not steps or time.perf_counter() - began < _PASS_SECONDS):
        session.time_steps(1)
        steps += 1
    return (time.perf_counter() - began) / steps


def _candidates(cores: int) -> list[int]:
    found = [1]
    while found[-1] * 2 <= cores:
        found.append(found[-1] * 2)
    return [*found, cores] if found[-1] < cores else found


def _small(job: Job) -> Job:
    """Rows for a few batches; the plan is the job's, so a step is the same work."""
    recipe = job.plan.options.get("recipe")
    batch = recipe.get("batch_size") if isinstance(recipe, Mapping) else None
    rows = min(job.train.rows, max(4096, 4 * batch if isinstance(batch, int) else 0))
    train = job.train
    weight = None if train.weight is None else train.weight[:rows]
    return replace(job, train=Table(X=train.X[:rows], y=train.y[:rows], weight=weight))
