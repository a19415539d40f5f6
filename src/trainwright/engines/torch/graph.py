"""A trained network as part of an ONNX graph: `torch.onnx.export` by way of `torch.export`, any number of rows."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from trainwright.core.errors import CannotExport
from trainwright.core.packages import first_line, needs_package
from trainwright.data.onnx_graph import OPSET, Graph
from trainwright.engines.torch.model import scoring_module
from trainwright.engines.torch.problem import STORED, Problem

_EXAMPLE_ROWS = 3  # two and more: torch.export takes a size of one for a constant


def add(folder: Path, graph: Graph, X: str, *, trust_code: bool) -> str:
    """Add the network that takes ``X``, rows as their features give them; gives the name of its predictions.

    Raises:
        CannotExport: torch cannot trace it, or ONNX has no equal of an operator.
    """
    with needs_package("onnxscript", "onnx"):
        import onnxscript  # noqa: F401 - what torch.onnx writes with
    module = scoring_module(folder, trust_code=trust_code)
    rows = example_rows(module.problem)
    try:
        with quiet():
            program = torch.onnx.export(
                module,
                (rows,),
                input_names=["X"],
                output_names=["prediction"],
                dynamic_shapes=({0: torch.export.Dim("rows")},),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        assert program is not None
        given = graph.cast(X, rows.numpy().dtype)  # rows of wide numbers are float64, which no network takes
        (output,) = graph.absorb(program.model_proto, {program.model_proto.graph.input[0].name: given})
    except Exception as error:  # torch's exporter fails in any way
        raise CannotExport(
            f"PyTorch cannot write this network as ONNX ({type(error).__name__}: {first_line(error)}). Take native"
        ) from error
    return output


def example_rows(problem: Problem) -> Tensor:
    """Rows that a network is traced with: their values do not matter, their shape and type do."""
    kind = STORED[problem.inputs.kind]
    return torch.ones((_EXAMPLE_ROWS, *problem.inputs.shape), dtype=kind)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what the exporters print and warn of; their errors stay."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
