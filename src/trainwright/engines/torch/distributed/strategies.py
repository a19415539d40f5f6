"""Where the weights of a training lie, and what follows from it for a step, an evaluation and a checkpoint."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.files import write_tensors
from trainwright.engines.torch.stored import Stored

Groups: TypeAlias = Mapping[str, Mapping[str, Tensor]]
"""What a checkpoint holds: group -> name -> tensor."""


class Alone:
    """All weights in this process, and nobody to talk to. Other strategies override what differs.

    The order of the calls: `predictor`, `wrapped`, then for each forward and backward pass `pass_of` and `scaled`, for
    each step `norm`. What is marked *together* must be called by all processes.
    """

    def predictor(self, network: nn.Module) -> nn.Module:
        """The module that predicts; asked for before `wrapped` changes the network."""
        return network

    def wrapped(self, network: nn.Module, *, steady: bool) -> nn.Module:
        """The module to train, whose backward pass adds up gradients; ``steady``: the same graph in each step."""
        return network

    def pass_of(self, *, last: bool) -> AbstractContextManager[None]:
        """Around a forward and backward pass of a step: gradients are exchanged in the last one only."""
        return nullcontext()

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss to differentiate, so that the gradients of all processes add up to that of the whole loss."""
        return loss

    def norm(self, grads: Sequence[Tensor]) -> Tensor:
        """Together: the length of the whole gradient, the same in all processes, shape ()."""
        return torch.nn.utils.get_total_norm(list(grads), foreach=True)

    def whole(self, tensor: Tensor) -> Tensor:
        """Together: a weight, a gradient or an average with all its rows."""
        return tensor

    def gather(self, network: nn.Module, averaged: Mapping[str, Tensor] | None) -> None:
        """Together: give rank 0's predictor the weights as they are now, those in ``averaged`` in place of others."""

    def shown(self, averaged: Mapping[str, Tensor] | None) -> Mapping[str, Tensor] | None:
        """Weights that the predictor does not hold itself."""
        return averaged

    def write(self, folder: Path, groups: Groups) -> tuple[tuple[str, ...], JsonValue]:
        """Together: write a checkpoint's tensors; the names of the files, and the index `stored_groups` wants.

        Raises:
            OSError: a process could not write; in all of them.
        """
        for group, tensors in groups.items():
            write_tensors(folder / f"{group}.safetensors", tensors)
        return tuple(f"{group}.safetensors" for group in groups), None

    def placed(self, stored: Stored, like: Tensor) -> Tensor:
        """A copy of a stored tensor, laid out as ``like`` where that has its shape: with the same memory format.

        Fused kernels walk parameters and their states in memory order, whatever their strides.
        """
        found = stored.whole()
        if found.shape != like.shape:
            return found
        return torch.empty_like(like, dtype=found.dtype, device=found.device).copy_(found)


class Replicated(Alone):
    """All weights in every process; gradients are added up (torch's DistributedDataParallel)."""

    def __init__(self, rank: int, size: int) -> None:
        self._rank, self._size = rank, size
        self._replica: nn.parallel.DistributedDataParallel | None = None

    def wrapped(self, network: nn.Module, *, steady: bool) -> nn.Module:
        """See `Alone`."""
        device = next(network.parameters()).device
        self._replica = nn.parallel.DistributedDataParallel(
            network,
            device_ids=[device.index] if device.type == "cuda" else None,
            broadcast_buffers=False,  # batch norm's running statistics: the leader evaluates and saves its own
            gradient_as_bucket_view=True,
            static_graph=steady,
        )
        return self._replica

    def pass_of(self, *, last: bool) -> AbstractContextManager[None]:
        """See `Alone`."""
        if self._replica is None or last:
            return nullcontext()
        return self._replica.no_sync()

    def scaled(self, loss: Tensor) -> Tensor:
        """DDP averages over the processes, and the sum is wanted."""
        return loss if self._replica is None else loss * self._size

    def write(self, folder: Path, groups: Groups) -> tuple[tuple[str, ...], JsonValue]:
        """All processes hold the same: rank 0 writes it."""
        return super().write(folder, groups) if self._rank == 0 else ((), None)
