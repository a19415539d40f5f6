"""Where training rows live, and what memory there is."""

from math import prod

import torch

from trainwright.core.findings import Finding, Severity
from trainwright.engines.contract import Table
from trainwright.engines.torch.batches import DeviceRows, Source, StreamedRows
from trainwright.engines.torch.problem import STORED, Problem
from trainwright.engines.torch.recipe import Recipe

_SHARE = 0.4  # assumption: what rows may take of the free memory; weights, activations and evaluation need the rest


def place(table: Table, problem: Problem, device: torch.device, recipe: Recipe) -> tuple[Source, Finding]:
    """Rows on the device where they fit, else streamed from host memory; the result is the same bit for bit."""
    size, free = _size(table, problem), free_memory(device)
    resident = is_resident(table, problem, device, recipe)
    source: Source
    if resident:
        source = DeviceRows(table, problem, device, recipe.augment, channels_last=recipe.channels_last)
    else:
        source = streamed(table, problem, device, recipe)
    chosen = "because the spec says so" if recipe.data_on != "auto" else f"{free / 2**20:,.0f} MiB are free there"
    where = f"kept on {device}" if resident else f"streamed to {device} by {recipe.num_workers} workers"
    return source, Finding(
        code="torch.data_on",
        severity=Severity.INFO,
        where="training.data_on",
        what=f"{size / 2**20:,.1f} MiB of training rows are {where} ({chosen})",
        evidence={"bytes": size, "free_bytes": free, "resident": resident},
    )


def is_resident(table: Table, problem: Problem, device: torch.device, recipe: Recipe) -> bool:
    """Whether rows are kept on the device."""
    if recipe.data_on == "auto":
        return _size(table, problem) <= _SHARE * free_memory(device)
    return recipe.data_on == "device"


def streamed(table: Table, problem: Problem, device: torch.device, recipe: Recipe) -> StreamedRows:
    """Rows that stay where they are until their batch comes."""
    return StreamedRows(
        table, problem, device, recipe.augment, channels_last=recipe.channels_last, workers=recipe.num_workers
    )


def _size(table: Table, problem: Problem) -> int:
    return int(table.rows * prod(problem.inputs.shape) * STORED[problem.inputs.kind].itemsize)


def free_memory(device: torch.device) -> int:
    """Free bytes of a device."""
    import psutil

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
