"""A network of one's own, for examples/own_model.yaml: two branches over the numbers of a row, added up.

Trainwright calls ``Wide(inputs=..., outputs=..., **architecture_spec)``. ``inputs.shape`` is the shape of one row,
``outputs`` the number of scores a row must get. ``forward`` takes float32 of shape (rows, columns) and gives
(rows, outputs); loss, optimiser, device, checkpoints and everything else are not its business.
"""

import torch
from torch import nn


class Wide(nn.Module):
    """A linear branch for what is additive, and a small network for what is not."""

    def __init__(self, inputs, outputs, *, width=64, dropout=0.1):
        super().__init__()
        columns = inputs.shape[0]
        self.plain = nn.Linear(columns, outputs)
        self.deep = nn.Sequential(nn.Linear(columns, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.plain(x) + self.deep(x)
