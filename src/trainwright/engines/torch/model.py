"""The model as files: what `export` writes, and a predictor read back from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.building import bare_network
from trainwright.engines.torch.device import pinned_threads
from trainwright.engines.torch.files import (
    MODEL_JSON,
    load_weights,
    read_document,
    read_tensors,
    write_document,
    write_tensors,
)
from trainwright.engines.torch.predictions import Evaluator, readable
from trainwright.engines.torch.problem import STORED, Problem, problem_from

if TYPE_CHECKING:
    from trainwright.engines.contract import Floats, Matrix

_CODE = "own"  # the network file that runs what its parameters hold
_WEIGHTS = "model.safetensors"


def write_model(
    folder: Path, weights: Mapping[str, Tensor], problem: Problem, facts: Mapping[str, JsonValue], *, network: str
) -> None:
    """Write the weights to predict with, and ``model.json`` with all that rebuilds the network around them."""
    write_tensors(folder / _WEIGHTS, weights)
    write_document(folder, MODEL_JSON, {"network": network, "problem": problem.to_json(), **facts}, (_WEIGHTS,))


def load_model(folder: Path, *, trust_code: bool = False) -> "LoadedModel":
    """Read what `write_model` wrote.

    Raises:
        ArtifactRefused: damaged, for another version with other networks, or code that is not trusted.
    """
    network, problem, document = _read(folder, trust_code=trust_code)
    return LoadedModel(
        Evaluator(network, problem, torch.device("cpu"), block=int(document["block"])), int(document["threads"])
    )


def load_network(folder: Path, *, trust_code: bool = False) -> tuple[nn.Module, Problem]:
    """The network with its weights, on the CPU, and the question it answers; errors as `load_model`."""
    network, problem, _ = _read(folder, trust_code=trust_code)
    return network, problem


class LoadedModel:
    """A trained network that only predicts, with the threads it was trained with."""

    def __init__(self, evaluator: Evaluator, threads: int) -> None:
        self._evaluator, self._threads = evaluator, threads

    def predict(self, X: "Matrix") -> "Floats":
        """See `trainwright.engines.contract.Model`."""
        with pinned_threads(self._threads):
            return self._evaluator.predict(X)

    def next_token(self, ids: "Floats") -> "Floats":
        """See `trainwright.engines.contract.Continues`."""
        with pinned_threads(self._threads):
            return self._evaluator.next_token(ids)


class Scoring(nn.Module):
    """A trained network with what makes predictions of its scores, as one module: rows in, predictions out.

    Rows come as their features give them: tables float32, images uint8, ids int32. A language model's predictions are
    nats a row.
    """

    def __init__(self, network: nn.Module, problem: Problem) -> None:
        super().__init__()
        self.network = network
        self.problem = problem

    def forward(self, x: Tensor) -> Tensor:
        """(rows, ...) -> (rows, classes) or (rows,), float64."""
        ids = self.problem.inputs.kind in ("tokens", "language")
        given = x.long() if ids else x.to(STORED[self.problem.inputs.kind])
        return readable(self.network(given), given, self.problem)


def scoring_module(folder: Path, *, trust_code: bool = False) -> Scoring:
    """The model in a folder as one module that depends on nothing here once it is traced.

    Raises:
        ArtifactRefused: as `load_model`.
    """
    network, problem, _ = _read(folder, trust_code=trust_code)
    return Scoring(network.eval(), problem).eval()


def _read(folder: Path, *, trust_code: bool) -> tuple[nn.Module, Problem, dict[str, Any]]:
    """The network with its weights, its question, and ``model.json``."""
    document = read_document(folder, MODEL_JSON)
    path = folder / MODEL_JSON
    if document.get("network") == _CODE and not trust_code:
        raise ArtifactRefused(
            f"{path} holds a network as Python code, which is not run unasked. Allow it if you trust it"
        )
    try:
        problem = problem_from(document["problem"])
        int(document["threads"]), int(document["block"])
        params, name = document["params"], str(document["network"])
        if not isinstance(params, dict):
            raise TypeError("params is no mapping")
        network = bare_network(name, params, problem, seed=0)
    except (KeyError, TypeError, ValueError, RuntimeError, SpecError) as error:
        raise ArtifactRefused(f"{path} describes no network of this version: {error}") from error
    load_weights(network, read_tensors(folder / _WEIGHTS), folder / _WEIGHTS)
    return network, problem, document
