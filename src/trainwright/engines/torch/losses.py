"""Losses by name, one number a row.

Shapes: B rows, M members of a network that holds several predictors, C classes, L positions, V token ids.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from trainwright.core.errors import SpecError
from trainwright.engines.torch.problem import Problem
from trainwright.engines.torch.recipe import LossName, Recipe

RowLosses: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(scores, target) -> the loss of each row, shape (B,), in float32."""

_FOCUS = 2.0  # Lin et al. 2017, "Focal Loss for Dense Object Detection": gamma = 2 works best

_FITTING: dict[str, tuple[LossName, ...]] = {
    "binary": ("cross_entropy", "focal"),
    "multiclass": ("cross_entropy", "focal"),
    "language": ("cross_entropy",),
    "regression": ("mse", "mae", "huber", "quantile", "poisson"),
}


def row_losses(problem: Problem, recipe: Recipe, *, smoothing: bool = True) -> RowLosses:
    """The recipe's loss for this problem; without ``smoothing`` as it is judged on validation rows.

    Raises:
        SpecError: the loss does not fit the task, or label smoothing a regression.
    """
    fitting = _FITTING[problem.goal]
    name = fitting[0] if recipe.loss == "auto" else recipe.loss
    if name not in fitting:
        raise SpecError(f"loss {name} does not fit a {problem.goal} target. Fitting: {', '.join(fitting)}.")
    if recipe.label_smoothing and problem.goal == "regression":
        raise SpecError("label_smoothing has no effect on a regression. Remove it.")
    soft = recipe.label_smoothing if smoothing else 0.0
    if problem.goal == "language":
        return _language(soft)
    if problem.goal == "regression":
        return _members(_regression(name, recipe.quantile))
    if problem.goal == "binary":
        return _members(_binary(name, soft))
    return _members(_multiclass(name, soft))


def _members(plain: RowLosses) -> RowLosses:
    """Each member of a (B, M, outputs) network has its own loss; a row's loss is their mean."""

    def losses(scores: Tensor, y: Tensor) -> Tensor:
        if scores.ndim == 2:
            return plain(scores.float(), y)
        rows, members, _ = scores.shape
        return plain(scores.flatten(0, 1).float(), y.repeat_interleave(members)).view(rows, members).mean(1)

    return losses


def _multiclass(name: LossName, soft: float) -> RowLosses:
    def losses(scores: Tensor, y: Tensor) -> Tensor:
        if name == "cross_entropy":
            return F.cross_entropy(scores, y, reduction="none", label_smoothing=soft)
        logs = scores.log_softmax(1)
        focused = -((1 - logs.exp()) ** _FOCUS) * logs
        true = focused.gather(1, y[:, None])[:, 0]
        return (1 - soft) * true + soft * focused.mean(1) if soft else true

    return losses


def _binary(name: LossName, soft: float) -> RowLosses:
    def losses(scores: Tensor, y: Tensor) -> Tensor:
        logit = scores[:, 0]
        wanted = y * (1 - soft) + 0.5 * soft if soft else y
        entropy = F.binary_cross_entropy_with_logits(logit, wanted, reduction="none")
        if name == "cross_entropy":
            return entropy
        missed = torch.sigmoid(torch.where(y > 0.5, -logit, logit))
        return entropy * missed**_FOCUS

    return losses


def _regression(name: LossName, quantile: float) -> RowLosses:
    def losses(scores: Tensor, y: Tensor) -> Tensor:
        value = scores[:, 0]
        if name == "mse":
            return (value - y) ** 2
        if name == "mae":
            return (value - y).abs()
        if name == "huber":
            return F.huber_loss(value, y, reduction="none")
        if name == "poisson":
            return F.poisson_nll_loss(value, y, log_input=True, reduction="none")
        short = y - value
        return torch.maximum(quantile * short, (quantile - 1) * short)

    return losses


def _language(soft: float) -> RowLosses:
    """The sum over a row's tokens that are no padding; ``y`` is the row of ids itself, shape (B, L + 1)."""

    def losses(scores: Tensor, ids: Tensor) -> Tensor:
        scores, wanted = next_tokens(scores, ids)
        entropy = F.cross_entropy(
            scores.flatten(0, 1).float(), wanted.flatten(), reduction="none", label_smoothing=soft, ignore_index=0
        )
        return entropy.view(wanted.shape).sum(1)

    return losses


def next_tokens(scores: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (B, L, V) and the ids (B, L) they predict, 0 for context and padding.

    A score for what follows the row's end is dropped.
    """
    wanted = ids[:, 1:].clamp(min=0)
    return scores[:, : wanted.shape[1]], wanted
