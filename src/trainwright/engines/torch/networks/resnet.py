"""ResNet for tables: residual blocks of two linear layers with batch normalisation.

Source: Gorishniy, Rubachev, Khrulkov, Babenko, "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021,
section 3.2; read in yandex-research/rtdl-revisiting-models at e3ed46c (bin/resnet.py and the package's ResNet). As
there: numbers by quantiles to a normal, an embedding for every category. Added: a mark beside each number for missing.

Shapes: rows (B, columns) -> scores (B, outputs).
"""

from collections.abc import Mapping

from torch import Tensor, nn

from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.networks._norms import BatchNorm1d
from trainwright.engines.torch.networks._params import number, whole
from trainwright.engines.torch.networks._table import FlatTable, activation
from trainwright.engines.torch.networks.contract import Inputs


def build(params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> nn.Module:
    """The network with fresh weights."""
    return ResNet(params, inputs, outputs)


class ResNet(nn.Module):
    """``table -> linear -> [block] x n_blocks -> norm -> activation -> linear``."""

    def __init__(self, params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> None:
        super().__init__()
        width = whole(params, "d_block")
        self.table = FlatTable(
            inputs, scaling="quantile", one_hot_up_to=0, embedding=whole(params, "category_embedding")
        )
        self.input = nn.Linear(self.table.width, width)
        self.blocks = nn.ModuleList(Block(params, width) for _ in range(whole(params, "n_blocks")))
        self.output = nn.Sequential(
            _norm(params, width), activation(str(params["activation"])), nn.Linear(width, outputs)
        )

    def fit_inputs(self, rows: Tensor) -> None:
        """Learn the scales of the inputs from training rows."""
        self.table.fit(rows)

    def forward(self, x: Tensor) -> Tensor:
        """(B, columns) -> (B, outputs)."""
        hidden = self.input(self.table(x))
        for block in self.blocks:
            hidden = block(hidden)
        scores: Tensor = self.output(hidden)
        return scores


class Block(nn.Module):
    """``x + dropout(linear(dropout(activation(linear(norm(x))))))``: (B, width) -> (B, width)."""

    def __init__(self, params: Mapping[str, JsonValue], width: int) -> None:
        super().__init__()
        hidden = int(width * number(params, "d_hidden_multiplier"))
        self.branch = nn.Sequential(
            _norm(params, width),
            nn.Linear(width, hidden),
            activation(str(params["activation"])),
            nn.Dropout(number(params, "hidden_dropout")),
            nn.Linear(hidden, width),
            nn.Dropout(number(params, "residual_dropout")),
        )

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = x + self.branch(x)
        return out


def _norm(params: Mapping[str, JsonValue], width: int) -> nn.Module:
    return BatchNorm1d(width) if params["normalization"] == "batchnorm" else nn.LayerNorm(width)
