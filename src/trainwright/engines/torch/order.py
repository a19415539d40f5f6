"""The order in which an epoch takes the training rows, without those that repairs left out."""

import torch
from torch import Tensor

from trainwright.core.jsonable import JsonValue
from trainwright.core.seeds import Seeds
from trainwright.engines.torch.batches import epoch_order


class Order:
    """A function of (seed, epoch) and of the rows that are left out: others stand in for them."""

    def __init__(self, rows: int, seeds: Seeds) -> None:
        self._rows, self._seeds = rows, seeds
        self._latest: tuple[int, Tensor] | None = None
        self._skipped: list[int] = []

    @property
    def skipped(self) -> list[int]:
        """The rows that are left out, in order."""
        return list(self._skipped)

    def of(self, epoch: int) -> Tensor:
        """The rows of an epoch, shape (rows,)."""
        if self._latest is None or self._latest[0] != epoch:
            order = epoch_order(self._rows, self._seeds.integer("order", epoch, bits=63))
            if self._skipped:
                out = torch.isin(order, torch.tensor(self._skipped))
                left = order[~out]
                order[out] = left[torch.arange(int(out.sum())) % len(left)]
            self._latest = (epoch, order)
        return self._latest[1]

    def skip(self, rows: JsonValue) -> None:
        """Leave out more rows.

        Raises:
            ValueError: they are no rows of the training table, or none would be left.
        """
        if not isinstance(rows, list | tuple) or not all(isinstance(r, int) and 0 <= r < self._rows for r in rows):
            raise ValueError(f"skip_rows needs rows of the training table, got {rows!r}")
        skipped = sorted({*self._skipped, *(int(str(row)) for row in rows)})
        if len(skipped) >= self._rows:
            raise ValueError("no row would be left")
        self.take_up(skipped)

    def take_up(self, skipped: list[int]) -> None:
        """Leave out these rows and no others."""
        self._skipped, self._latest = list(skipped), None
