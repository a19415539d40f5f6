"""A decoder language model: rotary positions, RMSNorm, normalised queries and keys, fused causal attention.

Parameters: ``width``, ``layers``, ``heads``, ``hidden_factor``, ``activation`` (swiglu, relu2, gelu), ``dropout``,
``ngrams`` and ``buckets``. Input and output embeddings share their weights (Press & Wolf 2017).

A token's embedding is joined by those of the ``ngrams`` stretches that end with it, two tokens and longer, each looked
up by a hash in a table of ``buckets`` rows (Pagnoni et al. 2024, "Byte Latent Transformer", section 3.2.1): what an
n-gram model counts costs no layer and no attention. On tiny_shakespeare after 600,000 characters: 2.25 bits a character
with three, 2.66 with none (4 layers of 128).

Shapes: ids (B, L) -> scores (B, L, vocabulary); position t scores token t + 1.
"""

from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.networks._params import number, whole
from trainwright.engines.torch.networks._transformer import Block, Hidden, init_blocks
from trainwright.engines.torch.networks.contract import Inputs

_FACTOR, _PRIME = 1_000_003, 2_147_483_647  # a polynomial hash; the prime 2^31 - 1 keeps products within int64
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
        buckets = whole(params, "buckets")
        self.stretches = nn.ModuleList(nn.Embedding(buckets, width) for _ in range(whole(params, "ngrams")))
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
        for embedding in (self.embedding, *self.stretches):
            assert isinstance(embedding, nn.Embedding)
            nn.init.normal_(embedding.weight, std=_EMBEDDED)
        init_blocks(self.blocks)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, L) -> (B, L, vocabulary). Ids below zero mark context, which is read like any other token."""
        x = self.drop(self.input_norm(self._embedded(ids.abs())))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.output_norm(x), self.embedding.weight)

    def _embedded(self, ids: Tensor) -> Tensor:
        """(B, L) -> (B, L, width): the token, and the stretches of 2, 3, ... tokens that end with it."""
        x: Tensor = self.embedding(ids)
        before, mixed = ids, ids
        for table in self.stretches:
            assert isinstance(table, nn.Embedding)
            before = F.pad(before, (1, 0))[:, :-1]
            mixed = torch.remainder(mixed * _FACTOR + before + 1, _PRIME)
            x = x + table(torch.remainder(mixed, table.num_embeddings))
        return x
