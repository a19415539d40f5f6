"""The front of every network for tables: cells to tensors without NaN, with what it learnt in buffers.

`TableEncoder` cleans: numbers scaled and filled, marks of missing cells, category codes. `FlatTable` makes one vector
of a row from that, for networks that start with a linear layer. Shapes: B rows, N numeric and C category columns.

Numbers: a missing (or infinite) cell becomes 0, the middle of the scaled column, and its mark becomes 1 if the column
had missing cells in training; a column that had none has no mark to learn from, so a first missing cell there counts as
the middle. Categories: codes outside 0..size-1 and NaN share one slot of their own, number ``size``.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias, cast

import torch
from torch import Tensor, nn

from trainwright.engines.torch.networks.contract import Inputs

Scaling: TypeAlias = Literal["robust", "quantile", "standard"]

_LARGEST = 1e30  # far beyond any scaled value, and its product with a finite factor clamps instead of turning to NaN
_KNOTS = 128  # of the quantile map, a power of two
_STEPS = (64, 32, 16, 8, 4, 2, 1)


class RobustScale(nn.Module):
    """``(x - median) / interquartile range``, then the smooth clip ``x / sqrt(1 + x**2 / 9)`` into (-3, 3).

    Source: Holzmüller et al. 2024; pytabkit, nn_models/pipeline.py (MedianCenter, RobustScale: half the full range
    where the quartiles coincide, 0 for constant columns) and models.py (smooth_clip_func).
    """

    center: Tensor
    factor: Tensor

    def __init__(self, columns: int, *, clip: bool = True) -> None:
        super().__init__()
        self.clip = clip
        self.register_buffer("center", torch.zeros(columns))
        self.register_buffer("factor", torch.ones(columns))

    def fit(self, column: int, values: Tensor) -> None:
        """Learn one column from its present values, a sorted float64 vector of at least one."""
        low, middle, high = (_quantile(values, q) for q in (0.25, 0.5, 0.75))
        spread = high - low
        if spread == 0:
            spread = 0.5 * (values[-1] - values[0])
        self.center[column] = middle
        self.factor[column] = _inverse(spread)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N) without NaN -> (B, N)."""
        x = _scaled(x, self.center, self.factor)
        return x / torch.sqrt(1 + x.square() / 9) if self.clip else x


class StandardScale(nn.Module):
    """``(x - mean) / deviation``; 0 for constant columns."""

    center: Tensor
    factor: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(columns))
        self.register_buffer("factor", torch.ones(columns))

    def fit(self, column: int, values: Tensor) -> None:
        """Learn one column from its present values."""
        self.center[column] = values.mean()
        self.factor[column] = _inverse(values.std(correction=0) if values[0] != values[-1] else values[0] * 0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N) without NaN -> (B, N)."""
        return _scaled(x, self.center, self.factor)


class QuantileScale(nn.Module):
    """Each column to a normal distribution by its ranks, linear between at most 128 knots, constant beyond the ends.

    Source: the quantile transformation of Gorishniy et al. 2021 (scikit-learn's QuantileTransformer to a normal).
    Their noise of 1e-3 on the fitted values spreads ties over the ranks they cover; here a tied value stands at the
    middle of its ranks, which is the same without noise. Knots are evenly spaced in the scores, so that the tails are
    as fine as the middle.
    """

    knots: Tensor
    scores: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("knots", torch.zeros(columns, _KNOTS))
        self.register_buffer("scores", torch.zeros(columns, _KNOTS))

    def fit(self, column: int, values: Tensor) -> None:
        """Learn one column from its present values, sorted."""
        cells = values.float()  # as the cells to come, so that no two knots coincide later
        end = torch.special.ndtri(torch.tensor(1 - 0.5 / len(cells), dtype=torch.float64)).item()
        shares = torch.special.ndtr(torch.linspace(-end, end, _KNOTS, dtype=torch.float64))
        knots = torch.unique(cells[(shares * len(cells)).long().clamp(0, len(cells) - 1)])
        ranks = torch.searchsorted(cells, knots) + torch.searchsorted(cells, knots, right=True)
        scores = torch.special.ndtri(ranks.double() / (2 * len(cells)))
        self.knots[column] = knots[-1]  # repeats of the last knot fill the row
        self.knots[column, : len(knots)] = knots
        self.scores[column] = scores[-1]
        self.scores[column, : len(knots)] = scores

    def forward(self, x: Tensor) -> Tensor:
        """(B, N) without NaN -> (B, N)."""
        knots, scores = self.knots.flatten(), self.scores.flatten()
        start = torch.arange(self.knots.shape[0], device=x.device) * _KNOTS
        # Binary search for the knots at or below x, in operators that every export format has.
        below = start.expand_as(x)
        for step in _STEPS:
            below = below + step * (x >= knots[below + (step - 1)]).long()
        right = torch.maximum(below, start + 1)
        left, width = knots[right - 1], knots[right] - knots[right - 1]
        share = ((x - left) / torch.where(width > 0, width, 1)).clamp(0, 1)
        return torch.lerp(scores[right - 1], scores[right], share)


_SCALES: Mapping[str, type[nn.Module]] = {"robust": RobustScale, "quantile": QuantileScale, "standard": StandardScale}


class TableEncoder(nn.Module):
    """Rows of shape (B, columns), float with NaN -> numbers (B, N), missing (B, N), codes (B, C), none with NaN."""

    numeric: Tensor
    categorical: Tensor
    sizes: Tensor
    had_missing: Tensor

    def __init__(self, inputs: Inputs, scaling: Scaling) -> None:
        super().__init__()
        (columns,) = inputs.shape
        taken = set(inputs.categorical)
        numeric = [i for i in range(columns) if i not in taken]
        self.category_sizes = tuple(inputs.category_sizes)
        self.num_numbers, self.num_categories = len(numeric), len(inputs.categorical)
        self.register_buffer("numeric", torch.tensor(numeric, dtype=torch.long), persistent=False)
        self.register_buffer("categorical", torch.tensor(inputs.categorical, dtype=torch.long), persistent=False)
        self.register_buffer("sizes", torch.tensor(self.category_sizes, dtype=torch.float32), persistent=False)
        self.register_buffer("had_missing", torch.zeros(len(numeric)))
        self.scale = _SCALES[scaling](len(numeric))

    @torch.no_grad()
    def fit(self, rows: Tensor) -> None:
        """Learn scales and where cells are missing from training rows of shape (rows, columns)."""
        for i, column in enumerate(self.numeric.tolist()):
            cells = rows[:, column].double()
            present = cells[cells.isfinite()].sort().values
            self.had_missing[i] = float(len(present) < len(cells))
            # An empty column is a constant one: its scale makes 0 of every cell to come.
            cast(RobustScale, self.scale).fit(i, present if len(present) else cells.new_zeros(1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        numbers = x.index_select(1, self.numeric)
        present = numbers.isfinite()
        scaled: Tensor = self.scale(torch.where(present, numbers, 0.0).float())
        numbers = torch.where(present, scaled, 0.0)
        missing = torch.where(present, 0.0, self.had_missing)
        codes = x.index_select(1, self.categorical).float()
        known = (codes >= 0) & (codes < self.sizes)  # NaN compares false
        return numbers, missing, torch.where(known, codes, self.sizes).long()


class OneHot(nn.Module):
    """Codes (B, C) -> (B, width): a column per level, all zero for missing and unseen; two levels share one of +1/-1.

    Source: pytabkit, nn_models/categorical.py (SingleOneHotLayer with use_1d_binary_onehot).
    """

    column: Tensor
    level: Tensor
    opposite: Tensor

    def __init__(self, sizes: Mapping[int, int]) -> None:
        """``sizes``: position of a category among the codes -> its number of levels."""
        super().__init__()
        places: list[tuple[int, int, int]] = []
        for column, size in sizes.items():
            places += [(column, 0, 1)] if size == 2 else [(column, level, -1) for level in range(size)]
        self.width = len(places)
        columns = torch.tensor(places, dtype=torch.long).reshape(-1, 3)
        for name, values in zip(("column", "level", "opposite"), columns.T, strict=True):
            self.register_buffer(name, values.contiguous(), persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        """See the class."""
        chosen = codes.index_select(1, self.column)
        return (chosen == self.level).float() - (chosen == self.opposite).float()


class Embeddings(nn.Module):
    """Codes (B, C) -> (B, C, dim): one table for all categories, each with one more slot for missing and unseen."""

    offsets: Tensor
    chosen: Tensor

    def __init__(self, sizes: Mapping[int, int], dim: int) -> None:
        """``sizes``: position of a category among the codes -> its number of levels."""
        super().__init__()
        slots = [size + 1 for size in sizes.values()]
        starts = [sum(slots[:i]) for i in range(len(slots))]
        self.register_buffer("chosen", torch.tensor(list(sizes), dtype=torch.long), persistent=False)
        self.register_buffer("offsets", torch.tensor(starts, dtype=torch.long), persistent=False)
        self.table = nn.Embedding(sum(slots), dim)
        nn.init.uniform_(self.table.weight, -(dim**-0.5), dim**-0.5)  # as Gorishniy et al. 2021

    def forward(self, codes: Tensor) -> Tensor:
        """See the class."""
        embedded: Tensor = self.table(codes.index_select(1, self.chosen) + self.offsets)
        return embedded


class PlainNumbers(nn.Module):
    """Each number with its mark: (B, N), (B, N) -> (B, 2 N)."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.width = 2 * columns

    def forward(self, numbers: Tensor, missing: Tensor) -> Tensor:
        """See the class."""
        return torch.stack([numbers, missing], dim=-1).flatten(1)


class FlatTable(nn.Module):
    """A row of a table as one vector: rows (B, columns) -> (B, width).

    ``numbers`` turns (B, N) numbers and marks into (B, numbers.width). Categories with at most ``one_hot_up_to``
    levels, one for missing counted, are one-hot, the others embedded. ``scale_one_hot`` treats one-hot columns as
    numbers are treated, which RealMLP does.
    """

    def __init__(
        self,
        inputs: Inputs,
        numbers: nn.Module | None = None,
        *,
        scaling: Scaling,
        one_hot_up_to: int,
        embedding: int,
        scale_one_hot: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = TableEncoder(inputs, scaling)
        sizes = dict(enumerate(self.encoder.category_sizes))
        small = {i: size for i, size in sizes.items() if size + 1 <= one_hot_up_to}
        large = {i: size for i, size in sizes.items() if i not in small}
        self.numbers = numbers or PlainNumbers(self.encoder.num_numbers)
        self.one_hot = OneHot(small)
        self.one_hot_scale = RobustScale(self.one_hot.width) if scale_one_hot else None
        self.embeddings = Embeddings(large, embedding) if large else None
        self.number_width = cast(int, self.numbers.width) if self.encoder.num_numbers else 0
        # The widths of what stands for one column each, in order; a table without any usable column gives a zero.
        per_number = self.number_width // max(1, self.encoder.num_numbers)
        self.chunks = [per_number] * self.encoder.num_numbers
        self.chunks += [1 if size == 2 else size for size in small.values() if size]
        self.chunks += [embedding] * len(large)
        self.chunks = self.chunks or [1]
        self.width = sum(self.chunks)

    @torch.no_grad()
    def fit(self, rows: Tensor) -> None:
        """Learn from training rows of shape (rows, columns)."""
        self.encoder.fit(rows)
        numbers, _, codes = self.encoder(rows)
        if self.one_hot_scale is not None:
            for i, column in enumerate(self.one_hot(codes).double().T):
                self.one_hot_scale.fit(i, column.sort().values)
        fit_numbers = getattr(self.numbers, "fit", None)
        if fit_numbers is not None:
            fit_numbers(numbers)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        numbers, missing, codes = self.encoder(x)
        parts: list[Tensor] = []
        if self.number_width:
            parts.append(self.numbers(numbers, missing))
        if self.one_hot.width:
            hot = self.one_hot(codes)
            parts.append(hot if self.one_hot_scale is None else self.one_hot_scale(hot))
        if self.embeddings is not None:
            parts.append(self.embeddings(codes).flatten(1))
        return torch.cat(parts, dim=1) if parts else x.new_zeros(x.shape[0], 1, dtype=torch.float32)


def activation(name: str) -> nn.Module:
    """The activation of that name."""
    return ACTIVATIONS[name]()


ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def _scaled(x: Tensor, center: Tensor, factor: Tensor) -> Tensor:
    return ((x - center).clamp(-_LARGEST, _LARGEST) * factor).clamp(-1e6, 1e6)


def _inverse(spread: Tensor) -> float:
    """1 / spread, and 0 for a constant column."""
    value = float(spread)
    return min(1 / value, _LARGEST) if value > 0 else 0.0


def _quantile(values: Tensor, share: float) -> Tensor:
    """A quantile of a sorted vector, linear between its values (torch.quantile stops at 16 million)."""
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return torch.lerp(values[low], values[high], place - low)
