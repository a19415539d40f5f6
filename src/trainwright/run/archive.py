"""scikit-learn objects on disk: skops with the caller's fixed list of trusted types, and bytes by content alone.

Plain skops archives hold the time of day, memory addresses and uninitialised memory, so that equal objects give
different bytes. What is written here gives equal bytes for equal objects, in any process.
"""

import hashlib
import importlib
import io
import json
import sys
import zipfile
from collections.abc import Collection
from pathlib import Path
from types import ModuleType

from trainwright.core.errors import ArtifactRefused

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip archive can state
_SCHEMA = "schema.json"
_ADAPTER = "sklearn.externals.array_api_compat.torch"


def encode(value: object) -> bytes:
    """The object as a skops archive; equal objects give equal bytes."""
    return _normalised(_skops().dumps(value))


def foreign_types(data: bytes, trusted: Collection[str]) -> list[str]:
    """The types in an archive that neither skops nor the caller trusts, sorted. Runs nothing."""
    return sorted(set(_skops().get_untrusted_types(data=data)) - set(trusted))


def decode(path: Path, trusted: Collection[str], *, refusal: str) -> object:
    """Read an archive.

    Raises:
        ArtifactRefused: the file is missing or damaged, or holds a type that is not trusted; ``refusal`` says then what
            such a file must hold.
    """
    try:
        data = path.read_bytes()
        foreign = foreign_types(data, trusted)
        if foreign:
            raise ArtifactRefused(f"{path.name} holds types that are not trusted: {', '.join(foreign)}. {refusal}")
        return _skops().loads(data, trusted=list(trusted))
    except ArtifactRefused:
        raise
    except Exception as problem:  # a damaged archive fails in any way: zip, JSON, NumPy, attribute
        raise ArtifactRefused(
            f"{path.name} is not a readable skops file ({type(problem).__name__}: {problem}). Restore it from a copy."
        ) from problem


def _skops() -> ModuleType:
    """``skops.io``, without the torch that importing it pulls in.

    skops lists every estimator by importing all of scikit-learn, whose vendored adapter for torch then loads torch: 1.2
    s instead of 0.3 s, measured. An empty package stands in for the adapter meanwhile.
    """
    if "skops.io" not in sys.modules and _ADAPTER not in sys.modules:
        stand_in = ModuleType(_ADAPTER)
        stand_in.__path__ = []
        sys.modules[_ADAPTER] = stand_in
        try:
            importlib.import_module("skops.io")
        finally:
            del sys.modules[_ADAPTER]
    return importlib.import_module("skops.io")


def _normalised(archive: bytes) -> bytes:
    """Name members by content; drop the time of day, memory addresses and padding.

    skops names members and nodes after ``id(object)``. Node ids only tell which objects were one in memory: prediction
    does not need that, and it differs between a run and its resumed twin.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        schema = json.loads(source.read(_SCHEMA))
        names: dict[str, str] = {}
        contents: dict[str, bytes] = {}
        for name in source.namelist():
            if name != _SCHEMA:
                content = _without_padding(source.read(name))
                names[name] = hashlib.blake2b(content, digest_size=16).hexdigest() + Path(name).suffix
                contents[names[name]] = content
        for name in sorted(contents):
            target.writestr(zipfile.ZipInfo(name, _FIXED_TIME), contents[name])
        text = json.dumps(_without_addresses(schema, names), separators=(",", ":"))
        target.writestr(zipfile.ZipInfo(_SCHEMA, _FIXED_TIME), text)
    return out.getvalue()


def _without_padding(npy: bytes) -> bytes:
    """Zero the bytes between the fields of records: tree nodes carry whatever memory held there."""
    import numpy as np

    if not npy.startswith(b"\x93NUMPY"):
        return npy
    array = np.load(io.BytesIO(npy), allow_pickle=False)
    if array.dtype.names is None:
        return npy
    clean = np.zeros(array.shape, array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    out = io.BytesIO()
    np.save(out, clean, allow_pickle=False)
    return out.getvalue()


def _without_addresses(node: object, names: dict[str, str]) -> object:
    if isinstance(node, dict):
        result: dict[str, object] = {}
        for key, value in node.items():
            if key == "file" and isinstance(value, str):
                result[key] = names.get(value, value)
            elif key == "_stop_words_id" and "fixed_vocabulary_" in node:
                kept = {k: v for k, v in value.items() if k != "__id__"}
                result[key] = {**kept, "content": "0"}  # a memory address: text vectorisers only compare it
            elif not (key == "__id__" and isinstance(value, int)):
                result[key] = _without_addresses(value, names)
        return result
    if isinstance(node, list):
        return [_without_addresses(value, names) for value in node]
    return node
