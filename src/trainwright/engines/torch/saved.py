"""The tensors of a checkpoint: weights, the optimiser's state, the average, the scaler's numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainwright.core.jsonable import JsonValue
from trainwright.engines._native_files import identity_of
from trainwright.engines.contract import Job
from trainwright.engines.torch.files import load_weights
from trainwright.engines.torch.parts import Parts
from trainwright.engines.torch.problem import Problem
from trainwright.engines.torch.recipe import Recipe
from trainwright.engines.torch.stored import Stored

_NO_EFFECT = ("num_workers", "data_on", "statistics_every", "checkpoint_steps")
"""Choices of the recipe that change no bit of the result, so a training may go on with others."""


def identity(job: Job, problem: Problem, recipe: Recipe, device: torch.device) -> dict[str, JsonValue]:
    """What a training must be to go on from a state."""
    return {
        **identity_of(job, version=f"torch {torch.__version__}"),
        "network": job.plan.estimator,
        "problem": problem.to_json(),
        "recipe": {k: v for k, v in recipe.to_json().items() if k not in _NO_EFFECT},
        "device": device.type,
    }


def saved(parts: Parts) -> tuple[dict[str, dict[str, Tensor]], dict[str, JsonValue]]:
    """Tensors in groups, and the numbers beside them."""
    tensors, numbers = parts.optimizers.state()
    if parts.stepper.average is not None:
        tensors |= {f"average.{name}": t for name, t in parts.stepper.average.tensors.items()}
    scaler = parts.stepper.scaler
    beside: dict[str, JsonValue] = {
        "scaler": None if scaler is None else scaler.state_dict(),
        "optimizer": numbers,
    }
    return {"weights": parts.network.state_dict(), "training": tensors}, beside


def take_up(
    parts: Parts, document: Mapping[str, Any], weights: dict[str, Stored], tensors: dict[str, Stored], folder: Path
) -> None:
    """Put them back in place.

    Raises:
        ArtifactRefused, KeyError, TypeError, ValueError, RuntimeError: they are not those of these parts.
    """
    placed, present = parts.team.strategy.placed, parts.network.state_dict()
    found = {name: placed(s, present[name]) if name in present else s.whole() for name, s in weights.items()}
    load_weights(parts.network, found, folder)
    parts.optimizers.load(
        {name: s for name, s in tensors.items() if name.startswith("optimizer.")}, document["optimizer"], placed
    )
    if parts.stepper.average is not None:
        for name, average in parts.stepper.average.tensors.items():
            average.copy_(placed(tensors[f"average.{name}"], average))
    if parts.stepper.scaler is not None:
        parts.stepper.scaler.load_state_dict(document["scaler"])
