"""From a network's name to a module: built from a seed, told about the training rows, prepared for the device."""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from trainwright.core import registry
from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.engines._native_files import file_hash
from trainwright.engines.contract import Job
from trainwright.engines.torch import networks
from trainwright.engines.torch.device import private_randomness, seed_generators
from trainwright.engines.torch.networks.contract import Network
from trainwright.engines.torch.problem import Problem, stored_rows

_FIT_ROWS = 100_000  # the most `fit_inputs` is given: means and quantiles are known to a hundredth of their spread
_CPU = torch.device("cpu")


def find_network(name: str) -> Network:
    """The network module of that name.

    Raises:
        SpecError: there is none.
    """
    known = sorted(
        m.name for m in pkgutil.iter_modules(networks.__path__) if m.name != "contract" and not m.name.startswith("_")
    )
    if name not in known:
        raise SpecError(registry.unknown("network", name, tuple(known)))
    return cast("Network", importlib.import_module(f"{networks.__name__}.{name}"))


def bare_network(name: str, params: Mapping[str, JsonValue], problem: Problem, *, seed: int) -> nn.Module:
    """A module with fresh weights on the CPU; torch's generators stay as they were."""
    with private_randomness(_CPU):
        seed_generators(_CPU, seed)
        return find_network(name).build(params, problem.inputs, problem.outputs)


def build_network(job: Job, problem: Problem, said: Callable[[Finding], None] | None = None) -> nn.Module:
    """The module a training starts from, on the CPU, knowing the spread of its inputs.

    ``said`` is told what it started from, where that is a file.

    Raises:
        ArtifactRefused: the plan names weights to start from, and they are not there, changed, or another network's.
    """
    network = bare_network(job.plan.estimator, job.plan.params, problem, seed=job.seeds.integer("init"))
    weights = job.plan.options.get("weights")
    if isinstance(weights, Mapping):
        files = [_unchanged(Path(path), str(wanted)) for path, wanted in weights.items()]
        with private_randomness(_CPU):
            fresh = cast("Any", network).start_from(files)
        if said is not None:
            said(_started(network, files, fresh, weights))
    if hasattr(network, "fit_inputs"):
        with torch.no_grad():
            cast("Any", network).fit_inputs(_sample(job, problem))
    return network


def _started(
    network: nn.Module, files: Sequence[Path], fresh: Sequence[str], hashes: Mapping[str, JsonValue]
) -> Finding:
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    new = sum(sizes[name] for name in fresh)
    shown = ", ".join(fresh[:4]) + (", ..." if len(fresh) > 4 else "")
    return Finding(
        code="torch.weights",
        severity=Severity.INFO,
        where="architecture",
        what=f"{sum(sizes.values()) - new:,} of {sum(sizes.values()):,} weights start from "
        f"{', '.join(file.name for file in files)}" + (f"; new are {shown}" if fresh else ""),
        evidence={"sha256": {Path(path).name: value for path, value in hashes.items()}, "fresh": list(fresh)},
    )


def _unchanged(path: Path, wanted: str) -> Path:
    """A file of weights, held against the hash of when the training was planned."""
    try:
        found = file_hash(path)
    except OSError as error:
        raise ArtifactRefused(f"{path}: the weights to start from are required, and cannot be read: {error}") from error
    if found != wanted:
        raise ArtifactRefused(f"{path} changed since the training was planned. Put it back, or start a new run")
    return path


def save_activations(network: nn.Module) -> int:
    """Recompute the blocks of a network in the backward pass instead of keeping what is inside them.

    Blocks are the entries of its module lists. Returns their number.
    """
    blocks = [block for m in network.modules() if isinstance(m, nn.ModuleList) for block in m]
    for block in blocks:
        block.forward = _recomputed(block.forward)
    return len(blocks)


def _recomputed(forward: Callable[..., Any]) -> Callable[..., Any]:
    """The same forward pass, recomputed. Its arguments go through as they are: what a block takes is its own matter."""

    @functools.wraps(forward)
    def again(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return again


def _sample(job: Job, problem: Problem) -> Tensor:
    X = job.train.X
    if job.train.rows > _FIT_ROWS:
        picked = job.seeds.generator("fit inputs").choice(job.train.rows, _FIT_ROWS, replace=False)
        picked.sort()
        X = X[picked]
    rows = torch.from_numpy(stored_rows(X, problem.inputs))
    return rows.long() if problem.inputs.kind in ("tokens", "language") else rows
