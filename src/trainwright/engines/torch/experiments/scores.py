"""What an untrained network gives: that it runs, the shape of its scores, and how far off they are."""

import numpy as np
import torch
from torch import Tensor

from trainwright.core.findings import Severity
from trainwright.engines.contract import Experiment
from trainwright.engines.torch.experiments.trial import Trial, failed, not_made, passed
from trainwright.engines.torch.problem import scaled_target

RUNS, SHAPE, FINITE, FIRST_LOSS = "forward_backward", "output_shape", "finite_output", "initial_loss"

_LOW, _HIGH = 0.4, 6.0
"""The first loss over that of a guess. Measured on the families here: 0.95 to 1.4, RealMLP on regressions 2.9; a
network that sees its target starts far below, one with last weights ten times too large starts above."""

_TARGETS = 10_000  # rows that tell what a guess is worth: shares and spreads to about a hundredth


def forward_backward(trial: Trial) -> Experiment:
    """A pass forward and backward in training mode, without the loss: it needs the shape, which comes next."""
    trial.network.train()
    with trial.buffers_kept():
        total = trial.forward(trial.batch.x).float().sum()
        if total.requires_grad:  # where it does not, `gradients_flow` says so
            total.backward()  # type: ignore[no-untyped-call]
    trial.network.zero_grad(set_to_none=True)
    return passed(RUNS, f"one batch of {trial.rows} rows")


def output_shape(trial: Trial) -> Experiment:
    """Against the task: (rows, outputs), (rows, members, outputs), or (rows, tokens, vocabulary)."""
    problem, rows = trial.problem, trial.rows
    scores = trial.scores(trial.batch.x)
    shape = tuple(scores.shape)
    saw = f"scores of shape {shape} for {rows} rows"
    if problem.goal == "language":
        length = problem.inputs.shape[0]
        good = shape in ((rows, length - 1, problem.outputs), (rows, length, problem.outputs))
        wanted = f"({rows}, {length - 1}, {problem.outputs})"
    else:
        good = len(shape) in (2, 3) and shape[0] == rows and shape[-1] == problem.outputs
        wanted = f"({rows}, {problem.outputs})"
    if good:
        return passed(SHAPE, saw)
    what = f"A {problem.goal} target needs {wanted}"
    return failed(SHAPE, saw, what, "Look at the last layer, and at squeeze() behind it", may_be_meant=False)


def finite_output(trial: Trial) -> Experiment:
    """No first score is NaN or infinite."""
    scores = trial.scores(trial.batch.x)
    bad = ~torch.isfinite(scores)
    if not bool(bad.any()):
        return passed(FINITE, f"all {scores.numel():,} scores are finite")
    return failed(
        FINITE,
        f"{int(bad.sum()):,} of {scores.numel():,} scores are NaN or infinite",
        "The network's first scores are no numbers",
        "Look for a logarithm, root or division in the network, at its initial weights, and at the range of the "
        "inputs; missing cells must be filled",
        may_be_meant=False,
    )


def initial_loss(trial: Trial) -> Experiment:
    """Against the loss of guesses: ln 2, ln C, ln V or the target's spread from above, the shares from below."""
    if trial.problem.log_link:
        return not_made(FIRST_LOSS, "a count's loss at a rate of one says nothing about its scale")
    scores = trial.scores(trial.batch.x)
    found = float(trial.losses(scores, trial.batch.y).mean())
    blind, informed = _guesses(trial, scores)
    if blind <= 0:
        return not_made(FIRST_LOSS, "a guess has no loss on these rows")
    saw = f"a first loss of {found:.4g}, {found / blind:.2f} times the {blind:.4g} of scores of zero"
    if found > _HIGH * blind:
        return failed(
            FIRST_LOSS,
            saw,
            f"An untrained network should start below {_HIGH:g} times",
            "Lower the initial weights of the last layer, or bring the inputs to a scale near 1",
        )
    if found < _LOW * informed:
        if "weights" in trial.job.plan.options:
            return passed(FIRST_LOSS, f"{saw}; its weights were trained before")
        return Experiment(
            name=FIRST_LOSS,
            passed=False,
            saw=f"{saw}, and {found / informed:.2f} times that of the best constant",
            what=f"An untrained network should start above {_LOW:g} times the best constant",
            fix="Look whether the inputs hold the target; where the weights were trained before, all is well",
            severity=Severity.WARNING,
        )
    return passed(FIRST_LOSS, saw)


def _guesses(trial: Trial, scores: Tensor) -> tuple[float, float]:
    """The mean loss of scores of zero, and of the best constant known from many rows.

    The first is taken over many rows where it is larger there: of a target that is mostly one value a few rows may
    hold no other.
    """
    batch, shape = trial.batch, scores.shape
    blind = float(trial.losses(torch.zeros_like(scores), batch.y).mean())
    if trial.problem.goal == "language":
        return blind, blind
    y = scaled_target(trial.job.train.y[_spread(trial.job.train.rows)], trial.problem).to(trial.device)
    zeros = torch.zeros((len(y), shape[-1]), device=trial.device)
    constant = torch.zeros(shape[-1], device=trial.device)
    if trial.problem.goal == "multiclass":
        constant = torch.log((torch.bincount(y, minlength=shape[-1]) + 1.0) / len(y))
    elif trial.problem.goal == "binary":
        constant = torch.logit(y.mean()[None], eps=1.0 / (len(y) + 1))
    informed = float(trial.losses(constant.expand(shape), batch.y).mean())
    return max(blind, float(trial.losses(zeros, y).mean())), informed


def _spread(rows: int) -> np.ndarray:
    return np.linspace(0, rows - 1, min(rows, _TARGETS)).astype(np.int64)
