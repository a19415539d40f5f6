"""A transformer encoder over token ids, from scratch: pre-norm blocks with rotary positions, then pooling.

Parameters: ``width``, ``layers``, ``heads``, ``hidden_factor``, ``activation``, ``dropout``, ``pooling`` (mean or
attention).

Shapes: ids (B, L) padded on the right with 0 -> scores (B, outputs).
"""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.networks._params import number, whole
from trainwright.engines.torch.networks._pooling import Pool, PoolKind
from trainwright.engines.torch.networks._transformer import Block, Hidden, init_blocks
from trainwright.engines.torch.networks.contract import Inputs

_EMBEDDED = 0.02  # BERT's deviation (Devlin et al. 2019); the norm after it sets the scale


def build(params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> nn.Module:
    """The network with fresh weights."""
    return TextTransformer(params, inputs, outputs)


class TextTransformer(nn.Module):
    """``embed -> norm -> block x layers -> norm -> pool -> linear``."""

    def __init__(self, params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> None:
        super().__init__()
        width, dropout = whole(params, "width"), number(params, "dropout")
        self.pad = inputs.pad
        self.embedding = nn.Embedding(inputs.vocabulary, width)
        self.input_norm, self.output_norm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(
                width,
                whole(params, "heads"),
                inputs.shape[0],
                causal=False,
                factor=number(params, "hidden_factor"),
                kind=cast("Hidden", params["activation"]),
                dropout=dropout,
            )
            for _ in range(whole(params, "layers"))
        )
        self.pool = Pool(cast("PoolKind", params["pooling"]), width)
        self.output = nn.Linear(width, outputs)
        nn.init.normal_(self.embedding.weight, std=_EMBEDDED)
        init_blocks(self.blocks)
        nn.init.zeros_(self.output.weight)  # begins at even odds
        nn.init.zeros_(self.output.bias)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, L) -> (B, outputs)."""
        present = ids != self.pad
        seen = present.clone()
        seen[:, 0] = True  # a row without a token looks at its padding rather than at nothing, which would be NaN
        x = self.drop(self.input_norm(self.embedding(ids)))
        for block in self.blocks:
            x = block(x, seen[:, None, None, :])
        out: Tensor = self.output(self.drop(self.pool(self.output_norm(x), present)))
        return out
