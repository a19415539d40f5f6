"""Whether the network can learn a few rows by heart, and whether its rows come as fast as it takes them."""

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from trainwright.core.findings import Severity
from trainwright.engines.contract import Experiment
from trainwright.engines.torch import placement
from trainwright.engines.torch.batches import Batch, Source
from trainwright.engines.torch.experiments.trial import BATCHES, Trial, failed, passed
from trainwright.engines.torch.unguarded import unguarded

OVERFIT, LOADER = "overfit_batch", "loader_speed"

_WORK = 1e11  # operations: about 5 s on one CPU core
_STEPS = (20, 300)
_RATES = (3e-3, 3e-4)  # assumption: one of the two suits any network of usual initial weights
_ROWS = 16
_LEFT = {"language": 0.7}
_LEFT_USUAL = 0.4
"""The share of the first loss that may be left. A network that cannot learn stays above 0.9; the families here reach
half of what is allowed and then stop (a language model of few steps: 0.28)."""

_TURNS, _SECONDS = 3, 0.5  # the least of three counts, as other work only ever adds time; of one where it takes long


def overfit_batch(trial: Trial) -> Experiment:
    """A few different rows can be learnt by heart, without noise (eval mode)."""
    batch = _distinct(trial)
    low, high = _STEPS
    steps = int(min(high, max(low, _WORK / (trial.row_work * batch.rows))))
    left = _LEFT.get(trial.problem.goal, _LEFT_USUAL)
    best, first = float("inf"), float("nan")
    for rate in _RATES:
        first, reached = _memorised(trial, batch, rate, steps, left)
        best = min(best, reached)
        if best <= left * first:
            break
    saw = f"{batch.rows} rows: the loss went from {first:.4g} to {best:.4g} in at most {steps} steps"
    if best <= left * first:
        return passed(OVERFIT, saw)
    return failed(
        OVERFIT,
        saw,
        f"At least {1 - left:.0%} should be gone: who cannot learn {batch.rows} rows by heart learns nothing",
        "Look for a cut gradient, a wrong last layer, or inputs whose scale is far from 1",
    )


def loader_speed(trial: Trial) -> Experiment:
    """Seconds to get batches against seconds to train on them. A warning only: time is another each time."""
    loading, training = _seconds(trial)
    saw = f"{1000 * loading:.2f} ms to load a batch of {trial.rows} rows, {1000 * training:.2f} ms to train on it"
    if loading <= training:
        return passed(LOADER, saw)
    return Experiment(
        name=LOADER,
        passed=False,
        saw=saw,
        what="Training will wait for its data",
        fix="Set training.data_on: device where the rows fit, or raise training.num_workers",
        severity=Severity.WARNING,
    )


def _seconds(trial: Trial) -> tuple[float, float]:
    """Of a batch: to load it from where the training will, and to train on it."""
    network = copy.deepcopy(trial.network).train()
    loading, training = float("inf"), float("inf")
    with _real_source(trial) as (source, rows):
        order = torch.from_numpy(trial.seeds.generator("loader").integers(0, rows, trial.rows * BATCHES))
        spans = [(i * trial.rows, (i + 1) * trial.rows) for i in range(BATCHES)]
        ends = time.perf_counter() + _SECONDS
        for turn in range(_TURNS):
            if turn and time.perf_counter() > ends:
                break
            began = time.perf_counter()
            batches = list(source.batches(order, spans, epoch_seed=0))
            loaded = time.perf_counter()
            for batch in batches:
                loss = trial.loss(batch, network)
                if loss.requires_grad:
                    loss.backward()  # type: ignore[no-untyped-call]
            if trial.device.type == "cuda":
                torch.cuda.synchronize(trial.device)
            loading = min(loading, (loaded - began) / BATCHES)
            training = min(training, (time.perf_counter() - loaded) / BATCHES)
    return loading, training


@contextmanager
def _real_source(trial: Trial) -> Iterator[tuple[Source, int]]:
    """Where rows will come from, and how many: a few stand for all where all are kept on the device."""
    train, problem, device, recipe = trial.job.train, trial.problem, trial.device, trial.recipe
    if placement.is_resident(train, problem, device, recipe):
        yield trial.source, trial.table.rows
        return
    source = placement.streamed(train, problem, device, recipe)
    try:
        yield source, train.rows
    finally:
        source.close()


def _memorised(trial: Trial, batch: Batch, rate: float, steps: int, left: float) -> tuple[float, float]:
    """The first and the least loss, over what is left where every row is known (nothing, but of counts)."""
    floor = _least(trial, batch)
    network = copy.deepcopy(trial.network).eval()
    params = [p for p in network.parameters() if p.requires_grad]
    first = best = float(trial.loss(batch, network).detach()) - floor
    if not params:
        return first, best
    optimizer = unguarded(torch.optim.AdamW)(params, lr=rate, weight_decay=0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = trial.loss(batch, network)
        best = min(best, float(loss.detach()) - floor)
        if best <= 0.5 * left * first or not bool(torch.isfinite(loss)) or not loss.requires_grad:
            break
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return first, best


def _least(trial: Trial, batch: Batch) -> float:
    """The loss of perfect scores: that of a Poisson rate equal to its count is not zero."""
    if not trial.problem.log_link:
        return 0.0
    return float((batch.y - torch.xlogy(batch.y, batch.y)).mean())


def _distinct(trial: Trial) -> Batch:
    """Rows that differ from each other: equal ones with different targets cannot be told apart."""
    x = trial.batch.x
    _, kept = np.unique(x.reshape(len(x), -1).cpu().numpy(), axis=0, return_index=True)
    kept.sort()
    picked = torch.from_numpy(kept[:_ROWS]).to(x.device)
    return Batch(x[picked], trial.batch.y[picked], None, float(len(picked)), len(picked))
