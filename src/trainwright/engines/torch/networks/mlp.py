"""RealMLP-TD: a multi-layer perceptron with the pre-tuned choices of "Better by Default".

Source: Holzmüller, Grinsztajn, Steinwart, NeurIPS 2024 (arXiv 2407.04491), read in pytabkit at 33cbf23:
sklearn/default_params.py (RealMLP_TD_CLASS, RealMLP_TD_REG), nn_models/{models,nn,pipeline,categorical,activations}.py.

Taken as published: robust scale and smooth clip, also of one-hot columns; one-hot up to 9 levels with missing, else
embeddings of 8; PBLD numeric embeddings; the scaling layer; NTK parametrisation; the data-driven ``std`` weights and
``he+5`` biases; parametric activation; the factors on the learning rate.

Simplified: dropout keeps its rate where the paper lets it fall to 0 over the second half (``flat_cos``; networks are
not told the time); weight decay likewise; a binary target has one logit instead of two; predictions of a regression are
not clamped to the range of the training target. Added: what happens to missing cells, which the paper leaves to others:
the mark of a cell is one more input of its column's PBLD embedding.

Shapes: rows (B, columns) -> scores (B, outputs).
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.networks._params import number, whole
from trainwright.engines.torch.networks._table import FlatTable, PlainNumbers, activation
from trainwright.engines.torch.networks.contract import Inputs

_ROWS_TO_START_FROM = 8192  # for the data-driven first weights; assumption: more changes a deviation by under 1%


def build(params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> nn.Module:
    """The network with fresh weights; `RealMLP.fit_inputs` then fits the scales, and the weights to the data."""
    return RealMLP(params, inputs, outputs)


class RealMLP(nn.Module):
    """``table -> scale -> [linear -> activation -> dropout] x layers -> linear``."""

    def __init__(self, params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> None:
        super().__init__()
        columns = inputs.shape[0] - len(inputs.categorical)
        self.table = FlatTable(
            inputs,
            _numbers(params, columns),
            scaling="robust",
            one_hot_up_to=whole(params, "one_hot_up_to"),
            embedding=whole(params, "category_embedding"),
            scale_one_hot=True,
        )
        if self.table.embeddings is not None:
            nn.init.normal_(self.table.embeddings.table.weight)
        width = self.table.width
        self.scale = Scale(width) if params["front_scale"] else nn.Identity()
        self.blocks = nn.ModuleList()
        sizes = params["hidden_sizes"]
        assert isinstance(sizes, list | tuple)
        for size in sizes:
            assert isinstance(size, int)
            self.blocks.append(Block(width, size, str(params["activation"]), number(params, "dropout")))
            width = size
        self.output = NTKLinear(width, outputs)

    @torch.no_grad()
    def fit_inputs(self, rows: Tensor) -> None:
        """Scales from all rows, then first weights, layer by layer, from an even choice of them."""
        self.table.fit(rows)
        hidden = self.scale(self.table(rows[:: max(1, len(rows) // _ROWS_TO_START_FROM)]))
        for block in self.blocks:
            assert isinstance(block, Block)
            hidden = block.fit(hidden)
        self.output.fit(hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(B, columns) -> (B, outputs)."""
        hidden = self.scale(self.table(x))
        for block in self.blocks:
            hidden = block(hidden)
        scores: Tensor = self.output(hidden)
        return scores

    def lr_factors(self) -> dict[str, float]:
        """As published: scale 6, biases, activations and numeric embeddings 0.1."""
        return {name: f for name, _ in self.named_parameters() if (f := _lr_factor(name)) != 1}


class Block(nn.Module):
    """``linear -> parametric activation -> dropout``: (B, inputs) -> (B, outputs)."""

    def __init__(self, inputs: int, outputs: int, name: str, dropout: float) -> None:
        super().__init__()
        self.linear = NTKLinear(inputs, outputs)
        self.activation = ParametricActivation(outputs, name)
        self.dropout = nn.Dropout(dropout)

    def fit(self, x: Tensor) -> Tensor:
        """Set the first weights by the inputs of some rows, and give its outputs for them, without dropout."""
        self.linear.fit(x)
        out: Tensor = self.activation(self.linear(x))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.dropout(self.activation(self.linear(x)))
        return out


class NTKLinear(nn.Module):
    """``x @ weight / sqrt(inputs) + bias``: weights of size one at every width (neural tangent parametrisation)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.gain = 1 / math.sqrt(inputs)
        self.seed = int(torch.randint(2**31, ()))  # drawn here, where the generator is seeded; used by `fit`
        self.weight = nn.Parameter(torch.randn(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def fit(self, x: Tensor) -> None:
        """Each output to a deviation of 1 (``std``), its kink to somewhere among the data (``he+5``)."""
        deviation = (x @ self.weight * self.gain).std(dim=0, correction=0)
        # A unit that all rows leave alike keeps its weights: there is nothing to divide by.
        self.weight.div_(torch.where(deviation > 1e-6, deviation, 1))
        out = x @ self.weight * self.gain
        random = torch.Generator().manual_seed(self.seed)
        rows = torch.randint(len(out), (5, out.shape[1]), generator=random).to(out.device)
        shares = torch.empty(5, out.shape[1]).exponential_(generator=random).to(out.device)
        self.bias.copy_(-(out.gather(0, rows) * shares / shares.sum(dim=0)).sum(dim=0))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        return torch.addmm(self.bias, x, self.weight, alpha=self.gain)


class Scale(nn.Module):
    """``x * weight``, a weight per input: a soft choice of inputs that learns fast."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, width))  # two dimensions: as published, it decays

    def forward(self, x: Tensor) -> Tensor:
        """(B, width) -> (B, width)."""
        return x * self.weight


class ParametricActivation(nn.Module):
    """``x + (f(x) - x) * weight``, a weight per unit: from linear (0) to the activation (1) and beyond."""

    def __init__(self, width: int, name: str) -> None:
        super().__init__()
        self.function = activation(name)
        self.weight = nn.Parameter(torch.ones(1, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width) -> (B, width)."""
        return torch.lerp(x, self.function(x), self.weight)


class PBLD(nn.Module):
    """Periodic Bias Linear DenseNet embeddings: per column ``[x, linear(cos(2 pi w x + b), missing)]``.

    Shape: numbers and marks (B, N) -> (B, N * embedding), the numbers themselves last, as published.
    """

    def __init__(self, columns: int, frequencies: int, embedding: int, frequency_scale: float) -> None:
        super().__init__()
        learnt = embedding - 1
        self.width = columns * embedding
        bound = 1 / math.sqrt(frequencies)
        self.weight_1 = nn.Parameter(frequency_scale * torch.randn(columns, 1, frequencies))
        self.bias_1 = nn.Parameter(torch.empty(columns, 1, frequencies).uniform_(-math.pi, math.pi))
        self.weight_2 = nn.Parameter(torch.empty(columns, frequencies + 1, learnt).uniform_(-bound, bound))
        self.bias_2 = nn.Parameter(torch.empty(columns, 1, learnt).uniform_(-bound, bound))

    def forward(self, numbers: Tensor, missing: Tensor) -> Tensor:
        """See the class."""
        x = numbers.T.unsqueeze(-1)  # (N, B, 1)
        waves = torch.cos(2 * math.pi * x * self.weight_1 + self.bias_1)
        learnt = torch.baddbmm(self.bias_2, torch.cat([waves, missing.T.unsqueeze(-1)], dim=-1), self.weight_2)
        return torch.cat([learnt.transpose(0, 1).flatten(1), numbers], dim=1)


def _numbers(params: Mapping[str, JsonValue], columns: int) -> nn.Module:
    if params["numeric_embedding"] == "none":
        return PlainNumbers(columns)
    return PBLD(columns, whole(params, "frequencies"), whole(params, "embedding"), number(params, "frequency_scale"))


def _lr_factor(name: str) -> float:
    if name == "scale.weight":
        return 6.0
    slow = name.startswith("table.numbers.") or name.endswith((".bias", ".activation.weight"))
    return 0.1 if slow else 1.0
