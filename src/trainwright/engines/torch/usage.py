"""What a training takes of the machine: processor, memory, and how much of the time the GPU works."""

import importlib.util
import time

import torch

from trainwright.core.findings import Finding, Severity


class Usage:
    """Read once a unit: each reading is about the time since the one before it."""

    def __init__(self, device: torch.device) -> None:
        import psutil

        self._device = device
        self._process = psutil.Process()
        self._measures_use = device.type == "cuda" and importlib.util.find_spec("pynvml") is not None
        self._began, self._worked = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """``cpu_percent`` (100 for one core), ``rss_bytes``; on CUDA ``gpu_bytes``, ``gpu_peak_bytes`` and, where it is
        measured, ``device_use_percent``: the share of the last second in which a kernel ran."""
        now, worked = time.perf_counter(), time.process_time()
        wall = max(now - self._began, 1e-9)
        values = {
            "cpu_percent": 100.0 * (worked - self._worked) / wall,
            "rss_bytes": float(self._process.memory_info().rss),
        }
        self._began, self._worked = now, worked
        if self._device.type == "cuda":
            values["gpu_bytes"] = float(torch.cuda.memory_allocated(self._device))
            values["gpu_peak_bytes"] = float(torch.cuda.max_memory_allocated(self._device))
            if self._measures_use:
                values["device_use_percent"] = float(torch.cuda.utilization(self._device))
        return values

    def findings(self) -> list[Finding]:
        """Say where the use of a GPU cannot be measured."""
        if self._device.type != "cuda" or self._measures_use:
            return []
        return [
            Finding(
                code="torch.use_not_measured",
                severity=Severity.INFO,
                where="training.device",
                what="how much of the time the GPU works is not measured: nvidia-ml-py is not installed",
                why="Whether it waits for its data is measured all the same",
                fix="pip install nvidia-ml-py",
            )
        ]
