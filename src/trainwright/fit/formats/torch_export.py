"""PyTorch's ``.pt2``: the network as a graph of operators, for any number of rows; the file holds no Python code.

It takes what the features give, which lie beside it.
"""

import os
from pathlib import Path

from trainwright.core.errors import CannotExport
from trainwright.fit.formats._torch import engines as engines
from trainwright.fit.formats._torch import traceable, tracing
from trainwright.fit.formats.contract import Delivered, Written

SUMMARY = "PyTorch's exported program (.pt2); runs with PyTorch alone, and compiles ahead of time"
SAFE = True
EXTRA = "torch"

_FILE = "model.pt2"
_NOTE = "the program takes the output of the features, which lie beside it"


def write(model: Delivered, folder: Path) -> Written:
    """Write ``model.pt2``.

    Raises:
        CannotExport: torch cannot trace the network.
        ResourceMissing: torch is missing.
    """
    given = traceable(model)
    if len(given.rows[0]) < 2:
        raise CannotExport("a program for any number of rows is traced with two rows or more, and there is one")
    import torch

    count = torch.export.Dim("rows")
    with tracing("torch.export", instead="native"):
        program = torch.export.export(given.module, given.rows, dynamic_shapes=(tuple({0: count} for _ in given.rows),))
        torch.export.save(program, os.fspath(folder / _FILE))
    return given.written(_FILE, _NOTE)
