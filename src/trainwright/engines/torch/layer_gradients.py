"""The gradients of one batch, layer by layer: of a delivered model, or of any network."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.doctor.gradients import Gradients, LayerGradient, Verdict, judged
from trainwright.engines.contract import Table
from trainwright.engines.torch import placement
from trainwright.engines.torch.device import pinned_threads, private_randomness, seed_generators
from trainwright.engines.torch.files import MODEL_JSON, read_document
from trainwright.engines.torch.losses import row_losses
from trainwright.engines.torch.model import load_network
from trainwright.engines.torch.recipe import recipe_from

_SEED = 0  # of dropout's noise: the same each time


def of_batch(network: nn.Module, loss: Callable[[], Tensor], *, rows: int) -> Gradients:
    """The gradients of a loss that is computed through the network. Gradients that were there come back afterwards.

    Raises:
        SpecError: the loss is no single number with a gradient.
    """
    before = {p: p.grad for p in network.parameters()}
    try:
        for p in before:
            p.grad = None
        value = loss()
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise SpecError("a loss of one number is required. Take its mean over the batch.")
        if value.requires_grad:
            value.sum().backward()  # type: ignore[no-untyped-call]
        layers = [
            _layer(name or "network", params)
            for name, module in network.named_modules()
            if (params := list(module.parameters(recurse=False)))
        ]
        return Gradients(layers=judged(layers), loss=float(value.detach().sum()), rows=rows)
    finally:
        for p, grad in before.items():
            p.grad = grad


def of_module(
    network: nn.Module, inputs: object, targets: object, loss: Callable[[Tensor, Tensor], Tensor]
) -> Gradients:
    """See `trainwright.pipeline.check_gradients`."""
    if not isinstance(network, nn.Module):
        raise SpecError(f"a torch.nn.Module is required, got {type(network).__name__}.")
    rows = len(targets) if isinstance(targets, Tensor) and targets.ndim else 1
    buffers = {name: b.clone() for name, b in network.named_buffers()}
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    try:
        with torch.enable_grad():
            return of_batch(network, lambda: loss(network(*given), targets), rows=rows)  # type: ignore[arg-type]
    finally:
        for name, b in network.named_buffers():
            b.copy_(buffers[name])


def of_model(folder: Path, rows: Table, *, trust_code: bool) -> Gradients:
    """The gradients of a delivered model for a batch, in training mode, in float32 on the CPU.

    Raises:
        ArtifactRefused: the model is damaged, or code that is not trusted.
        SpecError: its loss cannot be taken.
    """
    network, problem = load_network(folder, trust_code=trust_code)
    document = read_document(folder, MODEL_JSON)
    values, threads = document.get("recipe"), document.get("threads")
    if not isinstance(values, dict) or not isinstance(threads, int):
        raise ArtifactRefused(f"{folder / MODEL_JSON} does not say how the model was trained.")
    recipe, device = recipe_from(values), torch.device("cpu")
    losses = row_losses(problem, recipe)
    source, _ = placement.place(rows, problem, device, recipe)
    try:
        with pinned_threads(threads), private_randomness(device):
            batch = next(iter(source.batches(torch.arange(rows.rows), [(0, rows.rows)], epoch_seed=_SEED)))
            seed_generators(device, _SEED)
            network.train()
            return of_batch(network, lambda: losses(network(batch.x), batch.y).sum() / batch.rows, rows=batch.rows)
    finally:
        source.close()


def _layer(name: str, params: list[nn.Parameter]) -> LayerGradient:
    size = sum(p.numel() for p in params)
    length = float(torch.nn.utils.get_total_norm([p.detach().float() for p in params])) if size else 0.0
    grads = [p.grad.detach().flatten().float() for p in params if p.grad is not None and p.numel()]
    if not grads:
        trained = any(p.requires_grad for p in params)
        return LayerGradient(
            layer=name, size=size, mean=math.nan, std=math.nan, min=math.nan, max=math.nan, norm=math.nan,
            zero_share=math.nan, weight_norm=length, verdict=Verdict.ABSENT if trained else Verdict.FROZEN,
        )  # fmt: skip
    flat = torch.cat(grads)
    std, mean = torch.std_mean(flat, correction=0)
    return LayerGradient(
        layer=name,
        size=size,
        mean=float(mean),
        std=float(std),
        min=float(flat.min()),
        max=float(flat.max()),
        norm=float(flat.norm()),
        zero_share=float((flat == 0).float().mean()),
        weight_norm=length,
    )
