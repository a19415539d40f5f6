"""Steps that are tried and taken back, for what ``auto`` leaves to the first rows."""

from collections.abc import Callable, Iterator

import torch

from trainwright.core.findings import Finding
from trainwright.core.seeds import Seeds
from trainwright.engines.contract import Table
from trainwright.engines.torch import automatic, placement
from trainwright.engines.torch.batches import Batch
from trainwright.engines.torch.device import seed_generators
from trainwright.engines.torch.optimizers import Optimizers
from trainwright.engines.torch.parts import Parts
from trainwright.engines.torch.recipe import Recipe
from trainwright.engines.torch.step import Stepper, Tally


def probe(parts: Parts, table: Table, recipe: Recipe, rows: int) -> None:
    """A forward and backward pass over that many rows; the weights stay."""
    source, _ = placement.place(table, parts.problem, parts.device, recipe)
    try:
        order = torch.arange(rows) % table.rows
        for batch in source.batches(order, [(0, rows)], epoch_seed=0):
            parts.network.train()
            parts.stepper.loss(batch, batch.count).backward()  # type: ignore[no-untyped-call]
    finally:
        parts.optimizers.zero_grad()
        source.close()


def range_test(
    parts: Parts,
    recipe: Recipe,
    seeds: Seeds,
    epoch_of: Callable[[int], Iterator[list[Batch]]],
    *,
    clip_norm: float | None,
) -> tuple[float, Finding]:
    """Try rising rates on the first steps, then put everything back; ``epoch_of(epoch)`` are an epoch's steps. A rate
    that the recipe has is one that a repair is to replace."""
    network = parts.network
    before = {name: t.clone() for name, t in network.state_dict().items()}
    optimizers = Optimizers(network, recipe.optimizer, parts.device)
    stepper = Stepper(
        parts.forward, parts.losses, optimizers, device=parts.device, amp=None, average=None, team=parts.team
    )
    network.train()

    def steps() -> Iterator[list[Batch]]:
        epoch = 0
        while True:
            yield from epoch_of(epoch)
            epoch += 1

    def loss_after(step: list[Batch], number: int, rate: float) -> float:
        seed_generators(parts.device, seeds.integer("range test", number))
        tally = Tally()
        stepper.step(step, tally, rate=rate, clip_norm=clip_norm, done=number)
        return tally.read()["loss"]

    written = None if recipe.optimizer.lr == "auto" else recipe.optimizer.lr
    try:
        return automatic.learning_rate(recipe.optimizer.name, steps(), loss_after, written=written)
    finally:
        network.load_state_dict(before)
        optimizers.zero_grad()
