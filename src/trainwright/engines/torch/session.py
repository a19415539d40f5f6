"""One training of a network: its parts, its position, and the blocks of steps it goes forward in."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.capacity import Equivalence
from trainwright.engines._native_errors import training_errors
from trainwright.engines.contract import Job, ModelFacts, Unit
from trainwright.engines.repairs import Loading, OutOfMemory, Repair, Suspicion
from trainwright.engines.torch import automatic, saved, trying
from trainwright.engines.torch.batches import Batch
from trainwright.engines.torch.course import Course, sizes
from trainwright.engines.torch.device import (
    PRECISION_OF,
    autocast_dtype,
    deterministic_algorithms,
    find_device,
    memory_errors,
    pinned_threads,
    private_randomness,
    seed_generators,
)
from trainwright.engines.torch.distributed.team import Team
from trainwright.engines.torch.equivalence import compare, undone
from trainwright.engines.torch.feed import Feed
from trainwright.engines.torch.files import (
    STATE_JSON,
    check_identity,
    on_host,
    read_document,
    write_document,
)
from trainwright.engines.torch.full import Buffers, StepTooLarge, step_too_large
from trainwright.engines.torch.memory import kept_memory
from trainwright.engines.torch.model import write_model
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
        self._epoch = self._step = 0
        self._epoch_seconds = math.nan  # of the epoch that has begun, unless another process began it
        self._feed = Feed(job, parts, recipe, self._findings.append)
        self._course = Course.of(recipe)
        self._latest = (0, range(0))  # epoch and steps of the latest unit
        self._breaks = set[tuple[int, int]]()
        self._buffers = Buffers(self._network)
        self._full: OutOfMemory | None = None  # there was no room for the next step

    @property
    def _steps(self) -> int:
        return self._feed.steps

    # the contract

    def units(self) -> Iterator[Unit]:
        """Train on, a block of steps at a time. Blocks end where they would in an undisturbed training.

        Raises:
            OutOfMemory: a step did not fit; a block ends before it.
        """
        self._full = None
        with kept_memory(self._device):
            while self._epoch < self._job.plan.rounds:
                yield self._unit()
                if self._full is not None:
                    raise self._full

    def predict_part(self, part: Literal["train", "val"]) -> "Floats":
        """Predictions for the job's own rows now."""
        table = self._job.train if part == "train" else self._job.val
        if table is None:
            raise ValueError("this job has no validation rows")
        return self.predict(table.X)

    def predict(self, X: "Matrix", *, rounds: int | None = None) -> "Floats":
        """Predictions from the weights as they are (or their average)."""
        self._only_now(rounds)
        with self._working(), private_randomness(self._device), memory_errors(self._device, predicting=True):
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

    def save_beginning(self, folder: Path) -> None:
        """Write the state that this training began with; by all processes at the same time."""
        fresh = TorchSession(self._job, self._team)
        try:
            fresh.save(folder)
        finally:
            fresh.close()

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
        check_identity(document, saved.identity(self._job, self._problem, self._recipe, self._device), folder)
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
            batch_size=None if self._feed.grid is None else self._feed.grid.step_rows,
            precision=PRECISION_OF[self._stepper.amp],
            pass_rows=None if self._feed.grid is None else self._feed.grid.batch_size,
        )

    def findings(self) -> Sequence[Finding]:
        """What the session decided or fell back to."""
        return tuple(self._findings)

    def apply(self, repair: Repair) -> None:
        """``learning_rate`` multiplies the rate by ``factor``, or has the next unit ``measure`` it; ``clip_norm`` sets
        the longest gradient (``norm``); ``skip_rows`` leaves ``rows`` of the training table out from the next unit on:
        others stand in for them. ``halve_batch`` takes each step of ``step_rows`` rows in batches of ``batch_size``.
        ``num_workers`` threads gather rows."""
        if repair.action == "skip_rows":
            self._feed.order.skip(repair.values.get("rows"))
        elif repair.action == "halve_batch":
            self._feed.divide(*sizes(repair, "batch_size", "step_rows"))
        elif repair.action == "num_workers":
            self._feed.gather_by(*sizes(repair, "num_workers"))
        else:
            self._course.change(repair)
            self._set_precision()

    def suspects(self) -> Suspicion:
        """See `trainwright.engines.repairs.Suspects`; by all processes at the same time, each looking at all rows."""
        epoch, steps = self._latest
        with self._working(), private_randomness(self._device), memory_errors(self._device):
            named = self._feed.named(epoch, steps)
            state = (self._team.strategy.whole(t) for t in self._network.state_dict().values())
            found = suspicion(self._network, self._parts.judged, named, state)
            rounded = self._stepper.amp is not None and not found.rows and not found.spoiled
            return replace(found, only_rounded=rounded)

    def loading(self) -> Loading:
        """See `trainwright.engines.repairs.Loads`."""
        return replace(self._feed.loading(), processes=self._team.size)

    def break_at(self, rounds: int, step: int) -> None:
        """See `trainwright.engines.repairs.Halves`."""
        self._breaks.add((rounds, step))

    def compare_batches(self) -> Equivalence:
        """See `trainwright.engines.repairs.Halves`."""
        with self._working(), memory_errors(self._device):
            assert self._feed.grid is not None
            rows, cut = self._feed.cut(self._epoch, self._step, 2 * self._feed.grid.batch_size)
            return compare(self._parts, cut, rows, seed=self._job.seeds.integer("compare batches"))

    def close(self) -> None:
        """End the workers and let go of the data."""
        self._feed.close()

    def time_steps(self, steps: int) -> None:
        """Take steps as a training would and count none of them: for measuring before a training. The weights move."""
        with self._working(), private_randomness(self._device):
            self._course.lr = self._course.lr or 1e-6
            self._decide()
            self._network.train()
            tally = Tally()
            for step in self._feed.batches(0, range(min(steps, self._steps))):
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
        if self._feed.grid is None:
            size, finding = automatic.batch_size(
                self._job.train.rows, self._device, partial(trying.probe, self._parts, self._job.train, self._recipe)
            )
            self._feed.divide(self._team.least(size))
            self._findings.append(finding)
        self._feed.placed()
        if self._course.lr is None:
            found, finding = trying.range_test(
                self._parts,
                self._recipe,
                self._job.seeds,
                lambda epoch: self._feed.batches(epoch, range(self._steps)),
                clip_norm=self._course.clip_norm,
            )
            self._course.lr = self._team.leaders(lambda: found)
            self._findings.append(finding)

    def _run_block(self) -> tuple[dict[str, float], Mapping[str, Mapping[str, float]], tuple[float, ...]]:
        tally, said = Tally(), ""
        began, waited, rate = time.perf_counter(), 0.0, 0.0
        try:
            self._decide()
            began = time.perf_counter()
            for waited, rate in self._steps_of_block(tally):  # noqa: B007  # the latest are used
                pass
        except StepTooLarge as error:
            said = str(error)
        if said:  # only here are the error, and the tensors it held, gone
            assert self._feed.grid is not None
            self._full = undone(self._parts, self._feed.grid, said)
            if not tally.steps or self._team.size > 1:  # the others wait in the step
                raise self._full
        seconds = time.perf_counter() - began
        values = {**tally.read(), "learning_rate": rate, **tally.pace(seconds), "data_wait_share": waited / seconds}
        self._epoch_seconds += seconds
        if self._step == self._steps and math.isfinite(self._epoch_seconds):
            values["epoch_seconds"] = self._epoch_seconds
        if self._stepper.scaler is not None:
            values["loss_scale"] = self._stepper.scaler.get_scale()
        values |= self._usage.read()
        return values, self._parts.layers.read(), tally.each()

    def _steps_of_block(self, tally: Tally) -> Iterator[tuple[float, float]]:
        """Take the steps of a block; after each the seconds waited for data so far, and its learning rate."""
        waited = 0.0
        if not self._step:
            self._epoch_seconds = 0.0
        self._network.train()
        first, last = self._step, self._block_end()
        batches = self._feed.batches(self._epoch, range(first, last))
        while self._step < last:
            asked = time.perf_counter()
            self._latest = (self._epoch, range(first, self._step + 1))
            self._buffers.keep()
            rate = self._rate()
            try:
                with step_too_large():
                    step = next(batches)
                waited += time.perf_counter() - asked
                taken = self._take(step, tally, rate)
            except StepTooLarge:
                self._buffers.put_back()
                raise
            self._step += 1
            yield waited, rate
            if not taken:
                self._latest = (self._epoch, range(self._step - 1, self._step))
                return

    def _block_end(self) -> int:
        """The step before which the block ends: where it always does, or where an earlier training was repaired."""
        unit = self._feed.unit_steps
        end = min((self._step // unit + 1) * unit, self._steps)
        breaks = (step for epoch, step in self._breaks if epoch == self._epoch)
        return min((step for step in breaks if self._step < step < end), default=end)

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
            "identity": saved.identity(self._job, self._problem, self._recipe, self._device),
            "epoch": self._epoch,
            "step": self._step,
            "batch_size": None if self._feed.grid is None else self._feed.grid.batch_size,
            "step_rows": None if self._feed.grid is None else self._feed.grid.step_rows,
            "skipped": [*self._feed.order.skipped],
            "num_workers": self._feed.workers,
            **self._course.to_json(),
            **beside,
            "randomness": "order, augmentation and dropout are functions of (seed, epoch, step, row): nothing to save",
        }

    def _take_up(
        self, document: Mapping[str, Any], weights: dict[str, Stored], tensors: dict[str, Stored], folder: Path
    ) -> None:
        epoch, step, size = int(document["epoch"]), int(document["step"]), document["batch_size"]
        if size is not None:
            self._feed.divide(int(size), document.get("step_rows"))
        if not 0 <= epoch <= self._job.plan.rounds or (step and not 0 <= step < self._steps):
            raise ValueError(f"position {epoch}, {step}")
        self._course.take_up(document)
        self._set_precision()
        saved.take_up(self._parts, document, weights, tensors, folder)
        self._feed.order.take_up([int(row) for row in document.get("skipped", [])])
        self._feed.gather_by(document.get("num_workers"))
        self._epoch, self._step, self._epoch_seconds = epoch, step, math.nan

    # small things

    def _set_precision(self) -> None:
        amp = autocast_dtype(self._course.precision, self._device, self._problem.inputs.kind)
        if amp is not self._stepper.amp:
            self._stepper.set_precision(amp)

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
