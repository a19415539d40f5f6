"""What PyTorch's two formats share: the members as one module, rows to trace it with, and the words when it cannot be.

Both take what the features give, which lie beside the file.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.core import registry
from trainwright.core.errors import CannotExport
from trainwright.core.packages import first_line
from trainwright.engines.contract import GivesModule
from trainwright.fit.formats.contract import FLOAT, Delivered, ExportInput, Written, matrix_input

if TYPE_CHECKING:
    from torch import Tensor, nn

_TRACED_ROWS = 3  # golden rows that a network is traced with: more than one, so that their number stays free


@dataclass(frozen=True, slots=True, kw_only=True)
class Traceable:
    """One module over the members, its inputs, and a tensor of a few rows for each."""

    module: "nn.Module"
    inputs: tuple[ExportInput, ...]
    rows: "tuple[Tensor, ...]"

    def written(self, file: str, note: str) -> Written:
        """What is to be said of the file."""
        return Written(
            file=file, inputs=self.inputs, features="beside", runtime=("torch",), tolerance=FLOAT, notes=(note,)
        )


def engines() -> tuple[str, ...]:
    """Those whose models are modules."""
    return tuple(name for name in registry.names("engines") if isinstance(registry.load("engines", name), GivesModule))


def traceable(model: Delivered) -> Traceable:
    """The module, in evaluation mode on the CPU: a matrix a member in, the mean of their predictions out.

    Raises:
        CannotExport: the engine's models are no modules, or this one cannot be one.
        ResourceMissing: torch is missing.
    """
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

    return Traceable(
        module=Mean().eval(),
        inputs=tuple(matrix_input(number, one.rows) for number, one in enumerate(model.members)),
        rows=tuple(torch.from_numpy(one.rows[:_TRACED_ROWS]) for one in model.members),
    )


@contextmanager
def tracing(tracer: str, *, instead: str) -> Iterator[None]:
    """Around a trace, without torch's warnings: of weights that recurrent layers keep twice, of deprecated calls.

    Raises:
        CannotExport: the tracer cannot follow the network.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # tracing fails in any way
        raise CannotExport(
            f"{tracer} cannot trace this network ({type(error).__name__}: {first_line(error)}). Take {instead}"
        ) from error
