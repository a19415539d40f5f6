"""What the boosting sessions share: the unit loop, saving, restoring by policy, and the guards of the contract."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue
from trainwright.engines._native_files import ModelFile, State, digest, file_hash, identity_of
from trainwright.engines._predictions import check_columns, is_sparse
from trainwright.engines.contract import Job, ModelFacts, ResumeKind, ResumePolicy, Unit
from trainwright.engines.repairs import Repair

if TYPE_CHECKING:
    from trainwright.engines.contract import Floats, Matrix


@dataclass(frozen=True, slots=True)
class TreeFacts:
    """Sizes of the trees up to a round, and the importance of each column (any scale)."""

    leaves: int
    splits: int
    importance: Mapping[int, float]
    importance_kind: str


class BoostedSession(ABC):
    """One training of a boosting library, in units of rounds.

    A subclass owns the native objects and knows how to train up to a round, predict and write itself. Positions are
    counted in rounds tried, which is what the plan and the driver count.
    """

    keeps_predictions = True

    def __init__(self, job: Job, *, version: str, policy: ResumePolicy, unit: int, keeps_every_round: bool) -> None:
        self.keeps_every_round = keeps_every_round
        self._job = job
        self._version = version
        self._policy = policy
        self._unit = unit
        self._rounds = 0
        self._exhausted = False

    # what a library provides

    @abstractmethod
    def _train_to(self, rounds: int) -> tuple[float, ...]:
        """Train on until ``rounds`` are done (or the library has nothing to add), and return the loss curve if any."""

    @abstractmethod
    def _part(self, part: Literal["train", "val"]) -> "Floats":
        """Predictions for the job's own rows now."""

    @abstractmethod
    def _predict(self, X: "Matrix", rounds: int) -> "Floats":
        """Predictions from the first ``rounds`` rounds."""

    @abstractmethod
    def _model_bytes(self) -> bytes:
        """The present model, in bytes that are a function of its content."""

    @abstractmethod
    def _write_state(self, folder: Path) -> list[str]:
        """Write the native files that `_resume` needs; returns their names. Not asked for by a replay."""

    @abstractmethod
    def _resume(self, folder: Path, rounds: int) -> None:
        """Take up the native state written by `_write_state`."""

    @abstractmethod
    def _write_model(self, folder: Path, rounds: int) -> ModelFile:
        """Write the native model file, cut to ``rounds``."""

    @abstractmethod
    def _tree_facts(self, rounds: int) -> TreeFacts:
        """Sizes and importances up to ``rounds``."""

    @abstractmethod
    def _reset(self) -> None:
        """Forget all training and free native memory."""

    # the contract

    def units(self) -> Iterator[Unit]:
        """Train on, a unit at a time. Unit ends lie on multiples of the unit size, also after a restore."""
        while self._rounds < self._job.plan.rounds and not self._exhausted:
            before, began = self._rounds, perf_counter()
            goal = min((before // self._unit + 1) * self._unit, self._job.plan.rounds)
            curve = self._train_to(goal)
            if self._rounds == before:
                return
            curves = {"val_loss": curve} if curve else {}
            yield Unit(rounds=self._rounds, seconds=perf_counter() - began, curves=curves)

    def predict_part(self, part: Literal["train", "val"]) -> "Floats":
        """Predictions for the job's own rows at the present round, from the library's running scores."""
        if part == "val" and self._job.val is None:
            raise ValueError("this job has no validation rows")
        self._at(None)
        return self._part(part)

    def predict(self, X: "Matrix", *, rounds: int | None = None) -> "Floats":
        """Predictions for other rows, from the first ``rounds`` rounds (default: all)."""
        at = self._at(rounds)
        check_columns(X, int(self._job.train.X.shape[1]))
        return self._predict(X, at)

    def save(self, folder: Path) -> None:
        """Write ``state.json``, and the native state where the policy resumes from one."""
        replay = self._policy.kind is ResumeKind.REPLAY or self._rounds == 0
        names = [] if replay else self._write_state(folder)
        state = State(
            rounds=self._rounds,
            model_digest=digest(self._model_bytes()) if self._rounds else "",
            files={name: file_hash(folder / name) for name in names},
        )
        state.write(folder, self._identity())

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote; the model reached is held against the one that was saved, byte for byte."""
        state = State.read(folder, self._identity(), rounds_limit=self._job.plan.rounds)
        self._reset()
        self._rounds, self._exhausted = 0, False
        if state.rounds and self._policy.kind is ResumeKind.REPLAY:
            self._train_to(state.rounds)
        elif state.rounds:
            self._resume(folder, state.rounds)
        if state.rounds and digest(self._model_bytes()) != state.model_digest:
            raise ArtifactRefused(
                f"resuming from {folder} reached another model than the one saved at round {state.rounds}: "
                "this machine does not repeat that training. Start the run anew"
            )

    def export(self, folder: Path, *, rounds: int | None = None) -> None:
        """Write the native model cut to ``rounds`` and ``model.json``."""
        self._write_model(folder, self._at(rounds)).write(folder)

    def facts(self, *, rounds: int | None = None) -> ModelFacts:
        """What the model is at that round: sizes and feature importance."""
        found = self._tree_facts(self._at(rounds))
        total = sum(found.importance.values())
        names = self._job.feature_names
        rate = self._job.plan.params.get("learning_rate")
        return ModelFacts(
            num_parameters=found.leaves + found.splits,
            parameters_kind="leaf values and thresholds",
            optimizer="gradient boosting",
            learning_rate=float(rate) if isinstance(rate, int | float) else None,
            batch_size=None,
            importance={names[i]: value / total for i, value in sorted(found.importance.items())} if total > 0 else {},
            importance_kind=found.importance_kind if total > 0 else "",
        )

    def apply(self, repair: Repair) -> None:
        """Boosters have no repairs while they train."""
        raise ValueError(f"{self._job.plan.engine} has no repair {repair.action!r}")

    def close(self) -> None:
        """Free native memory."""
        self._reset()

    # shared pieces for subclasses

    def _at(self, rounds: int | None) -> int:
        if self._rounds == 0:
            raise ValueError("nothing is trained yet: there is no model before the first unit")
        if rounds is None or rounds == self._rounds:
            return self._rounds
        if not self.keeps_every_round:
            raise ValueError("this configuration rescales earlier trees as it grows; earlier rounds cannot be taken")
        if not 1 <= rounds <= self._rounds:
            raise ValueError(f"rounds must be from 1 to {self._rounds}, got {rounds}")
        return rounds

    def _identity(self) -> Mapping[str, JsonValue]:
        return identity_of(self._job, version=self._version)

    def _model_file(self, file: str, rounds: int, link: str = "identity") -> ModelFile:
        job = self._job
        return ModelFile(
            engine=job.plan.engine,
            version=self._version,
            task=job.task,
            num_classes=job.num_classes,
            features=int(job.train.X.shape[1]),
            categorical=job.categorical,
            category_sizes=job.category_sizes,
            sparse=is_sparse(job.train.X),
            rounds=rounds,
            file=file,
            link=link,
        )
