"""What the machine must have: disk, memory, the threads asked for, the device asked for."""

import os
import shutil
import sys
from pathlib import Path

from trainwright.checks.contract import CheckResult, not_checked, plain_result
from trainwright.core.findings import Finding, Severity

DISK, MEMORY, THREADS, DEVICE = "disk_space", "memory", "threads", "device"
DISK_BASE = 200 * 2**20  # bytes for model, checkpoints, plots and reports (assumption)
DISK_SHARE = 0.5  # of the data's size goes to stored predictions, split and features (assumption)
MEMORY_TIMES = 2.0  # of the data's size more while training: the feature matrix and the engine's own copy (assumption)
GB = 2**30


def check_disk(folder: Path, data_bytes: int) -> CheckResult:
    """Compare the free space where the run folder will be with what a run writes."""
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    free, needed = shutil.disk_usage(existing).free, int(DISK_BASE + DISK_SHARE * data_bytes)
    saw = f"{free / GB:.1f} GB free for the run folder, about {needed / GB:.2f} GB needed."
    what = f"a run needs about {needed / GB:.2f} GB of disk, {free / GB:.2f} GB are free"
    fix = "Free some space, or choose another folder with --out"
    return plain_result(DISK, "environment", saw, [_short("disk", what, fix)] if free < needed else [])


def check_memory(data_bytes: int, available: int | None = None) -> CheckResult:
    """Compare the memory that is free with what training takes; ``available`` in bytes, by default as measured."""
    free = _available_memory() if available is None else available
    needed = int(MEMORY_TIMES * data_bytes)
    saw = f"{free / GB:.1f} GB of memory available, about {needed / GB:.2f} GB needed."
    what = f"training needs about {needed / GB:.2f} GB more memory, {free / GB:.2f} GB are available"
    fix = "Use a larger machine, or fewer rows or columns"
    return plain_result(MEMORY, "environment", saw, [_short("memory", what, fix)] if free < needed else [])


def check_threads(threads: int) -> CheckResult:
    """Compare the threads asked for with the processors this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    saw = f"{threads} threads asked for, {usable} processors usable."
    if threads <= usable:
        return plain_result(THREADS, "environment", saw)
    finding = Finding(
        code="environment.threads",
        severity=Severity.WARNING,
        where="training.threads",
        what=f"{threads} threads on {usable} processors",
        why="Threads that wait for a processor can make training many times slower.",
        fix=f"Set training.threads: {usable}",
    )
    return plain_result(THREADS, "environment", saw, [finding])


def check_device(device: str) -> CheckResult:
    """Look whether the device is there (``cpu``, ``cuda``, ``cuda:1``, ``mps``)."""
    kind, _, number = device.partition(":")
    if kind in ("cpu", "auto"):
        return plain_result(DEVICE, "environment", f"Device {device}: always there.")
    if kind == "cuda" and sys.platform.startswith("linux"):
        folder = Path("/proc/driver/nvidia/gpus")
        count = sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
        saw = f"{count} NVIDIA devices."
        if int(number or 0) < count:
            return plain_result(DEVICE, "environment", saw)
        return plain_result(
            DEVICE,
            "environment",
            saw,
            [
                _short(
                    "device",
                    f"{device} is asked for, {count} NVIDIA devices are there",
                    "Set training.device: cpu or auto",
                )
            ],
        )
    if kind == "mps" and sys.platform != "darwin":
        what = "mps is asked for, which only Apple computers have"
        return plain_result(
            DEVICE,
            "environment",
            "Not an Apple computer.",
            [_short("device", what, "Set training.device: cpu or auto")],
        )
    return not_checked(DEVICE, "environment", f"How to find {device} on {sys.platform} is not known here.")


def _available_memory() -> int:
    """Bytes that can be had: the machine's, or what the container's limit leaves."""
    import psutil

    free = int(psutil.virtual_memory().available)
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and (text := limit.read_text().strip()).isdigit():
        free = min(free, max(int(text) - int(used.read_text()), 0))
    return free


def _short(what_kind: str, what: str, fix: str) -> Finding:
    return Finding(code=f"environment.{what_kind}", severity=Severity.ERROR, where=what_kind, what=what, fix=fix)
