"""Each process holds a share of every weight, of its gradient and of the optimiser's state (torch's FSDP2).

Shares are rows. The weights of a block come together for its forward and backward pass and part again; blocks are the
entries of the network's module lists, and what lies outside them is one more. Gradients are added up into shares.

Mixed precision is our own autocast, as without shares, and not FSDP2's MixedPrecisionPolicy. The policy would move
bf16 over the wire, half the bytes, but then every weight of a block is rounded, those of norms and of the encoders
of numbers too, which autocast leaves in fp32: the training would be another one than that of a single process. The
price: weights travel in fp32, and the bf16 copies that autocast makes of them (2 bytes a weight) live until the
backward pass, unless activation checkpointing makes them anew.
"""

import copy
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from trainwright.core.errors import SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.distributed.strategies import Alone, Groups
from trainwright.engines.torch.files import write_tensors
from trainwright.engines.torch.stored import Stored, file_of, first_rows, index_of
from trainwright.run.files import sync_file

_CONTAINERS = (nn.ModuleList, nn.ModuleDict)  # have no forward pass to be whole in


class Sharded(Alone):
    """See the module. Rank 0 keeps a whole network beside its share, to predict with.

    That one waits in host memory while training goes on, and is on the device from an evaluation to the next step.
    """

    def __init__(self, rank: int, size: int, device: str) -> None:
        self._rank, self._size = rank, size
        self._mesh = init_device_mesh(device, (size,))
        self._root: FSDPModule | None = None
        self._whole: nn.Module | None = None
        self._on_device = True
        self._syncs: bool | None = None

    def predictor(self, network: nn.Module) -> nn.Module:
        """A copy on rank 0; the others never predict."""
        if self._rank:
            return network
        self._whole = copy.deepcopy(network)
        return self._whole

    def wrapped(self, network: nn.Module, *, steady: bool) -> nn.Module:
        """The network itself, its weights cut into shares.

        Raises:
            SpecError: it has a weight that cannot be cut (one without a dimension).
        """
        network = network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        try:
            for block in blocks_of(network):
                fully_shard(block, mesh=self._mesh)
            self._root = fully_shard(network, mesh=self._mesh)  # changes the network itself
        except (ValueError, NotImplementedError) as error:
            raise SpecError(
                f"strategy fsdp cannot cut this network: {str(error).rstrip('.')}. Write strategy: ddp"
            ) from error
        for module in network.modules():
            if isinstance(module, FSDPModule):  # a plain sum: gloo knows no factor other than 1 or 1/size
                module.set_gradient_divide_factor(1.0)
                module.set_force_sum_reduction_for_comms(True)
        self._park()
        return network

    def pass_of(self, *, last: bool) -> AbstractContextManager[None]:
        """Gradients of earlier passes are kept whole until the last one, and added up once.

        Raises (the context):
            SpecError: the network reads a weight of a block that it does not call.
        """
        assert self._root is not None
        self._park()
        if last is not self._syncs:
            self._root.set_requires_gradient_sync(last)
            self._root.set_is_last_backward(last)
            self._syncs = last
        return _within_calls()

    def norm(self, grads: Sequence[Tensor]) -> Tensor:
        """From the lengths of all shares."""
        square = torch.nn.utils.get_total_norm([_local(g) for g in grads], foreach=True).double().square()
        dist.all_reduce(square)
        return square.sqrt().float()

    def whole(self, tensor: Tensor) -> Tensor:
        """All rows, in every process."""
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    def gather(self, network: nn.Module, averaged: Mapping[str, Tensor] | None) -> None:
        """Tensor by tensor, so that the others never hold more than one whole."""
        instead = averaged or {}
        target = {} if self._whole is None else self._whole.state_dict()
        for name, tensor in network.state_dict().items():
            whole = self.whole(instead.get(name, tensor).detach())
            if name in target:
                target[name].copy_(whole)
        if self._whole is not None and not self._on_device:
            self._whole.to(self._mesh.device_type)
            self._on_device = True

    def shown(self, averaged: Mapping[str, Tensor] | None) -> Mapping[str, Tensor] | None:
        """None: the predictor holds what `gather` gave it."""
        return None

    def write(self, folder: Path, groups: Groups) -> tuple[tuple[str, ...], JsonValue]:
        """Every process its shares; rank 0 also what is not cut."""
        index: dict[str, JsonValue] = {}
        failed = 0
        try:
            for group, tensors in groups.items():
                cut = {name: t for name, t in tensors.items() if isinstance(t, DTensor)}
                kept = {name: t for name, t in tensors.items() if name not in cut}
                self._write(folder / file_of(group, self._rank), cut, {} if self._rank else kept)
                index[group] = index_of(group, _shapes(cut), _shapes(kept), self._size)
        except OSError as error:
            failed = error.errno or errno.EIO
        self._agree(failed, folder)
        return tuple(file_of(group, rank) for group in groups for rank in range(self._size)), index

    def placed(self, stored: Stored, like: Tensor) -> Tensor:
        """This process's rows, read from whichever files hold them."""
        if not isinstance(like, DTensor) or stored.shape != tuple(like.shape):
            return super().placed(stored, like)
        share = like.to_local()
        first = first_rows(stored.shape[0], self._size)[self._rank]
        rows = stored.rows(first, first + len(share)).to(share.device)
        return DTensor.from_local(
            rows, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
        )

    def _write(self, path: Path, cut: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> None:
        for name, tensor in cut.items():
            bounds = [*first_rows(len(tensor), self._size), len(tensor)]
            rows = bounds[self._rank + 1] - bounds[self._rank]
            assert len(_local(tensor)) == rows, f"{name}: FSDP2 cut {len(_local(tensor))} rows, {rows} were expected"
        write_tensors(path, {**{name: _local(t) for name, t in cut.items()}, **kept})
        sync_file(path)

    def _agree(self, failed: int, folder: Path) -> None:
        """End the save in all processes where one failed; also the moment at which all files are there."""
        worst = torch.tensor([failed])
        dist.all_reduce(worst, op=dist.ReduceOp.MAX)
        if number := int(worst):
            raise OSError(number, os.strerror(number), str(folder))

    def _park(self) -> None:
        if self._whole is not None and self._on_device:
            self._whole.to("cpu")
            self._on_device = False


@contextmanager
def _within_calls() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if "mixed torch.Tensor and DTensor" not in str(error):
            raise
        raise SpecError(
            "with strategy fsdp a block's weights are whole only while it is called, and the network reads some of "
            "them past that. Call the block (`block(x)`), take it out of its ModuleList, or write strategy: ddp"
        ) from error


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """The entries of the module lists that have weights, inner ones first."""
    lists = [m for m in network.modules() if isinstance(m, nn.ModuleList)]
    found = {id(block): block for one in reversed(lists) for block in one}
    return [b for b in found.values() if not isinstance(b, _CONTAINERS) and any(True for _ in b.parameters())]


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(t.shape) for name, t in tensors.items()}


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
