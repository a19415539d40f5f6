"""PyTorch's ``.pt2``: the network as a graph of operators, for any number of rows; the file holds no Python code.

It takes what the features give, which lie beside it.
"""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core import registry
from trainwright.core.errors import CannotExport
from trainwright.core.packages import first_line
from trainwright.engines.contract import GivesModule
from trainwright.fit.formats.contract import FLOAT, Delivered, Written, matrix_input

if TYPE_CHECKING:
    from torch import nn

SUMMARY = "PyTorch's exported program (.pt2); runs with PyTorch alone, and compiles ahead of time"
SAFE = True
EXTRA = "torch"

_FILE = "model.pt2"
_BESIDE = "the program takes the output of the features, which lie beside it"


def engines() -> tuple[str, ...]:
    """Those whose models are modules."""
    return tuple(name for name in registry.names("engines") if isinstance(registry.load("engines", name), GivesModule))


def write(model: Delivered, folder: Path) -> Written:
    """Write ``model.pt2``.

    Raises:
        CannotExport: torch cannot trace the network.
        ResourceMissing: torch is missing.
    """
    module, inputs = modules_mean(model), tuple(matrix_input(i, m.rows) for i, m in enumerate(model.members))
    import torch

    rows = tuple(torch.from_numpy(m.rows[:3]) for m in model.members)
    if len(rows[0]) < 2:
        raise CannotExport("a program for any number of rows is traced with two rows or more, and there is one")
    count = torch.export.Dim("rows")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of weights that recurrent layers keep twice
            program = torch.export.export(module, rows, dynamic_shapes=(tuple({0: count} for _ in rows),))
            torch.export.save(program, os.fspath(folder / _FILE))
    except Exception as error:  # tracing fails in any way
        raise CannotExport(
            f"torch.export cannot trace this network ({type(error).__name__}: {first_line(error)}). Take native"
        ) from error
    return Written(file=_FILE, inputs=inputs, features="beside", runtime=("torch",), tolerance=FLOAT, notes=(_BESIDE,))


def modules_mean(model: Delivered) -> "nn.Module":
    """One module over the members: a matrix each in, the mean of their predictions out."""
    engine = registry.load("engines", model.engine)
    if not isinstance(engine, GivesModule):
        raise CannotExport(f"models of the engine {model.engine} are no PyTorch modules")
    members = [engine.scoring_module(one.model, trust_code=model.holds_code) for one in model.members]
    import torch

    class Mean(torch.nn.Module):
        """The mean of several models."""

        def __init__(self) -> None:
            super().__init__()
            self.members = torch.nn.ModuleList(members)

        def forward(self, *matrices: torch.Tensor) -> torch.Tensor:
            """See the class."""
            found = [member(X) for member, X in zip(self.members, matrices, strict=True)]
            return found[0] if len(found) == 1 else torch.stack(found).mean(0)

    return Mean().eval()
