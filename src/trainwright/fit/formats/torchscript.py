"""TorchScript, for programs that load nothing else. PyTorch has deprecated it, and loading one runs code it holds.

It is traced on golden rows, and takes what the features give, which lie beside it.
"""

import os
import warnings
from pathlib import Path

from trainwright.core import registry
from trainwright.core.errors import CannotExport
from trainwright.core.packages import first_line
from trainwright.engines.contract import GivesModule
from trainwright.fit.formats.contract import FLOAT, Delivered, Written, matrix_input
from trainwright.fit.formats.torch_export import modules_mean

SUMMARY = "TorchScript (deprecated by PyTorch), for programs that load nothing else; torch_export is its successor"
SAFE = False
EXTRA = "torch"

_FILE = "model.pt"
_NOTE = "the script takes the output of the features, which lie beside it; PyTorch has deprecated the format"


def engines() -> tuple[str, ...]:
    """Those whose models are modules."""
    return tuple(name for name in registry.names("engines") if isinstance(registry.load("engines", name), GivesModule))


def write(model: Delivered, folder: Path) -> Written:
    """Write ``model.pt``.

    Raises:
        CannotExport: torch cannot trace the network.
        ResourceMissing: torch is missing.
    """
    module, inputs = modules_mean(model), tuple(matrix_input(i, m.rows) for i, m in enumerate(model.members))
    import torch

    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.detach().clone()  # views of one storage are written so that they cannot be read again
    rows = tuple(torch.from_numpy(m.rows[:3]) for m in model.members)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # every call of torch.jit says that it is deprecated
            script = torch.jit.trace(module, rows, check_trace=False)  # type: ignore[no-untyped-call]
            script.save(os.fspath(folder / _FILE))
    except Exception as error:  # tracing fails in any way
        raise CannotExport(
            f"TorchScript cannot trace this network ({type(error).__name__}: {first_line(error)}). Take torch_export"
        ) from error
    return Written(file=_FILE, inputs=inputs, features="beside", runtime=("torch",), tolerance=FLOAT, notes=(_NOTE,))
