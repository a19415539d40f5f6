"""FT-Transformer: every column of a table a token, a transformer over them, the answer read off a [CLS] token.

Source: Gorishniy, Rubachev, Khrulkov, Babenko, "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021,
section 3.3; read in yandex-research/rtdl-revisiting-models at e3ed46c (bin/ft_transformer.py and the package's
FTTransformer). As there: pre-norm without the very first norm, ReGLU, the last block only for [CLS], no decay of
the tokens' weights. Left out: Linformer compression. Added: a missing number adds its own vector to its token.

Shapes: rows (B, columns) -> tokens (B, 1 + columns, d_block), [CLS] first -> scores (B, outputs).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention

from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.networks._params import number, whole
from trainwright.engines.torch.networks._table import Embeddings, TableEncoder
from trainwright.engines.torch.networks.contract import Inputs


def build(params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> nn.Module:
    """The network with fresh weights."""
    return FTTransformer(params, inputs, outputs)


class FTTransformer(nn.Module):
    """``tokens -> [attention, feed-forward] x n_blocks -> norm -> relu -> linear of [CLS]``."""

    def __init__(self, params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> None:
        super().__init__()
        width, count = whole(params, "d_block"), whole(params, "n_blocks")
        self.tokens = Tokens(inputs, width)
        self.blocks = nn.ModuleList(Block(params, width, first=i == 0, last=i == count - 1) for i in range(count))
        self.output = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, outputs))

    def fit_inputs(self, rows: Tensor) -> None:
        """Learn the scales of the inputs from training rows."""
        self.tokens.encoder.fit(rows)

    def undecayed(self) -> set[str]:
        """As published: nothing of the tokens decays."""
        return {name for name, _ in self.named_parameters() if name.startswith("tokens.")}

    def forward(self, x: Tensor) -> Tensor:
        """(B, columns) -> (B, outputs)."""
        hidden = self.tokens(x)
        for block in self.blocks:
            hidden = block(hidden)
        scores: Tensor = self.output(hidden[:, 0])
        return scores


class Tokens(nn.Module):
    """Rows (B, columns) -> tokens (B, 1 + columns, width): [CLS], numbers, categories."""

    def __init__(self, inputs: Inputs, width: int) -> None:
        super().__init__()
        self.encoder = TableEncoder(inputs, "quantile")
        numbers, categories = self.encoder.num_numbers, self.encoder.num_categories
        self.cls = nn.Parameter(_uniform(1, 1, width))
        self.weight = nn.Parameter(_uniform(numbers, 2, width)) if numbers else None
        self.bias = nn.Parameter(_uniform(numbers + categories, width)) if numbers + categories else None
        sizes = dict(enumerate(self.encoder.category_sizes))
        self.embeddings = Embeddings(sizes, width) if sizes else None

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        numbers, missing, codes = self.encoder(x)
        tokens: list[Tensor] = []
        if self.weight is not None:
            tokens.append(numbers.unsqueeze(-1) * self.weight[:, 0] + missing.unsqueeze(-1) * self.weight[:, 1])
        if self.embeddings is not None:
            tokens.append(self.embeddings(codes))
        first = self.cls.expand(x.shape[0], -1, -1)
        return first if self.bias is None else torch.cat([first, torch.cat(tokens, dim=1) + self.bias], dim=1)


class Block(nn.Module):
    """Attention and feed-forward, each added to its input: (B, T, width) -> the same, or (B, 1, width) when last."""

    def __init__(self, params: Mapping[str, JsonValue], width: int, *, first: bool, last: bool) -> None:
        super().__init__()
        hidden = int(width * number(params, "ffn_d_hidden_multiplier"))
        self.last = last
        self.attention_norm = nn.Identity() if first else nn.LayerNorm(width)
        self.attention = Attention(width, whole(params, "attention_n_heads"), number(params, "attention_dropout"))
        self.ffn_norm = nn.LayerNorm(width)
        self.ffn = nn.Sequential(
            nn.Linear(width, 2 * hidden), ReGLU(), nn.Dropout(number(params, "ffn_dropout")), nn.Linear(hidden, width)
        )
        self.dropout = nn.Dropout(number(params, "residual_dropout"))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        normed = self.attention_norm(x)
        if self.last:  # only [CLS] is read off
            x, asking = x[:, :1], normed[:, :1]
        else:
            asking = normed
        x = x + self.dropout(self.attention(asking, normed))
        out: Tensor = x + self.dropout(self.ffn(self.ffn_norm(x)))
        return out


class Attention(nn.Module):
    """Multi-head attention: queries (B, Q, width) over tokens (B, T, width) -> (B, Q, width)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        for linear in (self.query, self.key, self.value, self.out):
            nn.init.zeros_(linear.bias)

    def forward(self, asking: Tensor, tokens: Tensor) -> Tensor:
        """See the class."""
        q, k, v = (self._split(x) for x in (self.query(asking), self.key(tokens), self.value(tokens)))
        mixed = scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, width) -> (B, heads, T, width / heads)."""
        rows, tokens, width = x.shape
        return x.reshape(rows, tokens, self.heads, width // self.heads).transpose(1, 2)


class ReGLU(nn.Module):
    """``a * relu(b)`` of the two halves: (..., 2 h) -> (..., h)."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        left, right = x.chunk(2, dim=-1)
        return left * relu(right)


def _uniform(*shape: int) -> Tensor:
    bound = shape[-1] ** -0.5
    return torch.empty(shape).uniform_(-bound, bound)
