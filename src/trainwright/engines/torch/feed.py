"""The rows of a training, step by step: in which order, in passes of how many, from where."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from torch import Tensor

from trainwright.core.findings import Finding
from trainwright.engines.contract import Job
from trainwright.engines.repairs import Loading
from trainwright.engines.torch import automatic, placement
from trainwright.engines.torch.batches import Batch, Grid, Source, StreamedRows
from trainwright.engines.torch.order import Order
from trainwright.engines.torch.parts import Parts
from trainwright.engines.torch.recipe import Recipe


class Feed:
    """``grid`` is None until a batch size of ``auto`` is decided, ``source`` until the first step; ``unit_steps`` steps
    make a unit. ``say`` hears where the rows are put."""

    def __init__(self, job: Job, parts: Parts, recipe: Recipe, say: Callable[[Finding], None]) -> None:
        self._job, self._parts, self._recipe, self._say = job, parts, recipe, say
        self.order = Order(job.train.rows, job.seeds)
        self.source: Source | None = None
        self.grid: Grid | None = None
        self.unit_steps = 1
        self.workers: int | None = None  # what a repair made of the recipe's
        if recipe.batch_size != "auto":
            self.divide(recipe.batch_size)

    @property
    def steps(self) -> int:
        """Steps in an epoch; one before the batch size is known."""
        return 1 if self.grid is None else self.grid.steps

    def divide(self, batch_size: int, step_rows: int | None = None) -> None:
        """Passes of ``batch_size`` rows, steps of ``step_rows`` (default: as many passes as the recipe accumulates)."""
        step_rows = step_rows or batch_size * self._recipe.accumulate
        self.grid = Grid(self._job.train.rows, batch_size, step_rows)
        self.unit_steps = self._recipe.checkpoint_steps or automatic.unit_steps(
            self._parts.problem, self._parts.num_parameters, step_rows, self._parts.device.type
        )

    def placed(self) -> Source:
        """The rows, put where they stay."""
        if self.source is None:
            parts = self._parts
            recipe = self._recipe if self.workers is None else replace(self._recipe, num_workers=self.workers)
            self.source, finding = placement.place(self._job.train, parts.problem, parts.device, recipe)
            self._say(finding)
        return self.source

    def gather_by(self, workers: int | None) -> None:
        """Gather rows by so many threads from the next unit on; the batches stay the same bit for bit."""
        if workers != self.workers:
            self.close()
            self.workers = workers

    def loading(self) -> Loading:
        """How rows come to the device."""
        workers = self._recipe.num_workers if self.workers is None else self.workers
        return Loading(streamed=isinstance(self.source, StreamedRows), workers=workers)

    def batches(self, epoch: int, steps: range) -> Iterator[list[Batch]]:
        """The passes of each step of an epoch: this process's part of them."""
        assert self.grid is not None
        spans = [self.grid.batches(step) for step in steps]
        flat = self._parts.team.batches(
            self.placed(), self.order.of(epoch), [s for step in spans for s in step], epoch_seed=self._augment(epoch)
        )
        for step in spans:
            yield [next(flat) for _ in step]

    def named(self, epoch: int, steps: range) -> Iterator[tuple[Batch, Tensor]]:
        """The passes of these steps over the rows of all processes, each with the numbers of its rows."""
        assert self.grid is not None
        order = self.order.of(epoch)
        spans = [span for step in steps for span in self.grid.batches(step)]
        batches = self.placed().batches(order, spans, epoch_seed=self._augment(epoch))
        for batch, (a, b) in zip(batches, spans, strict=True):
            yield batch, order[a:b]

    def cut(self, epoch: int, step: int, most: int) -> tuple[int, Callable[[Sequence[tuple[int, int]]], list[Batch]]]:
        """The first rows of a step, ``most`` at most: how many, and what cuts them into passes."""
        assert self.grid is not None
        spans, order = self.grid.batches(step), self.order.of(epoch)
        first = spans[0][0]
        took = min(most, spans[-1][1] - first)
        source, rows, seed = self.placed(), order[first : first + took], self._augment(epoch)
        return took, lambda cuts: list(source.batches(rows, cuts, epoch_seed=seed))

    def close(self) -> None:
        """End the workers and let go of the rows."""
        if self.source is not None:
            self.source.close()
            self.source = None

    def _augment(self, epoch: int) -> int:
        return self._job.seeds.integer("augment", epoch)
