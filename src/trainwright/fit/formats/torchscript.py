"""TorchScript, for programs that load nothing else. PyTorch has deprecated it, and loading one runs code it holds.

It is traced on golden rows, and takes what the features give, which lie beside it.
"""

import os
from pathlib import Path

from trainwright.fit.formats._torch import engines as engines
from trainwright.fit.formats._torch import traceable, tracing
from trainwright.fit.formats.contract import Delivered, Written

SUMMARY = "TorchScript (deprecated by PyTorch), for programs that load nothing else; torch_export is its successor"
SAFE = False
EXTRA = "torch"

_FILE = "model.pt"
_NOTE = "the script takes the output of the features, which lie beside it; PyTorch has deprecated the format"


def write(model: Delivered, folder: Path) -> Written:
    """Write ``model.pt``.

    Raises:
        CannotExport: torch cannot trace the network.
        ResourceMissing: torch is missing.
    """
    given = traceable(model)
    import torch

    for tensor in (*given.module.parameters(), *given.module.buffers()):
        tensor.data = tensor.detach().clone()  # views of one storage are written so that they cannot be read again
    with tracing("TorchScript", instead="torch_export"), torch.inference_mode():
        script = torch.jit.trace(given.module, given.rows, check_trace=False)  # type: ignore[no-untyped-call]
        script.save(os.fspath(folder / _FILE))
    return given.written(_FILE, _NOTE)
