"""What a training takes of the machine: processor, memory, and how much of the time the GPU works."""

import importlib.util

import torch

from trainwright.core.findings import Finding, Severity
from trainwright.core.usage import ProcessUsage


class Usage:
    """Read once a unit: each reading is about the time since the one before it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._process = ProcessUsage()
        self._measures_use = device.type == "cuda" and importlib.util.find_spec("pynvml") is not None

    def read(self) -> dict[str, float]:
        """``cpu_percent`` (100 for one core), ``rss_bytes``; on CUDA ``gpu_bytes``, ``gpu_peak_bytes`` and, where it is
        measured, ``device_use_percent``: the share of the last second in which a kernel ran."""
        values = self._process.read()
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
