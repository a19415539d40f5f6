"""TabM: k multi-layer perceptrons in one, sharing all matrices, each with scales, biases and an output of its own.

Source: Gorishniy, Kotelnikov, Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling",
ICLR 2025 (arXiv 2410.24210); read in yandex-research/tabm: tabm.py at 58c8114 (LinearBatchEnsemble, EnsembleView,
TabM.make) and bin/model.py at 9722886; piecewise-linear embeddings: rtdl_num_embeddings (version B).

As published: ``tabm`` starts with random signs per column (a normal with numeric embeddings) in the first scale and
ones in all others; ``tabm-mini`` has only the first scale. One-hot categories; numbers by quantiles to a normal.
Simplified: bins of piecewise-linear embeddings lie between quantiles and are as many for every column (empty ones stay
0). Added: embeddings for categories with more levels than ``one_hot_up_to``, a mark for missing numbers.

Shapes: rows (B, columns) -> scores (B, k, outputs), one prediction of each member.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.networks._params import number, whole
from trainwright.engines.torch.networks._table import FlatTable
from trainwright.engines.torch.networks.contract import Inputs


def build(params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> nn.Module:
    """The network with fresh weights."""
    return TabM(params, inputs, outputs)


class TabM(nn.Module):
    """``table -> [linear -> relu -> dropout] x n_blocks -> k linears``, for k members at once."""

    def __init__(self, params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> None:
        super().__init__()
        k, width = whole(params, "k"), whole(params, "d_block")
        piecewise = params["numeric_embedding"] == "piecewise"
        columns = inputs.shape[0] - len(inputs.categorical)
        embedding = whole(params, "d_embedding")
        self.table = FlatTable(
            inputs,
            PiecewiseLinear(columns, whole(params, "n_bins"), embedding) if piecewise else None,
            scaling="quantile",
            one_hot_up_to=whole(params, "one_hot_up_to"),
            embedding=embedding,
        )
        mini = params["arch_type"] == "tabm-mini"
        self.members = MemberScale(k, _first_scale(k, self.table.chunks, normal=piecewise)) if mini else MemberView(k)
        layers: list[nn.Module] = []
        size = self.table.width
        for i in range(whole(params, "n_blocks")):
            if mini:
                layers.append(nn.Linear(size, width))
            else:
                first = _first_scale(k, self.table.chunks, normal=piecewise) if i == 0 else torch.ones(k, size)
                layers.append(SharedLinear(first, width))
            layers += [nn.ReLU(), nn.Dropout(number(params, "dropout"))]
            size = width
        self.backbone = nn.Sequential(*layers)
        self.output = MemberLinear(k, size, outputs)

    def fit_inputs(self, rows: Tensor) -> None:
        """Learn the scales of the inputs, and bins, from training rows."""
        self.table.fit(rows)

    def forward(self, x: Tensor) -> Tensor:
        """(B, columns) -> (B, k, outputs)."""
        scores: Tensor = self.output(self.backbone(self.members(self.table(x))))
        return scores


class MemberView(nn.Module):
    """The same row for each member: (B, width) -> (B, k, width), without a copy."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x.unsqueeze(1).expand(-1, self.k, -1)


class MemberScale(nn.Module):
    """The row times each member's own scale: (B, width) -> (B, k, width)."""

    def __init__(self, k: int, scale: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(scale)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x.unsqueeze(1) * self.weight


class SharedLinear(nn.Module):
    """BatchEnsemble: ``((x * r) @ weight.T) * s + bias``, the weight shared: (B, k, inputs) -> (B, k, outputs)."""

    def __init__(self, r: Tensor, outputs: int) -> None:
        super().__init__()
        k, inputs = r.shape
        bound = inputs**-0.5
        self.r = nn.Parameter(r)
        self.s = nn.Parameter(torch.ones(k, outputs))
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        # All members start from the same bias, as published.
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound).repeat(k, 1))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return torch.addcmul(self.bias, (x * self.r) @ self.weight.T, self.s)


class MemberLinear(nn.Module):
    """A linear layer for each member: (B, k, inputs) -> (B, k, outputs)."""

    def __init__(self, k: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(k, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(k, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return torch.bmm(x.transpose(0, 1), self.weight).transpose(0, 1) + self.bias


class PiecewiseLinear(nn.Module):
    """Piecewise-linear embeddings plus linear ones: numbers and marks (B, N) -> (B, N * embedding).

    A number becomes one value a bin (0 below it, 1 above, the share within; open at both ends), its mark one more, and
    then its column's own linear layer, which starts from 0 beside a plain linear embedding (version B).
    """

    edges: Tensor
    factor: Tensor

    def __init__(self, columns: int, bins: int, embedding: int) -> None:
        super().__init__()
        self.width = columns * embedding
        bound = embedding**-0.5
        self.register_buffer("edges", torch.linspace(-3, 3, bins + 1)[:-1].repeat(columns, 1))
        self.register_buffer("factor", torch.full((columns, bins), bins / 6))
        low, high = torch.zeros(bins), torch.ones(bins)
        low[0], high[-1] = -torch.inf, torch.inf
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("high", high, persistent=False)
        self.weight_0 = nn.Parameter(torch.empty(columns, embedding).uniform_(-bound, bound))
        self.bias_0 = nn.Parameter(torch.empty(columns, embedding).uniform_(-bound, bound))
        self.weight = nn.Parameter(torch.zeros(columns, bins + 1, embedding))

    def fit(self, numbers: Tensor) -> None:
        """Bins between the quantiles of scaled numbers (rows, N)."""
        bins = self.edges.shape[1]
        ordered = numbers.double().sort(dim=0).values
        places = torch.linspace(0, len(ordered) - 1, bins + 1, dtype=torch.float64).round().long()
        edges = ordered[places].T
        width = edges.diff(dim=1)
        self.edges.copy_(edges[:, :-1])
        # Bins between equal quantiles are empty and give 0.
        self.factor.copy_(torch.where(width > 1e-6, 1 / width.clamp(min=1e-6), 0.0))

    def forward(self, numbers: Tensor, missing: Tensor) -> Tensor:
        """See the class."""
        shares = (numbers.unsqueeze(-1) - self.edges) * self.factor
        shares = torch.minimum(torch.maximum(shares, self.get_buffer("low")), self.get_buffer("high"))
        coded = torch.cat([shares, missing.unsqueeze(-1)], dim=-1)  # (B, N, bins + 1)
        bent = torch.bmm(coded.transpose(0, 1), self.weight).transpose(0, 1)
        return (numbers.unsqueeze(-1) * self.weight_0 + self.bias_0 + bent).flatten(1)


def _first_scale(k: int, chunks: list[int], *, normal: bool) -> Tensor:
    """(k, sum of chunks): one random value for each member and column, a sign or from a normal distribution."""
    drawn = torch.randn(k, len(chunks)) if normal else torch.randint(2, (k, len(chunks))).float() * 2 - 1
    return drawn.repeat_interleave(torch.tensor(chunks), dim=1)
