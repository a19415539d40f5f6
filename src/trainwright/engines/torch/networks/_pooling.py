"""From a row's positions to one vector: what is padding has no share.

Shapes: states (B, L, W), ``present`` (B, L) true where there is a token -> (B, W). A row without a token gives zeros.
"""

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

PoolKind: TypeAlias = Literal["mean", "attention"]


class Pool(nn.Module):
    """The mean over tokens, or their mean with learnt weights (Yang et al. 2016, hierarchical attention)."""

    def __init__(self, kind: PoolKind, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False) if kind == "attention" else None
        if self.score is not None:
            nn.init.zeros_(self.score.weight)  # begins as the mean

    def forward(self, states: Tensor, present: Tensor) -> Tensor:
        """(B, L, W) and (B, L) -> (B, W)."""
        share = present.to(states.dtype)
        if self.score is not None:
            scores = self.score(states)[..., 0]
            lowest = torch.finfo(scores.dtype).min
            share = share * scores.masked_fill(~present, lowest).softmax(1)
        share = share / share.sum(1, keepdim=True).clamp(min=1e-6)  # rows without a token: zeros, never 0 / 0
        return torch.einsum("blw,bl->bw", states, share)
