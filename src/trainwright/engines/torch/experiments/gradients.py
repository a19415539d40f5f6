"""Whether a few small steps reach every parameter with a gradient that is a number and not zero."""

import copy
import math
from collections.abc import Mapping

import torch

from trainwright.engines.contract import Experiment
from trainwright.engines.torch.device import seed_generators
from trainwright.engines.torch.experiments.trial import BATCHES, Gradients, Trial, failed, not_made, passed
from trainwright.engines.torch.unguarded import unguarded

FLOW, FINITE, ALIVE = "gradients_flow", "gradients_finite", "gradients_alive"

_RATE = 1e-3  # assumption: small enough for any network of usual weights, and it moves what starts at zero


def flow(trial: Trial) -> Experiment:
    """Every parameter that asks for a gradient gets one."""
    seen = _look(trial)
    frozen = sum(1 for p in trial.network.parameters() if not p.requires_grad)
    if not seen.largest:
        return failed(FLOW, f"{frozen} parameters, all frozen", "Nothing can be trained", "Set requires_grad on some")
    if not seen.without:
        rest = f", {frozen} more are frozen" if frozen else ""
        return passed(FLOW, f"all {len(seen.largest)} parameters get a gradient{rest}")
    return failed(
        FLOW,
        f"{len(seen.without)} of {len(seen.largest)} parameters get no gradient: {_some(seen.without)}",
        "They are not part of the computation, so they stay as they are",
        "Use them in forward, remove them, or set requires_grad to False; detach, no_grad and .data cut gradients",
    )


def finite(trial: Trial) -> Experiment:
    """No gradient is NaN or infinite."""
    seen = _look(trial)
    if not seen.broken:
        return passed(FINITE, f"in {BATCHES} batches")
    name, number = next(iter(seen.broken.items()))
    return failed(
        FINITE,
        f"{len(seen.broken)} of {len(seen.largest)} parameters, {name} among them, have one that is not, in batch "
        f"{number}",
        "Training would break at once",
        "Look for a division, logarithm or square root of zero in the network or its inputs",
    )


def alive(trial: Trial) -> Experiment:
    """No parameter has a gradient of zero in all batches."""
    seen = _look(trial)
    if seen.broken:
        return not_made(ALIVE, "gradients are not finite")
    reached = {name: size for name, size in seen.largest.items() if name not in seen.without}
    dead = {name for name, size in reached.items() if size == 0}
    if dead:
        return failed(
            ALIVE,
            f"{len(dead)} of {len(reached)} parameters have a gradient of zero in {BATCHES} batches: {_some(dead)}",
            "They cannot learn",
            "Look for activations that are all off, inputs that are constant, or a factor of zero behind them",
        )
    if not reached:
        return not_made(ALIVE, "no parameter gets a gradient")
    weakest = min(reached, key=reached.__getitem__)
    return passed(ALIVE, f"the smallest of {len(reached)} is that of {weakest}, {reached[weakest]:.1g}")


def _look(trial: Trial) -> Gradients:
    """A few steps of a copy."""
    if trial.gradients is not None:
        return trial.gradients
    network = copy.deepcopy(trial.network).train()
    params = {n: p for n, p in network.named_parameters() if p.requires_grad and p.numel()}
    seen = trial.gradients = Gradients(largest=dict.fromkeys(params, 0.0), without=set(params))
    if not params:
        return seen
    optimizer = unguarded(torch.optim.AdamW)(params.values(), lr=_RATE)
    for number, batch in enumerate(trial.batches(BATCHES), start=1):
        seed_generators(trial.device, trial.seeds.integer("gradients", number))
        optimizer.zero_grad()
        loss = trial.loss(batch, network)
        if not loss.requires_grad:
            break
        loss.backward()  # type: ignore[no-untyped-call]
        _note(seen, params, number)
        if seen.broken:
            break
        optimizer.step()
    return seen


def _note(seen: Gradients, params: Mapping[str, torch.nn.Parameter], number: int) -> None:
    for name, p in params.items():
        if p.grad is None:
            continue
        seen.without.discard(name)
        size = float(p.grad.abs().max())
        if math.isfinite(size):
            seen.largest[name] = max(seen.largest[name], size)
        else:
            seen.broken.setdefault(name, number)


def _some(names: set[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
