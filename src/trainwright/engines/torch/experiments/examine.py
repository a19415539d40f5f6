"""What can be known of a network before it is trained: experiments on a few rows, the same each time.

Every experiment states what it saw. One that means nothing here (looking ahead, without a language) is left out; one
that cannot be made says why.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from trainwright.engines.contract import Experiment, Job
from trainwright.engines.torch.device import (
    exact_products,
    find_device,
    memory_errors,
    pinned_threads,
    private_randomness,
)
from trainwright.engines.torch.experiments import gradients, learning, rows, scores
from trainwright.engines.torch.experiments.trial import FEWEST_ROWS, ROWS, Trial, failed, not_made, open_trial
from trainwright.engines.torch.full import StepTooLarge, is_full, release

_Make: TypeAlias = Callable[[Trial], Experiment]

MAKERS: Mapping[str, _Make] = {
    scores.RUNS: scores.forward_backward,
    scores.SHAPE: scores.output_shape,
    scores.FINITE: scores.finite_output,
    scores.FIRST_LOSS: scores.initial_loss,
    rows.BATCH_SIZE: rows.batch_size_independence,
    rows.NO_LEAK: rows.no_leak_between_rows,
    rows.NO_LOOK_AHEAD: rows.no_look_ahead,
    gradients.FLOW: gradients.flow,
    gradients.FINITE: gradients.finite,
    gradients.ALIVE: gradients.alive,
    learning.OVERFIT: learning.overfit_batch,
    learning.LOADER: learning.loader_speed,
}
_NEEDED = (scores.RUNS, scores.SHAPE, scores.FINITE)  # where one of them fails the others can see nothing
_GRADIENTS = (gradients.FLOW, gradients.FINITE, gradients.ALIVE)
_OF_LANGUAGE = (rows.NO_LOOK_AHEAD,)


def examine(job: Job) -> list[Experiment]:
    """All experiments that mean something for this job, in order; on fewer rows where memory has no room for them.

    Raises:
        SpecError: no network can be built from the spec.
        ResourceMissing: the device's memory is full.
    """
    device, most = find_device(job.device), ROWS
    with (
        pinned_threads(job.threads),
        private_randomness(device),
        exact_products(device),
        memory_errors(device),
    ):
        while most > FEWEST_ROWS:
            with suppress(_TooMany), open_trial(job, device, most) as trial:
                return _examined(trial, may_be_fewer=True)
            release(device)
            most //= 2
        with open_trial(job, device, most) as trial:
            return _examined(trial, may_be_fewer=False)


class _TooMany(Exception):
    """Memory has no room for a pass over the trial's rows."""


def _examined(trial: Trial, *, may_be_fewer: bool) -> list[Experiment]:
    found: list[Experiment] = []
    broken = full = ""
    for name, make in MAKERS.items():
        if name in _OF_LANGUAGE and trial.problem.goal != "language":
            continue
        if broken:
            found.append(not_made(name, f"nothing could be seen, as {broken} failed"))
            continue
        began = time.perf_counter()
        try:
            made = _attempt(name, make, trial)
        except (RuntimeError, MemoryError, StepTooLarge) as error:
            if not may_be_fewer or not _is_full(error):
                raise
            full = str(error)
        if full:  # the error is gone, and with it what it held
            raise _TooMany(full)
        found.append(_alone(replace(made, seconds=time.perf_counter() - began), found))
        broken = name if name in _NEEDED and made.passed is False else ""
    return found


def _alone(made: Experiment, earlier: Sequence[Experiment]) -> Experiment:
    """One cause, one message: that rows cannot be learnt by heart without gradients goes without saying."""
    causes = [e.name for e in earlier if e.name in _GRADIENTS and e.passed is False]
    if made.name != learning.OVERFIT or made.passed or not causes:
        return made
    return not_made(made.name, f"not judged, as {causes[0]} failed: {made.saw}")


def _is_full(error: BaseException) -> bool:
    return is_full(error) or isinstance(error, StepTooLarge)


def _attempt(name: str, make: _Make, trial: Trial) -> Experiment:
    try:
        return make(trial)
    except Exception as error:  # a network of one's own: anything may come, and it is what is told
        if _is_full(error):  # says nothing about the network
            raise
        said = " ".join(str(error).split())
        what, fix = _IN.get(name, _IN[scores.RUNS])
        return failed(name, f"{type(error).__name__}: {said}", what, fix, may_be_meant=False)


_IN: Mapping[str, tuple[str, str]] = {
    scores.RUNS: (
        "One batch cannot be passed forward and backward",
        "Look at the shapes the layers expect and at the message",
    ),
    scores.SHAPE: ("The network fails in eval mode", "Look at what depends on self.training"),
    rows.BATCH_SIZE: (
        "The network takes a batch and fails on a single row in eval mode",
        "Look for batch statistics used in eval mode, and for squeeze() where the batch may be one row",
    ),
}
"""What is wrong where an experiment breaks, and what to look at."""
