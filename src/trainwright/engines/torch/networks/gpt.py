"""A decoder language model: rotary positions, RMSNorm, normalised queries and keys, fused causal attention.

Parameters: ``width``, ``layers``, ``heads``, ``hidden_factor``, ``activation`` (swiglu, relu2, gelu), ``dropout``.
Input and output embeddings share their weights (Press & Wolf 2017).

Shapes: ids (B, L) -> scores (B, L, vocabulary); position t scores token t + 1.
"""

from collections.abc import Mapping
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.networks._params import number, whole
from trainwright.engines.torch.networks._transformer import Block, Hidden, init_blocks
from trainwright.engines.torch.networks.contract import Inputs

_EMBEDDED = 0.02  # deviation of GPT-2's embeddings (Radford et al. 2019): scores begin near 0, the loss near ln V


def build(params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> nn.Module:
    """The network with fresh weights."""
    return GPT(params, inputs.shape[0], outputs)


class GPT(nn.Module):
    """``embed -> norm -> block x layers -> norm -> scores``."""

    def __init__(self, params: Mapping[str, JsonValue], length: int, vocabulary: int) -> None:
        super().__init__()
        width, dropout = whole(params, "width"), number(params, "dropout")
        self.embedding = nn.Embedding(vocabulary, width)
        self.input_norm, self.output_norm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(
                width,
                whole(params, "heads"),
                length,
                causal=True,
                factor=number(params, "hidden_factor"),
                kind=cast("Hidden", params["activation"]),
                dropout=dropout,
            )
            for _ in range(whole(params, "layers"))
        )
        nn.init.normal_(self.embedding.weight, std=_EMBEDDED)
        init_blocks(self.blocks)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, L) -> (B, L, vocabulary). Ids below zero mark context, which is read like any other token."""
        x = self.drop(self.input_norm(self.embedding(ids.abs())))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.output_norm(x), self.embedding.weight)
