"""Memory that is full: the ways in which torch says so, and what can be freed then."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from trainwright.core.errors import ResourceMissing
from trainwright.core.packages import first_line

_TEXTS = (
    "DefaultCPUAllocator: can't allocate memory",  # torch 2.13 on Linux, seen under RLIMIT_AS
    "DefaultCPUAllocator: not enough memory",  # the same allocator on Windows
    "out of memory",  # CUDA's runtime and MPS, where torch has no class of its own for it
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_full(error: BaseException) -> bool:
    """Whether an error says that memory is full: that of a device, or the process's own."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS)


class StepTooLarge(ResourceMissing):
    """Memory is full, and the step's update has not begun; the message is the first line of what was said."""


@contextmanager
def step_too_large() -> Iterator[None]:
    """Around what comes before an update.

    Raises:
        StepTooLarge: memory is full. The error that said so is gone with the tensors it held.
    """
    said = ""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_full(error):
            raise
        said = first_line(error)
    if said:
        raise StepTooLarge(said)


def release(device: torch.device) -> None:
    """Give back what a failed pass has left; to be called when its error is gone, which holds its tensors."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


class Buffers:
    """What a forward pass changes beside gradients (running statistics), kept so that a step can be taken again.

    Which of a network's buffers those are is seen in the first step, by their values: batch norm's kernels do not
    count up a tensor's version. A table of positions is then not copied each time.
    """

    def __init__(self, network: nn.Module) -> None:
        self._owned: list[tuple[nn.Module, str]] = [
            (module, name) for module in network.modules() for name, _ in module.named_buffers(recurse=False)
        ]
        self._kept: list[tuple[Tensor, Tensor]] = []  # the buffer, its copy
        self._known = not self._owned

    def keep(self) -> None:
        """Before a step."""
        if not self._owned:
            return
        if self._kept and not self._known:
            pairs = zip(self._owned, self._kept, strict=True)
            self._owned = [one for one, (_, copy) in pairs if not torch.equal(_of(one), copy)]
            self._kept, self._known = [], True
        present = [_of(one) for one in self._owned]
        if len(self._kept) != len(present) or any(a is not b for (a, _), b in zip(self._kept, present, strict=True)):
            self._kept = [(tensor, tensor.clone()) for tensor in present]
        elif present:
            torch._foreach_copy_([copy for _, copy in self._kept], present)

    def put_back(self) -> None:
        """As they were before the step that failed."""
        for (module, name), (tensor, copy) in zip(self._owned, self._kept, strict=True):
            tensor.copy_(copy)
            module._buffers[name] = tensor


def _of(one: tuple[nn.Module, str]) -> Tensor:
    tensor = one[0]._buffers[one[1]]
    assert tensor is not None
    return tensor
