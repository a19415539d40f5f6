"""Memory that a training frees and asks for again in every step: kept by the process, not given back in between."""

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# Numbers of mallopt(3), from glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
# What glibc's own moving thresholds come to at most (mallopt(3): 32 MB on 64 bits, and twice that for trimming). They
# cannot be read, and move no more once one was set, so this is what is put back.
_MOVED_MMAP, _MOVED_TRIM = 32 << 20, 64 << 20
_MMAPS = 65_536  # glibc's default
_NEVER = (1 << 31) - 1


@contextmanager
def kept_memory(device: torch.device) -> Iterator[None]:
    """Keep freed memory in the process while a network trains on the CPU.

    glibc gives large blocks back to the system as soon as they are free, so that every activation of every step costs
    page faults: where it happens they are a third of the time of a small convolutional network (2.34 s an epoch for
    1.57, measured). At the end all of it is given back. Elsewhere than on the CPU and glibc, and where the environment
    sets malloc's thresholds, nothing is done.
    """
    libc = _glibc() if device.type == "cpu" else None
    if libc is None:
        yield
        return
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, _MMAPS)
        libc.mallopt(_MMAP_THRESHOLD, _MOVED_MMAP)
        libc.mallopt(_TRIM_THRESHOLD, _MOVED_TRIM)
        libc.malloc_trim(0)


def _glibc() -> Any:
    chosen = any(name.startswith("MALLOC_") and name.endswith("_") for name in os.environ)
    if platform.libc_ver()[0] != "glibc" or chosen or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return None
    return ctypes.CDLL(None)
