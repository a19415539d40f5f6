"""One training of a network: its parts, its position, and the blocks of steps it goes forward in."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue
from trainwright.engines._native_errors import training_errors
from trainwright.engines._native_files import identity_of
from trainwright.engines.contract import Job, ModelFacts, Repair, Suspicion, Unit
from trainwright.engines.torch import automatic, placement, saved, trying
from trainwright.engines.torch.batches import Batch, Grid, Source
from trainwright.engines.torch.course import Course
from trainwright.engines.torch.device import (
    deterministic_algorithms,
    find_device,
    memory_errors,
    pinned_threads,
    private_randomness,
    seed_generators,
)
from trainwright.engines.torch.distributed.team import Team
from trainwright.engines.torch.files import (
    STATE_JSON,
    check_identity,
    on_host,
    read_document,
    write_document,
)
from trainwright.engines.torch.memory import kept_memory
from trainwright.engines.torch.model import write_model
from trainwright.engines.torch.order import Order
from trainwright.engines.torch.parts import build_parts
from trainwright.engines.torch.predictions import block_rows
from trainwright.engines.torch.problem import problem_of, scaled_target
from trainwright.engines.torch.recipe import recipe_from
from trainwright.engines.torch.step import Tally
from trainwright.engines.torch.stored import Stored, stored_groups
from trainwright.engines.torch.suspects import suspicion
from trainwright.engines.torch.usage import Usage

if TYPE_CHECKING:
    from trainwright.engines.contract import Floats, Matrix

_NO_EFFECT = ("num_workers", "data_on", "statistics_every", "checkpoint_steps")
"""Choices of the recipe that change no bit of the result, so a training may go on with others."""


class TorchSession:
    """See `trainwright.engines.contract.Session`. A position is (whole epochs, steps in the epoch that has begun)."""

    keeps_every_round = False
    keeps_predictions = False

    def __init__(self, job: Job, team: Team | None = None) -> None:
        values = job.plan.options.get("recipe", {})
        if not isinstance(values, Mapping):
            raise SpecError("the plan's recipe is no mapping")
        self._job = job
        self._team = team = team or Team()
        self._recipe = recipe = recipe_from(values)
        self._device = device = find_device(job.device)
        self._findings: list[Finding] = []
        problem = problem_of(job, recipe)
        if recipe.scheduler.name == "plateau" and job.val is None:
            raise SpecError("scheduler plateau needs validation rows. Use cosine, or give data.val_path.")
        with self._working():
            parts = build_parts(job, problem, recipe, device, team, self._findings.append)
        self._parts, self._problem = parts, problem
        self._network, self._stepper, self._optimizers = parts.network, parts.stepper, parts.optimizers
        self._evaluator = parts.evaluator
        self._usage = Usage(device)
        self._findings += self._usage.findings()
        self._source: Source | None = None
        self._epoch = self._step = 0
        self._epoch_seconds = math.nan  # of the epoch that has begun, unless another process began it
        self._order = Order(job.train.rows, job.seeds)
        self._course = Course.of(recipe)
        self._latest = (0, range(0))  # epoch and steps of the latest unit
        self._grid: Grid | None = None
        self._steps = self._unit_steps = 1
        if recipe.batch_size != "auto":
            self._set_grid(recipe.batch_size)

    # the contract

    def units(self) -> Iterator[Unit]:
        """Train on, a block of steps at a time. Blocks end where they would in an undisturbed training."""
        with kept_memory(self._device):
            while self._epoch < self._job.plan.rounds:
                yield self._unit()

    def predict_part(self, part: Literal["train", "val"]) -> "Floats":
        """Predictions for the job's own rows now."""
        table = self._job.train if part == "train" else self._job.val
        if table is None:
            raise ValueError("this job has no validation rows")
        return self.predict(table.X)

    def predict(self, X: "Matrix", *, rounds: int | None = None) -> "Floats":
        """Predictions from the weights as they are (or their average)."""
        self._only_now(rounds)
        with self._working(), private_randomness(self._device), memory_errors(self._device):
            return self._evaluator.predict(X, self._averaged())

    def save(self, folder: Path) -> None:
        """Write ``state.json`` and the files of ``weights`` and ``training``; by all processes at the same time.

        Raises:
            OSError: a process could not write.
        """
        groups, state = self._state()
        files, index = self._team.strategy.write(folder, groups)
        if not self._team.rank:
            write_document(folder, STATE_JSON, {**state, "shares": index}, files)

    def state_bytes(self) -> int:
        """See `trainwright.engines.contract.Snapshots`: the weights, and as much again for each of two moments."""
        average = self._stepper.average is not None
        return (3 + average) * sum(p.numel() * p.element_size() for p in self._network.parameters())

    def snapshot(self) -> Callable[[Path], None]:
        """See `trainwright.engines.contract.Snapshots`; of a training by one process."""
        groups, state = self._state()
        held = {name: on_host(tensors) for name, tensors in groups.items()}

        def write(folder: Path) -> None:
            files, index = self._team.strategy.write(folder, held)
            write_document(folder, STATE_JSON, {**state, "shares": index}, files)

        return write

    def restore(self, folder: Path) -> None:
        """Take up a saved state."""
        document = read_document(folder, STATE_JSON)
        check_identity(document, self._identity(), folder)
        try:
            weights, tensors = stored_groups(folder, document["shares"], ("weights", "training"))
            self._take_up(document, weights, tensors, folder)
        except (KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
            raise ArtifactRefused(f"{folder / STATE_JSON} holds no state of this training: {error!r}") from error

    def gather(self) -> None:
        """Let rank 0 predict with the weights as they are now; by all processes at the same time."""
        self._team.strategy.gather(self._network, self._parts.best_known())

    def export(self, folder: Path, *, rounds: int | None = None) -> None:
        """Write ``model.safetensors`` and ``model.json``."""
        self._only_now(rounds)
        averaged = self._averaged() or {}
        weights = {name: averaged.get(name, t) for name, t in self._parts.predictor.state_dict().items()}
        facts: dict[str, JsonValue] = {
            "version": f"torch {torch.__version__}",
            "params": self._job.plan.params,
            "recipe": self._recipe.to_json(),
            "threads": self._job.threads,
            "block": block_rows(self._problem, self._parts.num_parameters, "cpu"),
            "epochs": self._epoch,
            "steps_in_epoch": self._step,
            "num_parameters": self._parts.num_parameters,
        }
        write_model(folder, weights, self._problem, facts, network=self._job.plan.estimator)

    def facts(self, *, rounds: int | None = None) -> ModelFacts:
        """Sizes and the main choices."""
        self._only_now(rounds)
        return ModelFacts(
            num_parameters=self._parts.num_parameters,
            parameters_kind="weights and biases",
            optimizer=self._recipe.optimizer.name,
            learning_rate=None if self._course.lr is None else self._course.lr * self._course.repaired,
            batch_size=None if self._grid is None else self._grid.batch_size * self._grid.accumulate,
        )

    def findings(self) -> Sequence[Finding]:
        """What the session decided or fell back to."""
        return tuple(self._findings)

    def apply(self, repair: Repair) -> None:
        """``learning_rate`` multiplies the rate by ``factor``, or has the next unit ``measure`` it; ``clip_norm`` sets
        the longest gradient (``norm``); ``skip_rows`` leaves ``rows`` of the training table out from the next unit on:
        others stand in for them."""
        if repair.action == "skip_rows":
            self._order.skip(repair.values.get("rows"))
        else:
            self._course.change(repair)

    def suspects(self) -> Suspicion:
        """See `trainwright.engines.contract.Suspects`."""
        epoch, steps = self._latest
        with self._working(), private_randomness(self._device), memory_errors(self._device):
            assert self._grid is not None
            spans = [span for step in steps for span in self._grid.batches(step)]
            batches = (batch for step in self._batches(epoch, steps) for batch in step)
            order = self._order.of(epoch)
            named = ((batch, order[a:b]) for batch, (a, b) in zip(batches, spans, strict=True))
            return suspicion(self._network, self._parts.judged, named, self._network.state_dict())

    def close(self) -> None:
        """End the workers and let go of the data."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def time_steps(self, steps: int) -> None:
        """Take steps as a training would and count none of them: for measuring before a training. The weights move."""
        with self._working(), private_randomness(self._device):
            self._course.lr = self._course.lr or 1e-6
            self._decide()
            assert self._grid is not None
            self._network.train()
            tally = Tally()
            for step in self._batches(0, range(min(steps, self._steps))):
                self._stepper.step(step, tally, rate=1e-6, clip_norm=self._course.clip_norm, done=0)

    # going forward

    def _unit(self) -> Unit:
        began = time.perf_counter()
        with (
            training_errors("PyTorch", RuntimeError, ValueError, TypeError, IndexError),
            self._working(),
            private_randomness(self._device),
            memory_errors(self._device),
        ):
            self._decide()
            values, statistics, losses = self._run_block()
            whole = self._step == self._steps
            if whole:
                self._end_epoch(values)
        return Unit(
            rounds=self._epoch,
            seconds=time.perf_counter() - began,
            values=values,
            whole=whole,
            step=self._step,
            statistics=statistics,
            steps=self._epoch * self._steps + self._step,
            step_losses=losses,
        )

    def _decide(self) -> None:
        """What ``auto`` leaves to the first rows; done once, before the first step."""
        if self._grid is None:
            size, finding = automatic.batch_size(
                self._job.train.rows, self._device, partial(trying.probe, self._parts, self._job.train, self._recipe)
            )
            self._set_grid(self._team.least(size))
            self._findings.append(finding)
        if self._source is None:
            self._source, finding = placement.place(self._job.train, self._problem, self._device, self._recipe)
            self._findings.append(finding)
        if self._course.lr is None:
            found, finding = trying.range_test(
                self._parts,
                self._recipe,
                self._job.seeds,
                lambda epoch: self._batches(epoch, range(self._steps)),
                clip_norm=self._course.clip_norm,
            )
            self._course.lr = self._team.leaders(lambda: found)
            self._findings.append(finding)

    def _run_block(self) -> tuple[dict[str, float], Mapping[str, Mapping[str, float]], tuple[float, ...]]:
        assert self._grid is not None
        tally, began, waited = Tally(), time.perf_counter(), 0.0
        if not self._step:
            self._epoch_seconds = 0.0
        self._network.train()
        last = min((self._step // self._unit_steps + 1) * self._unit_steps, self._steps)
        batches = self._batches(self._epoch, range(self._step, last))
        self._latest = (self._epoch, range(self._step, last))
        rate = 0.0
        while self._step < last:
            asked = time.perf_counter()
            step = next(batches)
            waited += time.perf_counter() - asked
            rate = self._rate()
            taken = self._take(step, tally, rate)
            self._step += 1
            if not taken:
                batches.close()
                self._latest = (self._epoch, range(self._step - 1, self._step))
                break
        values = tally.read()
        seconds = time.perf_counter() - began
        values["learning_rate"] = rate
        values["samples_per_second"] = tally.rows / seconds
        values["step_seconds"] = seconds / tally.steps
        values["data_wait_share"] = waited / seconds
        self._epoch_seconds += seconds
        if self._step == self._steps and math.isfinite(self._epoch_seconds):
            values["epoch_seconds"] = self._epoch_seconds
        values |= self._usage.read()
        return values, self._parts.layers.read(), tally.each()

    def _take(self, step: list[Batch], tally: Tally, rate: float) -> bool:
        """One step, with its own dropout noise; now and then with a look at the layers."""
        done = self._epoch * self._steps + self._step
        rank = (self._team.rank,) if self._team.rank else ()
        seed_generators(self._device, self._job.seeds.integer("noise", self._epoch, self._step, *rank))
        every = self._recipe.statistics_every
        if not every or done % every:
            return self._stepper.step(step, tally, rate=rate, clip_norm=self._course.clip_norm, done=done)
        with self._parts.layers.watched():
            return self._stepper.step(step, tally, rate=rate, clip_norm=self._course.clip_norm, done=done)

    def _batches(self, epoch: int, steps: range) -> Any:
        """The batches of each step of an epoch: this rank's part."""
        assert self._grid is not None
        assert self._source is not None
        order = self._order.of(epoch)
        spans = [self._grid.batches(step) for step in steps]
        seed = self._job.seeds.integer("augment", epoch)
        all_spans = [s for step in spans for s in step]
        flat = self._team.batches(self._source, order, all_spans, epoch_seed=seed)
        for step in spans:
            yield [next(flat) for _ in step]

    def _rate(self) -> float:
        done = self._epoch * self._steps + self._step
        return self._course.rate(self._recipe.scheduler, done, self._steps * self._job.plan.rounds)

    def _end_epoch(self, values: dict[str, float]) -> None:
        self._epoch, self._step = self._epoch + 1, 0
        if self._recipe.scheduler.name == "plateau":
            self.gather()
            values["val_loss"] = self._team.leaders(self._val_loss)
            self._course.plateau.see(values["val_loss"], self._recipe.scheduler)

    def _val_loss(self) -> float:
        val = self._job.val
        assert val is not None
        weight = None if val.weight is None else torch.from_numpy(val.weight)
        y = torch.empty(0) if self._problem.goal == "language" else scaled_target(val.y, self._problem)
        return self._evaluator.mean_loss(val.X, y, weight, self._parts.judged, self._averaged())

    # state

    def _state(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, JsonValue]]:
        """Everything that is saved: tensors in groups, and the numbers beside them."""
        groups, beside = saved.saved(self._parts)
        return groups, {
            "identity": self._identity(),
            "epoch": self._epoch,
            "step": self._step,
            "batch_size": None if self._grid is None else self._grid.batch_size,
            "skipped": [*self._order.skipped],
            **self._course.to_json(),
            **beside,
            "randomness": "order, augmentation and dropout are functions of (seed, epoch, step, row): nothing to save",
        }

    def _take_up(
        self, document: Mapping[str, Any], weights: dict[str, Stored], tensors: dict[str, Stored], folder: Path
    ) -> None:
        epoch, step, size = int(document["epoch"]), int(document["step"]), document["batch_size"]
        if size is not None:
            self._set_grid(int(size))
        if not 0 <= epoch <= self._job.plan.rounds or (step and not 0 <= step < self._steps):
            raise ValueError(f"position {epoch}, {step}")
        saved.take_up(self._parts, document, weights, tensors, folder)
        self._course.take_up(document)
        self._order.take_up([int(row) for row in document.get("skipped", [])])
        self._epoch, self._step, self._epoch_seconds = epoch, step, math.nan

    def _identity(self) -> dict[str, JsonValue]:
        recipe = {k: v for k, v in self._recipe.to_json().items() if k not in _NO_EFFECT}
        return {
            **identity_of(self._job, version=f"torch {torch.__version__}"),
            "network": self._job.plan.estimator,
            "problem": self._problem.to_json(),
            "recipe": recipe,
            "device": self._device.type,
        }

    # small things

    def _set_grid(self, batch_size: int) -> None:
        self._grid = Grid(self._job.train.rows, batch_size, self._recipe.accumulate)
        self._steps = self._grid.steps
        self._unit_steps = self._recipe.checkpoint_steps or automatic.unit_steps(
            self._problem, self._parts.num_parameters, batch_size * self._recipe.accumulate, self._device.type
        )

    def _averaged(self) -> Mapping[str, Tensor] | None:
        """Weights to predict with where the predictor holds others."""
        return self._team.strategy.shown(self._parts.best_known())

    def _only_now(self, rounds: int | None) -> None:
        if rounds is not None and rounds != self._epoch:
            raise ValueError(f"only the present weights are kept (epoch {self._epoch}), epoch {rounds} is asked for")

    @contextmanager
    def _working(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(pinned_threads(self._job.threads))
            stack.enter_context(deterministic_algorithms(self._device, self._recipe.deterministic))
            yield
