"""What a training writes: a state to go on from, and a model to predict with. Safetensors, and JSON beside them.

Every file is held against its hash before anything parses it; the JSON document holds a hash of itself.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.engines._native_files import MODEL_JSON, STATE_JSON, checked_bytes, file_hash

_FORMAT = 1


def on_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies in host memory: they stay as they are, and share nothing (safetensors refuses tensors that do)."""
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors of any device; equal ones give equal bytes (safetensors sorts by type and name; no metadata)."""
    from safetensors.torch import save

    path.write_bytes(save(on_host(tensors)))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors whose file was held against its hash.

    Raises:
        ArtifactRefused: it is no safetensors file all the same.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(path.read_bytes())
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactRefused(f"{path} cannot be read: {error}") from error


def write_document(folder: Path, name: str, values: Mapping[str, JsonValue], files: tuple[str, ...]) -> None:
    """Write ``state.json`` or ``model.json`` with the hashes of the files beside it and of itself."""
    hashes = {file: file_hash(folder / file) for file in files}
    body = {"format": _FORMAT, "engine": "torch", "files": hashes, **values}
    text = dumps({**body, "sha256": _own_hash(json.loads(dumps(body)))}, indent=2)
    (folder / name).write_text(text + "\n", encoding="utf-8")


def read_document(folder: Path, name: str) -> dict[str, Any]:
    """Read what `write_document` wrote, all files held against their hashes.

    Raises:
        ArtifactRefused: missing, damaged, or of another engine or format.
    """
    path = folder / name
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactRefused(f"cannot read {path}: {error}") from error
    if not isinstance(document, dict) or (document.get("format"), document.get("engine")) != (_FORMAT, "torch"):
        raise ArtifactRefused(f"{path} was not written by the torch engine in format {_FORMAT}")
    own, files = document.pop("sha256", None), document.get("files")
    if own != _own_hash(document) or not isinstance(files, dict) or any(Path(f).name != f for f in files):
        raise ArtifactRefused(f"{path} is damaged: its content does not have the hash it states")
    for file, expected in files.items():
        checked_bytes(folder / file, str(expected))
    return document


def check_identity(document: Mapping[str, Any], identity: Mapping[str, JsonValue], folder: Path) -> None:
    """Hold a state against the training that wants to go on from it.

    Raises:
        ArtifactRefused: it belongs to another one; the message names what differs.
    """
    saved, wanted = document.get("identity"), json.loads(dumps(identity))
    if not isinstance(saved, dict):
        raise ArtifactRefused(f"{folder / STATE_JSON} is damaged: it has no identity")
    different = sorted(k for k in {*saved, *wanted} if saved.get(k) != wanted.get(k))
    if different:
        said = "; ".join(f"{k}: saved {saved.get(k)!r}, now {wanted.get(k)!r}" for k in different)
        raise ArtifactRefused(f"{folder / STATE_JSON} belongs to another training ({said}). Start the run anew")


def load_weights(network: torch.nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put weights into a network, every one of them.

    Raises:
        ArtifactRefused: they are those of another network.
    """
    try:
        network.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise ArtifactRefused(f"{path} holds the weights of another network: {first}") from error


def _own_hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(dumps(body).encode()).hexdigest()


__all__ = [
    "MODEL_JSON",
    "STATE_JSON",
    "check_identity",
    "load_weights",
    "on_host",
    "read_document",
    "read_tensors",
    "write_document",
    "write_tensors",
]
