"""What can be known of a network before it is trained: a dozen small experiments on a few rows, the same each time.

Every experiment states what it saw. Those that cannot be made (there is no looking ahead without a language) are
left out, not passed.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from trainwright.core.errors import TrainwrightError
from trainwright.engines.contract import Job, Table
from trainwright.engines.torch import placement
from trainwright.engines.torch.batches import Batch
from trainwright.engines.torch.building import build_network
from trainwright.engines.torch.device import find_device, pinned_threads, private_randomness, seed_generators
from trainwright.engines.torch.losses import RowLosses, row_losses
from trainwright.engines.torch.problem import Problem, problem_of
from trainwright.engines.torch.recipe import Recipe, recipe_from

_ROWS = 64
_ROWS_WORK = 5e9  # operations of one step; 64 rows of a usual network for tables, 4 of a language model
_FEWEST_ROWS = 4
_BATCHES = 4  # residual branches that start at zero get gradients from the second step on

_LOW, _HIGH = 0.4, 6.0
"""The first loss over that of scores of zero (ln 2, ln C, the target's spread). Measured on the families here: 0.95 to
1.4, RealMLP on regressions 2.9; a network that sees its target starts far below, one with last weights ten times too
large starts above."""

_OVERFIT_WORK = 1e11  # operations: about 5 s on one CPU core
_OVERFIT_STEPS = (20, 300)
_OVERFIT_RATES = (3e-3, 3e-4)  # assumption: one of the two suits any network of usual initial weights
_OVERFIT_ROWS = 16
_OVERFIT_LEFT = {"language": 0.7}
_OVERFIT_LEFT_USUAL = 0.4
"""The share of the first loss that may be left. A network that cannot learn stays above 0.9; the families here reach
half of what is allowed and then stop (a language model of few steps: 0.28)."""

_SAME = 1e-4  # of the largest score: float32 sums in another order differ by less than 1e-5
_EXACT = 1e-6  # the same shapes in the same places give the same bits


@dataclass(frozen=True, slots=True, kw_only=True)
class SanityResult:
    """One experiment: its name, whether all is well, what was seen; where not, what is wrong and what to look at."""

    name: str
    passed: bool
    saw: str
    what: str = ""
    fix: str = ""


def examine(job: Job) -> list[SanityResult]:
    """All experiments that can be made on this job. When the first one fails the others cannot be made."""
    with pinned_threads(job.threads), private_randomness(find_device(job.device)):
        try:
            trial = _Trial(job)
            trial.scores_and_loss()
        except TrainwrightError as error:
            return [_failed_to_run(error.message)]
        except Exception as error:  # noqa: BLE001 - the network may be a user's own: anything may come
            return [_failed_to_run(f"{type(error).__name__}: {error}")]
        shape = _output_shape(trial)
        results = [SanityResult(name="forward_backward", passed=True, saw=f"one batch of {trial.rows} rows"), shape]
        if not shape.passed:
            return results
        checks: tuple[Callable[[_Trial], SanityResult | None], ...] = (
            _initial_loss,
            _batch_size_independence,
            _no_leak_between_rows,
            _no_look_ahead,
            _gradients,
            _overfits,
            _loader_speed,
        )
        return [*results, *(found for check in checks if (found := check(trial)) is not None)]


class _Trial:
    """A fresh network and a few rows."""

    def __init__(self, job: Job) -> None:
        values = job.plan.options.get("recipe", {})
        assert isinstance(values, Mapping)
        self.recipe: Recipe = recipe_from(values)
        self.problem: Problem = problem_of(job, self.recipe)
        self.device = find_device(job.device)
        self.losses: RowLosses = row_losses(self.problem, self.recipe, smoothing=False)
        self.seeds = job.seeds.child("sanity")
        self.started = "weights" in job.plan.options  # it knows something already
        self.network: nn.Module = build_network(job, self.problem).to(self.device)
        size = sum(p.numel() for p in self.network.parameters())
        self.row_work = 6.0 * max(1, size) * self.problem.positions
        wanted = int(min(_ROWS, max(_FEWEST_ROWS, _ROWS_WORK / self.row_work)))
        self.rows = min(job.train.rows, wanted)
        self.table = _few(job.train, self.rows * _BATCHES, self.seeds.generator("rows"))
        self.source, _ = placement.place(self.table, self.problem, self.device, self.recipe)
        self.batch = next(self.batches(1))

    def batches(self, count: int) -> Iterator[Batch]:
        """Batches of the trial's rows, around and around."""
        order = torch.arange(self.rows * count) % self.table.rows
        spans = [(i * self.rows, (i + 1) * self.rows) for i in range(count)]
        return self.source.batches(order, spans, epoch_seed=0)

    def scores(self, x: Tensor, *, train: bool = False) -> Tensor:
        """Scores without gradients; in training mode with the same dropout noise each time."""
        self.network.train(train)
        with torch.no_grad(), self._buffers_kept():
            seed_generators(self.device, self.seeds.integer("noise"))
            return self.network(x).detach().float()  # type: ignore[no-any-return]

    def loss(self, batch: Batch, network: nn.Module | None = None) -> Tensor:
        """The mean loss of a batch."""
        scores = (network or self.network)(batch.x)
        return self.losses(scores, batch.y).sum() / batch.rows

    def scores_and_loss(self) -> None:
        """A forward and backward pass in training mode, to see whether they run."""
        self.network.train()
        with self._buffers_kept():
            self.loss(self.batch).backward()  # type: ignore[no-untyped-call]
        self.network.zero_grad(set_to_none=True)

    @contextmanager
    def _buffers_kept(self) -> Iterator[None]:
        """Batch norm's running statistics are put back."""
        before = {name: b.clone() for name, b in self.network.named_buffers()}
        try:
            yield
        finally:
            for name, b in self.network.named_buffers():
                b.copy_(before[name])


def _output_shape(trial: _Trial) -> SanityResult:
    problem, rows = trial.problem, trial.rows
    try:
        scores = trial.scores(trial.batch.x)
    except Exception as error:  # noqa: BLE001 - the network may be a user's own
        return _bad(
            "output_shape", str(error), "the network fails in eval mode", "Look at what depends on self.training"
        )
    shape = tuple(scores.shape)
    saw = f"scores of shape {shape} for {rows} rows"
    if problem.goal == "language":
        length = problem.inputs.shape[0]
        good = shape in ((rows, length - 1, problem.outputs), (rows, length, problem.outputs))
        wanted = f"({rows}, {length - 1}, {problem.outputs})"
    else:
        good = len(shape) in (2, 3) and shape[0] == rows and shape[-1] == problem.outputs
        wanted = f"({rows}, {problem.outputs})"
    if not good:
        return _bad("output_shape", saw, f"a {problem.goal} target needs {wanted}", "Look at the last layer")
    if not bool(torch.isfinite(scores).all()):
        share = float((~torch.isfinite(scores)).float().mean())
        return _bad(
            "output_shape",
            f"{saw}, {share:.0%} of them not finite",
            "the first scores are NaN or infinite",
            "Look at the initial weights and at the range of the inputs; missing cells must be filled in the network",
        )
    return SanityResult(name="output_shape", passed=True, saw=saw)


def _initial_loss(trial: _Trial) -> SanityResult | None:
    """Against the loss of scores of zero: ln 2, ln C, ln V, or the spread of a regression target."""
    if trial.problem.log_link:
        return None  # a count's loss at a rate of one says nothing about its scale
    scores = trial.scores(trial.batch.x)
    count = trial.batch.rows
    found = float(trial.losses(scores, trial.batch.y).sum()) / count
    ignorant = float(trial.losses(torch.zeros_like(scores), trial.batch.y).sum()) / count
    if ignorant <= 0:
        return None
    ratio = found / ignorant
    saw = f"a first loss of {found:.4g}, {ratio:.2f} times the {ignorant:.4g} of scores of zero"
    if _LOW <= ratio <= _HIGH:
        return SanityResult(name="initial_loss", passed=True, saw=saw)
    low = ratio < _LOW
    if low and trial.started:
        return SanityResult(name="initial_loss", passed=True, saw=f"{saw}; its weights were trained before")
    return _bad(
        "initial_loss",
        saw,
        f"an untrained network should lie between {_LOW} and {_HIGH} times",
        "The network seems to see its target: look at its inputs"
        if low
        else "Lower the initial weights of the last layer",
    )


def _batch_size_independence(trial: _Trial) -> SanityResult:
    x = trial.batch.x
    whole = trial.scores(x)
    pieces = torch.cat([trial.scores(x[i : i + 1]) for i in range(min(4, len(x)))])
    difference = _difference(whole[: len(pieces)], pieces)
    saw = f"in eval mode single rows differ from a batch by {difference:.1g} of the largest score"
    if difference <= _SAME:
        return SanityResult(name="batch_size_independence", passed=True, saw=saw)
    return _bad(
        "batch_size_independence",
        saw,
        "a prediction depends on the rows beside it",
        "Look for a mean, norm or softmax over the first dimension, or batch statistics used in eval mode",
    )


def _no_leak_between_rows(trial: _Trial) -> SanityResult:
    """One row is replaced by another; what the others get must stay."""
    modes = [False] if _has_batch_norm(trial.network) else [False, True]
    x = trial.batch.x
    if len(x) < 3:
        return SanityResult(name="no_leak_between_rows", passed=True, saw="too few rows to tell")
    changed = x.clone()
    changed[0] = x[1]
    worst, where = 0.0, "eval"
    for train in modes:
        before, after = trial.scores(x, train=train), trial.scores(changed, train=train)
        found = _difference(before[1:], after[1:])
        if found > worst:
            worst, where = found, "training" if train else "eval"
    tried = " and training" if True in modes else ""
    if worst <= _EXACT:
        return SanityResult(name="no_leak_between_rows", passed=True, saw=f"other rows stay in eval{tried} mode")
    return _bad(
        "no_leak_between_rows",
        f"changing one row moves the scores of others by {worst:.1g} of the largest, in {where} mode",
        "information leaks across the batch",
        "Look for a reshape that mixes rows, or an operation over the first dimension",
    )


def _no_look_ahead(trial: _Trial) -> SanityResult | None:
    """A language model's score at a position must not depend on later ids."""
    if trial.problem.goal != "language":
        return None
    x = trial.batch.x[:2]
    middle = x.shape[1] // 2
    changed = x.clone()
    changed[:, middle:] = (x[:, middle:] + 1) % trial.problem.outputs
    before, after = trial.scores(x)[:, :middle], trial.scores(changed)[:, :middle]
    found = _difference(before, after)
    if found <= _EXACT:
        return SanityResult(name="no_look_ahead", passed=True, saw="scores do not change with later tokens")
    return _bad(
        "no_look_ahead",
        f"changing later tokens moves earlier scores by {found:.1g} of the largest",
        "the network sees the tokens it predicts",
        "Look at the attention's mask",
    )


def _gradients(trial: _Trial) -> SanityResult:
    """Over a few small steps every parameter gets a finite gradient that is not all zeros."""
    network = copy.deepcopy(trial.network)
    network.train()
    params = {n: p for n, p in network.named_parameters() if p.requires_grad and p.numel()}
    optimizer = torch.optim.AdamW(params.values(), lr=1e-3)
    largest = dict.fromkeys(params, 0.0)
    without = set(params)
    for number, batch in enumerate(trial.batches(_BATCHES)):
        seed_generators(trial.device, trial.seeds.integer("gradients", number))
        optimizer.zero_grad()
        trial.loss(batch, network).backward()  # type: ignore[no-untyped-call]
        for name, p in params.items():
            if p.grad is None:
                continue
            without.discard(name)
            size = float(p.grad.abs().max())
            if not np.isfinite(size):
                return _bad(
                    "gradients",
                    f"the gradient of {name} is not finite in batch {number + 1}",
                    "training would break at once",
                    "Look for a division, log or square root of zero in the network or its inputs",
                )
            largest[name] = max(largest[name], size)
        optimizer.step()
    if without:
        return _bad(
            "gradients",
            f"{len(without)} of {len(params)} parameters get no gradient: {_some(without)}",
            "they are not part of the computation",
            "Use them in forward, or remove them; detach and no_grad cut gradients",
        )
    dead = {name for name, size in largest.items() if size == 0}
    if dead:
        return _bad(
            "gradients",
            f"{len(dead)} of {len(params)} parameters have a gradient of zero in {_BATCHES} batches: {_some(dead)}",
            "they cannot learn",
            "Look for activations that are all off, inputs that are constant, or a factor of zero behind them",
        )
    weakest = min(largest, key=largest.__getitem__)
    saw = f"all {len(params)} parameters; the smallest is {weakest} with {largest[weakest]:.1g}"
    return SanityResult(name="gradients", passed=True, saw=saw)


def _overfits(trial: _Trial) -> SanityResult:
    """A few different rows can be learnt by heart, without noise (eval mode)."""
    batch = _distinct(trial)
    low, high = _OVERFIT_STEPS
    steps = int(min(high, max(low, _OVERFIT_WORK / (trial.row_work * batch.rows))))
    left = _OVERFIT_LEFT.get(trial.problem.goal, _OVERFIT_LEFT_USUAL)
    best, first = float("inf"), float("nan")
    for rate in _OVERFIT_RATES:
        first, reached = _memorised(trial, batch, rate, steps, left)
        best = min(best, reached)
        if best <= left * first:
            break
    saw = f"{batch.rows} rows: the loss went from {first:.4g} to {best:.4g} in at most {steps} steps"
    if best <= left * first:
        return SanityResult(name="overfits_one_batch", passed=True, saw=saw)
    return _bad(
        "overfits_one_batch",
        saw,
        f"at least {1 - left:.0%} should be gone: who cannot learn {batch.rows} rows by heart learns nothing",
        "Look for a cut gradient, a wrong last layer, or inputs whose scale is far from 1",
    )


def _memorised(trial: _Trial, batch: Batch, rate: float, steps: int, left: float) -> tuple[float, float]:
    network = copy.deepcopy(trial.network)
    network.eval()
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=rate, weight_decay=0.0)
    first = best = float(trial.loss(batch, network).detach())
    for _ in range(steps):
        optimizer.zero_grad()
        loss = trial.loss(batch, network)
        best = min(best, float(loss.detach()))
        if best <= 0.5 * left * first:
            break
        if not bool(torch.isfinite(loss)):
            break
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return first, best


def _loader_speed(trial: _Trial) -> SanityResult:
    """Seconds to get batches against seconds to train on them; the only experiment that measures time."""
    network = copy.deepcopy(trial.network).train()
    began = time.perf_counter()
    batches = list(trial.batches(_BATCHES))
    loading = (time.perf_counter() - began) / _BATCHES
    began = time.perf_counter()
    for batch in batches:
        trial.loss(batch, network).backward()  # type: ignore[no-untyped-call]
    if trial.device.type == "cuda":
        torch.cuda.synchronize(trial.device)
    training = (time.perf_counter() - began) / _BATCHES
    saw = f"{1000 * loading:.2f} ms to load a batch, {1000 * training:.2f} ms to train on it"
    if loading <= training:
        return SanityResult(name="loader_speed", passed=True, saw=saw)
    return _bad(
        "loader_speed",
        saw,
        "training will wait for its data",
        "Set training.data_on: device where it fits, or raise training.num_workers",
    )


def _distinct(trial: _Trial) -> Batch:
    """Rows that differ from each other: equal ones with different targets cannot be told apart."""
    x = trial.batch.x
    _, kept = np.unique(x.reshape(len(x), -1).cpu().numpy(), axis=0, return_index=True)
    kept.sort()
    picked = torch.from_numpy(kept[:_OVERFIT_ROWS]).to(x.device)
    return Batch(x[picked], trial.batch.y[picked], None, float(len(picked)), len(picked))


def _few(table: Table, rows: int, draw: np.random.Generator) -> Table:
    picked = np.sort(draw.choice(table.rows, min(rows, table.rows), replace=False))
    return Table(X=table.X[picked], y=table.y[picked], weight=None)


def _has_batch_norm(network: nn.Module) -> bool:
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules())


def _difference(a: Tensor, b: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    if not a.numel():
        return 0.0
    return float((a - b).abs().max() / a.abs().max().clamp_min(1e-12))


def _some(names: set[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _bad(name: str, saw: str, what: str, fix: str) -> SanityResult:
    return SanityResult(name=name, passed=False, saw=saw, what=what, fix=fix)


def _failed_to_run(message: str) -> SanityResult:
    return _bad(
        "forward_backward",
        message,
        "one batch cannot be passed forward and backward",
        "Look at the shapes the layers expect and at the message",
    )
