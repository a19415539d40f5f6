"""What a network is asked to learn: its inputs, the number of its outputs, and the scale of its target."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from trainwright.core.errors import DataRefused
from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import Task
from trainwright.engines.contract import Job
from trainwright.engines.torch.networks.contract import InputKind, Inputs
from trainwright.engines.torch.recipe import Recipe

if TYPE_CHECKING:
    from trainwright.engines.contract import Matrix

Goal: TypeAlias = Literal["binary", "multiclass", "regression", "language"]

STORED: Mapping[InputKind, torch.dtype] = {
    "table": torch.float32,
    "image": torch.uint8,
    "tokens": torch.int32,
    "language": torch.int32,
    "array": torch.float32,
}
"""How rows are kept; ids are widened to int64 batch by batch."""

_NUMPY = {torch.float32: np.float32, torch.uint8: np.uint8, torch.int32: np.int32}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The question. A regression target is ``score * scale + shift``, or ``exp(score)`` where ``log_link``."""

    goal: Goal
    inputs: Inputs
    outputs: int
    shift: float = 0.0
    scale: float = 1.0
    log_link: bool = False

    @property
    def positions(self) -> int:
        """How often the weights are used for one row (assumption for images: once per 4 x 4 pixels)."""
        shape = self.inputs.shape
        if self.inputs.kind in ("tokens", "language"):
            return max(1, shape[0])
        return max(1, shape[-1] * shape[-2] // 16) if self.inputs.kind == "image" else 1

    def to_json(self) -> dict[str, JsonValue]:
        """The form `problem_from` reads back."""
        i = self.inputs
        return {
            "goal": self.goal,
            "outputs": self.outputs,
            "shift": self.shift,
            "scale": self.scale,
            "log_link": self.log_link,
            "inputs": {
                "kind": i.kind,
                "shape": list(i.shape),
                "categorical": list(i.categorical),
                "category_sizes": list(i.category_sizes),
                "vocabulary": i.vocabulary,
                "pad": i.pad,
            },
        }


def problem_of(job: Job, recipe: Recipe) -> Problem:
    """Read the question off a job; the target's scale is that of its training rows."""
    kind = _kind(job.plan.features)
    inputs = Inputs(
        kind=kind,
        shape=tuple(int(n) for n in job.train.X.shape[1:]),
        categorical=job.categorical,
        category_sizes=job.category_sizes,
        vocabulary=job.vocabulary,
    )
    if kind == "language":
        return Problem(goal="language", inputs=inputs, outputs=job.vocabulary)
    if job.task is Task.BINARY:
        return Problem(goal="binary", inputs=inputs, outputs=1)
    if job.task is Task.MULTICLASS:
        return Problem(goal="multiclass", inputs=inputs, outputs=job.num_classes)
    if recipe.loss == "poisson":
        return Problem(goal="regression", inputs=inputs, outputs=1, log_link=True)
    spread = float(np.std(job.train.y))
    return Problem(
        goal="regression",
        inputs=inputs,
        outputs=1,
        shift=float(np.mean(job.train.y)),
        scale=spread if np.isfinite(spread) and spread > 0 else 1.0,
    )


def problem_from(values: Mapping[str, JsonValue]) -> Problem:
    """Read what `Problem.to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is damaged.
    """
    given = values["inputs"]
    if not isinstance(given, Mapping):
        raise TypeError("inputs is no mapping")
    inputs = Inputs(
        kind=_kind(str(given["kind"])),
        shape=_whole(given["shape"]),
        categorical=_whole(given["categorical"]),
        category_sizes=_whole(given["category_sizes"]),
        vocabulary=int(str(given["vocabulary"])),
        pad=int(str(given["pad"])),
    )
    goal = str(values["goal"])
    if goal not in ("binary", "multiclass", "regression", "language"):
        raise ValueError(f"goal {goal!r}")
    return Problem(
        goal=cast("Goal", goal),
        inputs=inputs,
        outputs=int(str(values["outputs"])),
        shift=float(str(values["shift"])),
        scale=float(str(values["scale"])),
        log_link=bool(values["log_link"]),
    )


def stored_rows(X: "Matrix", inputs: Inputs) -> np.ndarray:
    """Rows as they are kept: dense, in the kind's type; no copy where they are already.

    Raises:
        DataRefused: rows of another shape than the network was built for.
    """
    if tuple(X.shape[1:]) != inputs.shape:
        raise DataRefused(
            f"the model was trained on rows of shape {inputs.shape}; these have {tuple(X.shape[1:])}. "
            "Prepare them with the feature pipeline of the same run"
        )
    dense = X if isinstance(X, np.ndarray) else X.toarray()
    return np.ascontiguousarray(dense, dtype=_NUMPY[STORED[inputs.kind]])


def scaled_target(y: np.ndarray, problem: Problem) -> Tensor:
    """The target in the type and scale the loss takes, shape (rows,)."""
    if problem.goal == "multiclass":
        return torch.from_numpy(np.ascontiguousarray(y, dtype=np.int64))
    values = np.asarray(y, dtype=np.float64)
    if problem.goal == "regression" and not problem.log_link:
        values = (values - problem.shift) / problem.scale
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _kind(features: str) -> InputKind:
    return cast("InputKind", features) if features in ("image", "tokens", "language", "array") else "table"


def _whole(values: JsonValue) -> tuple[int, ...]:
    if not isinstance(values, list | tuple):
        raise TypeError(f"{values!r} is no list")
    return tuple(int(str(v)) for v in values)
