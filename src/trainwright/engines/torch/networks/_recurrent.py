"""Recurrent networks over token ids, both directions, then pooling.

Parameters: ``embedding``, ``width`` (of each direction), ``layers``, ``dropout``, ``pooling`` (mean or attention).

The direction against the text reads each row turned round at its own length, so padding never comes before a token:
what a row gives does not depend on how far its batch is padded.

Shapes: ids (B, L) padded on the right with 0 -> scores (B, outputs).
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.networks._params import number, whole
from trainwright.engines.torch.networks._pooling import Pool, PoolKind
from trainwright.engines.torch.networks.contract import Inputs


class Recurrent(nn.Module):
    """``embed -> [forwards beside backwards] x layers -> pool -> linear``."""

    def __init__(
        self, cell: type[nn.LSTM] | type[nn.GRU], params: Mapping[str, JsonValue], inputs: Inputs, outputs: int
    ) -> None:
        super().__init__()
        width, size = whole(params, "width"), whole(params, "embedding")
        self.pad = inputs.pad
        self.embedding = nn.Embedding(inputs.vocabulary, size)
        self.drop = nn.Dropout(number(params, "dropout"))
        self.forwards, self.backwards = nn.ModuleList(), nn.ModuleList()
        for _ in range(whole(params, "layers")):
            self.forwards.append(_cell(cell, size, width))
            self.backwards.append(_cell(cell, size, width))
            size = 2 * width
        self.pool = Pool(cast("PoolKind", params["pooling"]), size)
        self.output = nn.Linear(size, outputs)
        nn.init.normal_(self.embedding.weight, std=size**-0.5)
        nn.init.zeros_(self.output.weight)  # begins at even odds
        nn.init.zeros_(self.output.bias)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, L) -> (B, outputs)."""
        present = ids != self.pad
        turned = _turned(present)
        x = self.drop(self.embedding(ids))
        for there, back in zip(self.forwards, self.backwards, strict=True):
            onward, _ = there(x)
            against, _ = back(_reordered(x, turned))
            x = self.drop(torch.cat([onward, _reordered(against, turned)], dim=2))
        out: Tensor = self.output(self.pool(x, present))
        return out


def _cell(cell: type[nn.LSTM] | type[nn.GRU], size: int, width: int) -> nn.Module:
    """One direction of one layer: orthogonal recurrent weights (Saxe et al. 2014), Glorot inputs, zero biases.

    The forget gate of an LSTM begins open, at 1 (Jozefowicz et al. 2015).
    """
    made = cell(size, width, batch_first=True)
    for name, weight in made.named_parameters():
        if name.startswith("weight_hh"):
            for first in range(0, len(weight), width):
                nn.init.orthogonal_(weight.data[first : first + width])
        elif name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight)
        else:
            nn.init.zeros_(weight)
        if name == "bias_ih_l0" and isinstance(made, nn.LSTM):
            nn.init.ones_(weight.data[width : 2 * width])
    return made


def _turned(present: Tensor) -> Tensor:
    """For each position where its row, turned round at its own length, has it: (B, L) int64."""
    places = torch.arange(present.shape[1], device=present.device)[None, :]
    length = present.sum(1, keepdim=True)
    return torch.where(places < length, length - 1 - places, places)


def _reordered(x: Tensor, order: Tensor) -> Tensor:
    return x.gather(1, order[:, :, None].expand(-1, -1, x.shape[2]))
