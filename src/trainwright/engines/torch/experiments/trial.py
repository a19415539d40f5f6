"""A fresh network and a few training rows to try it on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from trainwright.engines.contract import Experiment, Job, Table
from trainwright.engines.torch import placement
from trainwright.engines.torch.batches import Batch
from trainwright.engines.torch.building import build_network
from trainwright.engines.torch.device import seed_generators
from trainwright.engines.torch.losses import RowLosses, row_losses
from trainwright.engines.torch.problem import Problem, problem_of
from trainwright.engines.torch.recipe import Recipe, recipe_from

ROWS = 64
_ROWS_WORK = 5e9  # operations of one step; 64 rows of a usual network for tables, 4 of a language model
FEWEST_ROWS = 4
BATCHES = 4  # residual branches that start at zero get gradients from the second step on


@dataclass(slots=True)
class Gradients:
    """The largest gradient of each trainable parameter; ``without``: those that got none; ``broken``: the batch in
    which one was first not finite."""

    largest: dict[str, float] = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    broken: dict[str, int] = field(default_factory=dict)


class Trial:
    """What the experiments share. They leave the network as they found it.

    ``row_work`` is the number of operations of a forward and backward pass over one row; ``table`` has at most
    `BATCHES` batches of ``rows`` rows, ``most`` at most.
    """

    def __init__(self, job: Job, device: torch.device, most: int = ROWS) -> None:
        values = job.plan.options.get("recipe", {})
        assert isinstance(values, Mapping)
        self.job, self.device = job, device
        self.recipe: Recipe = recipe_from(values)
        self.problem: Problem = problem_of(job, self.recipe)
        self.losses: RowLosses = row_losses(self.problem, self.recipe, smoothing=False)
        self.seeds = job.seeds.child("sanity")
        self.network: nn.Module = build_network(job, self.problem).to(device)
        size = sum(p.numel() for p in self.network.parameters())
        self.row_work = 6.0 * max(1, size) * self.problem.positions
        wanted = int(min(ROWS, max(FEWEST_ROWS, _ROWS_WORK / self.row_work)))
        self.rows = min(job.train.rows, wanted, most)
        self.table = _few(job.train, self.rows * BATCHES, self.seeds.generator("rows"))
        self.source, _ = placement.place(self.table, self.problem, device, self.recipe)
        self.batch = next(iter(self.batches(1)))
        self.gradients: Gradients | None = None  # looked at once, for three experiments

    def batches(self, count: int) -> Iterator[Batch]:
        """Batches of the trial's rows, around and around."""
        order = torch.arange(self.rows * count) % self.table.rows
        spans = [(i * self.rows, (i + 1) * self.rows) for i in range(count)]
        return self.source.batches(order, spans, epoch_seed=0)

    def scores(self, x: Tensor, *, train: bool = False) -> Tensor:
        """Scores without gradients; in training mode with the same dropout noise each time."""
        self.network.train(train)
        with torch.no_grad(), self.buffers_kept():
            seed_generators(self.device, self.seeds.integer("noise"))
            return self.forward(x).detach().float()

    def forward(self, x: Tensor, network: nn.Module | None = None) -> Tensor:
        """Scores with their graph, in the mode the network is in.

        Raises:
            TypeError: the network gives something else than a tensor.
        """
        scores = (network or self.network)(x)
        if not isinstance(scores, Tensor):
            raise TypeError(f"forward gave a {type(scores).__name__}, and one tensor of scores is needed")
        return scores

    def loss(self, batch: Batch, network: nn.Module | None = None) -> Tensor:
        """The mean loss of a batch."""
        return self.losses(self.forward(batch.x, network), batch.y).sum() / batch.rows

    @contextmanager
    def buffers_kept(self) -> Iterator[None]:
        """Batch norm's running statistics are put back."""
        before = {name: b.clone() for name, b in self.network.named_buffers()}
        try:
            yield
        finally:
            for name, b in self.network.named_buffers():
                b.copy_(before[name])


@contextmanager
def open_trial(job: Job, device: torch.device, most: int = ROWS) -> Iterator[Trial]:
    """A trial whose workers end with it, on ``most`` rows at a time.

    Raises:
        SpecError: no network can be built from the spec.
    """
    trial = Trial(job, device, most)
    try:
        yield trial
    finally:
        trial.source.close()


def passed(name: str, saw: str) -> Experiment:
    """All is well."""
    return Experiment(name=name, passed=True, saw=saw)


def failed(name: str, saw: str, what: str, fix: str, *, may_be_meant: bool = True) -> Experiment:
    """Something is wrong that training cannot mend. Where it ``may_be_meant``, the way around is named."""
    fix = f"{fix}. Where this is meant to be, write checks: {{{name}: false}}" if may_be_meant else fix
    return Experiment(name=name, passed=False, saw=saw, what=what, fix=fix)


def not_made(name: str, why: str) -> Experiment:
    """It could not be made, and nothing is known."""
    return Experiment(name=name, passed=None, saw=why)


def _few(table: Table, rows: int, draw: np.random.Generator) -> Table:
    picked = np.sort(draw.choice(table.rows, min(rows, table.rows), replace=False))
    return Table(X=table.X[picked], y=table.y[picked], weight=None)
