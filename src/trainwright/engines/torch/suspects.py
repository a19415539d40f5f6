"""Rows that break a step, found one by one: by their own input, and by their own loss under the present weights."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.engines.repairs import Suspicion
from trainwright.engines.torch.batches import Batch
from trainwright.engines.torch.losses import RowLosses

_EXTREME = 1e6
"""Times the median size of its batch: an input so large, or a loss, is no outlier but a mistake (assumption). Its
square leaves half precision, and its sixth power the range of float32."""


def suspicion(
    network: nn.Module, losses: RowLosses, batches: Iterable[tuple[Batch, Tensor]], state: Iterable[Tensor]
) -> Suspicion:
    """Who broke the latest unit: rows of these batches (with their numbers), or the network's own numbers, its
    ``state``, of which every one is looked at: where they lie in shares, all processes put each together."""
    finite = [bool(torch.isfinite(t).all()) for t in state if t.is_floating_point()]
    spoiled = not all(finite)
    found: list[int] = []
    examined, by_loss = 0, False
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            for batch, rows in batches:
                examined += batch.rows
                bad = _extreme(_sizes(batch.x))
                if not spoiled:
                    lost = _extreme(losses(network(batch.x), batch.y).abs())
                    by_loss |= bool((lost & ~bad).any())
                    bad |= lost
                found += rows[bad.to(rows.device)].tolist()
    finally:
        network.train(training)
    return Suspicion(rows=tuple(sorted(set(found))), examined=examined, spoiled=spoiled, by_loss=by_loss)


def _sizes(x: Any) -> Tensor:
    """The largest absolute input of each row; zero for tokens, which cannot be extreme."""
    if not x.is_floating_point():
        return torch.zeros(len(x))
    return torch.nan_to_num(x.flatten(1).abs().float(), nan=torch.inf).amax(1)


def _extreme(sizes: Tensor) -> Tensor:
    finite = sizes[torch.isfinite(sizes)]
    usual = finite.median() if len(finite) else torch.tensor(0.0, device=sizes.device)
    return ~torch.isfinite(sizes) | ((sizes > _EXTREME * usual) & (sizes > _EXTREME))
