"""Blocks of a pre-norm transformer with rotary positions.

Shapes: B rows, L positions, W width, H heads of D = W / H.
"""

import math
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Hidden: TypeAlias = Literal["swiglu", "relu2", "gelu"]

_BASE = 10_000.0  # Su et al. 2021, "RoFormer": wavelengths from 2 pi to 10,000 * 2 pi
_GATED = 2 / 3  # Shazeer 2020, "GLU variants improve transformer": three matrices of 2/3 the size cost as much as two


class Rotary(nn.Module):
    """Turns pairs of a head's numbers by an angle that grows with the position (Su et al. 2021)."""

    cos: Tensor
    sin: Tensor

    def __init__(self, length: int, size: int) -> None:
        super().__init__()
        rates = _BASE ** -(torch.arange(0, size, 2, dtype=torch.float64) / size)
        angles = torch.outer(torch.arange(length, dtype=torch.float64), rates)
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, L, D) -> (B, H, L, D)."""
        length = x.shape[-2]
        cos, sin = self.cos[:length].to(x.dtype), self.sin[:length].to(x.dtype)
        first, second = x.chunk(2, dim=-1)
        return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Attention(nn.Module):
    """Softmax attention through torch's fused kernel, queries and keys normalised (Henry et al. 2020)."""

    def __init__(self, width: int, heads: int, length: int, *, causal: bool, dropout: float) -> None:
        super().__init__()
        assert width % heads == 0, "the family has checked it"
        size = width // heads
        self.heads, self.causal, self.dropout = heads, causal, dropout
        self.inward = nn.Linear(width, 3 * width, bias=False)
        self.outward = nn.Linear(width, width, bias=False)
        self.query_norm, self.key_norm = nn.RMSNorm(size), nn.RMSNorm(size)
        self.rotary = Rotary(length, size)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """(B, L, W) -> (B, L, W); ``seen`` (B, 1, 1, L) is true where a position may be looked at."""
        rows, length, width = x.shape
        inward = self.inward(x).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = inward.permute(2, 0, 3, 1, 4).unbind(0)
        query, key = self.rotary(self.query_norm(query)), self.rotary(self.key_norm(key))
        mixed = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=seen,
            is_causal=self.causal,
            dropout_p=self.dropout if self.training else 0.0,
        )
        out: Tensor = self.outward(mixed.transpose(1, 2).reshape(rows, length, width))
        return out


class FeedForward(nn.Module):
    """Two layers at each position: gated by SiLU, squared ReLU (So et al. 2021), or GELU."""

    def __init__(self, width: int, factor: float, kind: Hidden) -> None:
        super().__init__()
        self.kind = kind
        size = max(8, round(width * factor * (_GATED if kind == "swiglu" else 1.0)))
        self.inward = nn.Linear(width, size * (2 if kind == "swiglu" else 1), bias=False)
        self.outward = nn.Linear(size, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, W) -> (B, L, W)."""
        hidden = self.inward(x)
        if self.kind == "swiglu":
            gate, value = hidden.chunk(2, dim=-1)
            hidden = F.silu(gate) * value
        elif self.kind == "relu2":
            hidden = F.relu(hidden).square()
        else:
            hidden = F.gelu(hidden)
        out: Tensor = self.outward(hidden)
        return out


class Block(nn.Module):
    """``x + attention(norm(x))``, then ``x + feed_forward(norm(x))`` (Xiong et al. 2020: norms before)."""

    def __init__(
        self, width: int, heads: int, length: int, *, causal: bool, factor: float, kind: Hidden, dropout: float
    ) -> None:
        super().__init__()
        self.attention_norm, self.forward_norm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.attention = Attention(width, heads, length, causal=causal, dropout=dropout)
        self.feed_forward = FeedForward(width, factor, kind)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """(B, L, W) -> (B, L, W)."""
        x = x + self.drop(self.attention(self.attention_norm(x), seen))
        out: Tensor = x + self.drop(self.feed_forward(self.forward_norm(x)))
        return out


def init_blocks(blocks: nn.ModuleList) -> None:
    """Uniform inward weights of variance 1/fan-in; outward ones zero, so that each block begins as the identity.

    As in Jordan et al. 2024, "modded-nanogpt" (zero-initialised projections; sqrt(3 / width) bounds).
    """
    for block in blocks:
        assert isinstance(block, Block)
        for part in (block.attention, block.feed_forward):
            bound = math.sqrt(3.0 / part.inward.in_features)
            nn.init.uniform_(part.inward.weight, -bound, bound)
            nn.init.zeros_(part.outward.weight)
