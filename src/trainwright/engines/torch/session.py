"""One training of a network: its parts, its position, and the blocks of steps it goes forward in."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
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
from trainwright.engines.torch import automatic, placement, schedules
from trainwright.engines.torch.batches import Batch, Grid, Source, epoch_order
from trainwright.engines.torch.building import build_network, save_activations
from trainwright.engines.torch.compiling import Compiled
from trainwright.engines.torch.device import (
    autocast_dtype,
    deterministic_algorithms,
    find_device,
    memory_errors,
    pinned_threads,
    private_randomness,
    seed_generators,
)
from trainwright.engines.torch.distributed.team import Team, local_batch_norm
from trainwright.engines.torch.files import (
    STATE_JSON,
    check_identity,
    load_weights,
    on_host,
    read_document,
    write_document,
)
from trainwright.engines.torch.losses import row_losses
from trainwright.engines.torch.memory import kept_memory
from trainwright.engines.torch.model import write_model
from trainwright.engines.torch.optimizers import Optimizers
from trainwright.engines.torch.predictions import Evaluator, block_rows
from trainwright.engines.torch.problem import problem_of, scaled_target
from trainwright.engines.torch.recipe import recipe_from
from trainwright.engines.torch.statistics import Layers
from trainwright.engines.torch.step import Average, Stepper, Tally
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
        self._problem = problem_of(job, recipe)
        self._losses = row_losses(self._problem, recipe)
        self._judged = row_losses(self._problem, recipe, smoothing=False)
        amp = autocast_dtype(recipe.precision, device, self._problem.inputs.kind)
        if recipe.scheduler.name == "plateau" and job.val is None:
            raise SpecError("scheduler plateau needs validation rows. Use cosine, or give data.val_path.")
        with self._working():
            network = build_network(job, self._problem, self._findings.append)
            if recipe.channels_last and self._problem.inputs.kind == "image":
                network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self._network = network = network.to(device)
            self._num_parameters = sum(p.numel() for p in network.parameters())
            self._block = block_rows(self._problem, self._num_parameters, device.type)
            self._predictor = team.strategy.predictor(network)
            self._evaluator = Evaluator(self._predictor, self._problem, device, block=self._block)
            if recipe.activation_checkpointing:
                self._findings.append(automatic.checkpointed(save_activations(network)))
            steady = recipe.accumulate == 1 and not recipe.activation_checkpointing
            forward: Any = team.strategy.wrapped(network, steady=steady)
            self._forward = forward = Compiled(forward, self._findings.append) if recipe.compile else forward
            self._findings += local_batch_norm(network, team)
            average = None if recipe.ema is None else Average(dict(network.named_parameters()), recipe.ema)
            self._optimizers = Optimizers(network, recipe.optimizer, device)
            self._stepper = Stepper(
                forward, self._losses, self._optimizers, device=device, amp=amp, average=average, team=team
            )
            self._layers = Layers(network, saturation=not recipe.compile, whole=team.strategy.whole)
        self._usage = Usage(device)
        self._findings += self._usage.findings()
        self._source: Source | None = None
        self._epoch = self._step = 0
        self._epoch_seconds = math.nan  # of the epoch that has begun, unless another process began it
        self._order: tuple[int, Tensor] | None = None
        self._plateau = schedules.Plateau()
        self._repaired = 1.0  # what repairs made of the rate
        self._clip_norm = recipe.clip_norm
        self._skipped: list[int] = []  # rows that repairs left out
        self._latest = (0, range(0))  # epoch and steps of the latest unit
        self._lr = None if recipe.optimizer.lr == "auto" else recipe.optimizer.lr
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
        self._team.strategy.gather(self._network, self._best_known())

    def export(self, folder: Path, *, rounds: int | None = None) -> None:
        """Write ``model.safetensors`` and ``model.json``."""
        self._only_now(rounds)
        averaged = self._averaged() or {}
        weights = {name: averaged.get(name, t) for name, t in self._predictor.state_dict().items()}
        facts: dict[str, JsonValue] = {
            "version": f"torch {torch.__version__}",
            "params": self._job.plan.params,
            "recipe": self._recipe.to_json(),
            "threads": self._job.threads,
            "block": block_rows(self._problem, self._num_parameters, "cpu"),
            "epochs": self._epoch,
            "steps_in_epoch": self._step,
            "num_parameters": self._num_parameters,
        }
        write_model(folder, weights, self._problem, facts, network=self._job.plan.estimator)

    def facts(self, *, rounds: int | None = None) -> ModelFacts:
        """Sizes and the main choices."""
        self._only_now(rounds)
        return ModelFacts(
            num_parameters=self._num_parameters,
            parameters_kind="weights and biases",
            optimizer=self._recipe.optimizer.name,
            learning_rate=None if self._lr is None else self._lr * self._repaired,
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
            self._skip(repair)
            return
        if repair.action == "learning_rate" and repair.values.get("measure") is True:
            self._lr, self._repaired = None, 1.0
            return
        value = repair.values.get("factor" if repair.action == "learning_rate" else "norm")
        if repair.action not in ("learning_rate", "clip_norm") or not isinstance(value, int | float) or value <= 0:
            raise ValueError(f"torch has no repair {repair.action!r} with {dict(repair.values)}")
        if repair.action == "learning_rate":
            self._repaired *= float(value)
        else:
            self._clip_norm = float(value)

    def _skip(self, repair: Repair) -> None:
        rows = repair.values.get("rows")
        total = self._job.train.rows
        if not isinstance(rows, list | tuple) or not all(isinstance(r, int) and 0 <= r < total for r in rows):
            raise ValueError(f"skip_rows needs rows of the training table, got {rows!r}")
        skipped = sorted({*self._skipped, *(int(str(row)) for row in rows)})
        if len(skipped) >= total:
            raise ValueError("no row would be left")
        self._skipped, self._order = skipped, None

    def suspects(self) -> Suspicion:
        """See `trainwright.engines.contract.Suspects`."""
        epoch, steps = self._latest
        with self._working(), private_randomness(self._device), memory_errors(self._device):
            assert self._grid is not None
            spans = [span for step in steps for span in self._grid.batches(step)]
            batches = (batch for step in self._batches(epoch, steps) for batch in step)
            order = self._epoch_order(epoch)
            named = ((batch, order[a:b]) for batch, (a, b) in zip(batches, spans, strict=True))
            return suspicion(self._network, self._judged, named, self._network.state_dict())

    def close(self) -> None:
        """End the workers and let go of the data."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def time_steps(self, steps: int) -> None:
        """Take steps as a training would and count none of them: for measuring before a training. The weights move."""
        with self._working(), private_randomness(self._device):
            self._lr = self._lr or 1e-6
            self._decide()
            assert self._grid is not None
            self._network.train()
            tally = Tally()
            for step in self._batches(0, range(min(steps, self._steps))):
                self._stepper.step(step, tally, rate=1e-6, clip_norm=self._clip_norm, done=0)

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
            values, statistics = self._run_block()
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
        )

    def _decide(self) -> None:
        """What ``auto`` leaves to the first rows; done once, before the first step."""
        if self._grid is None:
            size, finding = automatic.batch_size(self._job.train.rows, self._device, self._probe)
            self._set_grid(self._team.least(size))
            self._findings.append(finding)
        if self._source is None:
            self._source, finding = placement.place(self._job.train, self._problem, self._device, self._recipe)
            self._findings.append(finding)
        if self._lr is None:
            found, finding = self._range_test()
            self._lr = self._team.leaders(lambda: found)
            self._findings.append(finding)

    def _run_block(self) -> tuple[dict[str, float], Mapping[str, Mapping[str, float]]]:
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
        return values, self._layers.read()

    def _take(self, step: list[Batch], tally: Tally, rate: float) -> bool:
        """One step, with its own dropout noise; now and then with a look at the layers."""
        done = self._epoch * self._steps + self._step
        rank = (self._team.rank,) if self._team.rank else ()
        seed_generators(self._device, self._job.seeds.integer("noise", self._epoch, self._step, *rank))
        every = self._recipe.statistics_every
        if not every or done % every:
            return self._stepper.step(step, tally, rate=rate, clip_norm=self._clip_norm, done=done)
        with self._layers.watched():
            return self._stepper.step(step, tally, rate=rate, clip_norm=self._clip_norm, done=done)

    def _batches(self, epoch: int, steps: range) -> Any:
        """The batches of each step of an epoch: this rank's part."""
        assert self._grid is not None
        assert self._source is not None
        order = self._epoch_order(epoch)
        spans = [self._grid.batches(step) for step in steps]
        seed = self._job.seeds.integer("augment", epoch)
        all_spans = [s for step in spans for s in step]
        flat = self._team.batches(self._source, order, all_spans, epoch_seed=seed)
        for step in spans:
            yield [next(flat) for _ in step]

    def _epoch_order(self, epoch: int) -> Tensor:
        """The order of the rows in an epoch; those that are left out have others in their places."""
        assert self._grid is not None
        if self._order is None or self._order[0] != epoch:
            order = epoch_order(self._grid.rows, self._job.seeds.integer("order", epoch, bits=63))
            if self._skipped:
                out = torch.isin(order, torch.tensor(self._skipped))
                left = order[~out]
                order[out] = left[torch.arange(int(out.sum())) % len(left)]
            self._order = (epoch, order)
        return self._order[1]

    def _rate(self) -> float:
        assert self._lr is not None
        schedule = self._recipe.scheduler
        done = self._epoch * self._steps + self._step
        shape = schedules.factor(schedule, done, self._steps * self._job.plan.rounds)
        return self._lr * self._repaired * shape * self._plateau.factor(schedule)

    def _end_epoch(self, values: dict[str, float]) -> None:
        self._epoch, self._step = self._epoch + 1, 0
        if self._recipe.scheduler.name == "plateau":
            self.gather()
            values["val_loss"] = self._team.leaders(self._val_loss)
            self._plateau.see(values["val_loss"], self._recipe.scheduler)

    def _val_loss(self) -> float:
        val = self._job.val
        assert val is not None
        weight = None if val.weight is None else torch.from_numpy(val.weight)
        y = torch.empty(0) if self._problem.goal == "language" else scaled_target(val.y, self._problem)
        return self._evaluator.mean_loss(val.X, y, weight, self._judged, self._averaged())

    # what auto needs

    def _probe(self, rows: int) -> None:
        """A forward and backward pass over that many rows; the weights stay."""
        source, _ = placement.place(self._job.train, self._problem, self._device, self._recipe)
        try:
            order = torch.arange(rows) % self._job.train.rows
            for batch in source.batches(order, [(0, rows)], epoch_seed=0):
                self._network.train()
                self._stepper.loss(batch, batch.count).backward()  # type: ignore[no-untyped-call]
        finally:
            self._optimizers.zero_grad()
            source.close()

    def _range_test(self) -> tuple[float, Finding]:
        """Try rising rates on the first batches, then put everything back."""
        before = {name: t.clone() for name, t in self._network.state_dict().items()}
        optimizers = Optimizers(self._network, self._recipe.optimizer, self._device)
        stepper = Stepper(
            self._forward, self._losses, optimizers, device=self._device, amp=None, average=None, team=self._team
        )
        self._network.train()

        def steps() -> Iterator[list[Batch]]:
            epoch = 0
            while True:
                yield from self._batches(epoch, range(self._steps))
                epoch += 1

        def loss_after(step: list[Batch], number: int, rate: float) -> float:
            seed_generators(self._device, self._job.seeds.integer("range test", number))
            tally = Tally()
            stepper.step(step, tally, rate=rate, clip_norm=self._clip_norm, done=number)
            return tally.read()["loss"]

        try:
            return automatic.learning_rate(self._recipe.optimizer.name, steps(), loss_after)
        finally:
            self._network.load_state_dict(before)
            optimizers.zero_grad()

    # state

    def _state(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, JsonValue]]:
        """Everything that is saved: tensors in groups, and the numbers beside them."""
        tensors, numbers = self._optimizers.state()
        if self._stepper.average is not None:
            tensors |= {f"average.{name}": t for name, t in self._stepper.average.tensors.items()}
        scaler = self._stepper.scaler
        state: dict[str, JsonValue] = {
            "identity": self._identity(),
            "epoch": self._epoch,
            "step": self._step,
            "batch_size": None if self._grid is None else self._grid.batch_size,
            "learning_rate": self._lr,
            "repaired": self._repaired,
            "clip_norm": self._clip_norm,
            "skipped": list(self._skipped),
            "plateau": self._plateau.to_json(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "optimizer": numbers,
            "randomness": "order, augmentation and dropout are functions of (seed, epoch, step, row): nothing to save",
        }
        return {"weights": self._network.state_dict(), "training": tensors}, state

    def _take_up(
        self, document: Mapping[str, Any], weights: dict[str, Stored], tensors: dict[str, Stored], folder: Path
    ) -> None:
        epoch, step, size = int(document["epoch"]), int(document["step"]), document["batch_size"]
        if size is not None:
            self._set_grid(int(size))
        if not 0 <= epoch <= self._job.plan.rounds or (step and not 0 <= step < self._steps):
            raise ValueError(f"position {epoch}, {step}")
        placed, present = self._team.strategy.placed, self._network.state_dict()
        found = {name: placed(s, present[name]) if name in present else s.whole() for name, s in weights.items()}
        load_weights(self._network, found, folder)
        self._optimizers.load(
            {name: s for name, s in tensors.items() if name.startswith("optimizer.")}, document["optimizer"], placed
        )
        if self._stepper.average is not None:
            for name, average in self._stepper.average.tensors.items():
                average.copy_(placed(tensors[f"average.{name}"], average))
        if self._stepper.scaler is not None:
            self._stepper.scaler.load_state_dict(document["scaler"])
        plateau = document["plateau"]
        best = float("inf") if plateau["best"] is None else float(plateau["best"])
        self._plateau = schedules.Plateau(best, int(plateau["waited"]), int(plateau["cuts"]))
        rate, clip = document["learning_rate"], document["clip_norm"]
        self._lr = None if rate is None else float(rate)
        self._clip_norm = None if clip is None else float(clip)
        self._repaired = float(document["repaired"])
        self._skipped, self._order = [int(row) for row in document.get("skipped", [])], None
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
            self._problem, self._num_parameters, batch_size * self._recipe.accumulate, self._device.type
        )

    def _averaged(self) -> Mapping[str, Tensor] | None:
        """Weights to predict with where the predictor holds others."""
        return self._team.strategy.shown(self._best_known())

    def _best_known(self) -> Mapping[str, Tensor] | None:
        average = self._stepper.average
        return self._optimizers.averaged() if average is None else average.tensors

    def _only_now(self, rounds: int | None) -> None:
        if rounds is not None and rounds != self._epoch:
            raise ValueError(f"only the present weights are kept (epoch {self._epoch}), epoch {rounds} is asked for")

    @contextmanager
    def _working(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(pinned_threads(self._job.threads))
            stack.enter_context(deterministic_algorithms(self._device, self._recipe.deterministic))
            yield
