"""What a training is made of: the network and everything that is built around it, once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.core.findings import Finding
from trainwright.engines.contract import Job
from trainwright.engines.torch import automatic
from trainwright.engines.torch.building import build_network, save_activations
from trainwright.engines.torch.compiling import Compiled
from trainwright.engines.torch.device import autocast_dtype
from trainwright.engines.torch.distributed.team import Team, local_batch_norm
from trainwright.engines.torch.losses import RowLosses, row_losses
from trainwright.engines.torch.optimizers import Optimizers
from trainwright.engines.torch.predictions import Evaluator, block_rows
from trainwright.engines.torch.problem import Problem
from trainwright.engines.torch.recipe import Recipe
from trainwright.engines.torch.statistics import Layers
from trainwright.engines.torch.step import Average, Stepper


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The same objects from the first step to the last.

    ``forward`` is the network as it is trained: compiled, or shared by processes. ``predictor`` is the one that
    predicts, ``judged`` the losses without label smoothing.
    """

    problem: Problem
    device: torch.device
    team: Team
    network: nn.Module
    num_parameters: int
    predictor: nn.Module
    evaluator: Evaluator
    forward: Callable[[Tensor], Tensor]
    losses: RowLosses
    judged: RowLosses
    optimizers: Optimizers
    stepper: Stepper
    layers: Layers

    def best_known(self) -> dict[str, Tensor] | None:
        """The weights to predict with where those are not the ones being trained."""
        average = self.stepper.average
        return self.optimizers.averaged() if average is None else average.tensors


def build_parts(
    job: Job, problem: Problem, recipe: Recipe, device: torch.device, team: Team, say: Callable[[Finding], None]
) -> Parts:
    """Build them on the device; ``say`` hears what is to be said of the network.

    Raises:
        SpecError: the recipe does not fit the problem or the device.
    """
    losses, judged = row_losses(problem, recipe), row_losses(problem, recipe, smoothing=False)
    amp = autocast_dtype(recipe.precision, device, problem.inputs.kind)
    network = build_network(job, problem, say)
    if recipe.channels_last and problem.inputs.kind == "image":
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = network.to(device)
    num_parameters = sum(p.numel() for p in network.parameters())
    predictor = team.strategy.predictor(network)
    evaluator = Evaluator(predictor, problem, device, block=block_rows(problem, num_parameters, device.type))
    if recipe.activation_checkpointing:
        say(automatic.checkpointed(save_activations(network)))
    steady = recipe.accumulate == 1 and not recipe.activation_checkpointing
    forward: Any = team.strategy.wrapped(network, steady=steady)
    forward = Compiled(forward, say) if recipe.compile else forward
    for finding in local_batch_norm(network, team):
        say(finding)
    average = None if recipe.ema is None else Average(dict(network.named_parameters()), recipe.ema)
    optimizers = Optimizers(network, recipe.optimizer, device)
    return Parts(
        problem=problem,
        device=device,
        team=team,
        network=network,
        num_parameters=num_parameters,
        predictor=predictor,
        evaluator=evaluator,
        forward=forward,
        losses=losses,
        judged=judged,
        optimizers=optimizers,
        stepper=Stepper(forward, losses, optimizers, device=device, amp=amp, average=average, team=team),
        layers=Layers(network, saturation=not recipe.compile, whole=team.strategy.whole),
    )
