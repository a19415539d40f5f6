"""Schedule-Free AdamW (Defazio et al. 2024, "The Road Less Scheduled"), following the authors' reference code.

The parameters hold y, where gradients are taken; the model to predict with is x, between y and z.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from trainwright.engines.torch.unguarded import Unguarded


class ScheduleFreeAdamW(Unguarded):
    """See the module; ``lr`` is set before each step (a warm-up is part of it)."""

    def __init__(self, groups: list[dict[str, Any]], *, lr: float, betas: tuple[float, float], eps: float):
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})
        for group in self.param_groups:
            group.update(k=0, weight_sum=0.0, lr_max=0.0)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update(group, params)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p] = {"z": p.clone(), "exp_avg_sq": torch.zeros_like(p)}
        beta1, beta2 = group["betas"]
        group["k"] += 1
        rate = float(group["lr"])
        group["lr_max"] = max(rate, group["lr_max"])
        weight = group["lr_max"] ** 2  # the reference's weight_lr_power = 2, r = 0
        group["weight_sum"] += weight
        share = weight / group["weight_sum"] if group["weight_sum"] else 0.0
        grads = [p.grad for p in params if p.grad is not None]
        squares = [self.state[p]["exp_avg_sq"] for p in params]
        zs = [self.state[p]["z"] for p in params]
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, grads, grads, value=1 - beta2)
        lengths = torch._foreach_div(squares, 1 - beta2 ** group["k"])
        torch._foreach_sqrt_(lengths)
        torch._foreach_add_(lengths, group["eps"])
        moves = torch._foreach_div(grads, lengths)
        if group["weight_decay"]:
            torch._foreach_add_(moves, params, alpha=group["weight_decay"])
        torch._foreach_lerp_(params, zs, share)
        torch._foreach_add_(params, moves, alpha=rate * (beta1 * (1 - share) - 1))
        torch._foreach_sub_(zs, moves, alpha=rate)

    def averaged(self, p: Tensor) -> Tensor:
        """The x of a parameter: what to predict with."""
        if not self.state.get(p):
            return p.detach()
        beta1 = next(g["betas"][0] for g in self.param_groups if any(p is q for q in g["params"]))
        return p.detach().lerp(self.state[p]["z"], 1 - 1 / beta1)
