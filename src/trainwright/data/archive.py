"""Fitted transformers on disk: skops with a fixed list of trusted types, and bytes that depend on content only."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

from trainwright.core.errors import ArtifactRefused

TRUSTED = (
    "numpy.dtype",  # the dtype parameter of encoders
    "sklearn.utils._encode.MissingValues",  # OrdinalEncoder and OneHotEncoder with missing values among categories
    "scipy.sparse._csr.csr_matrix",
)
"""Every type beyond skops' own list that scikit-learn's transformers need. Nothing adds to it at run time."""

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip archive can state
_SCHEMA = "schema.json"


def encode(transformer: object) -> bytes:
    """The transformer as bytes: equal transformers give equal bytes, in any process.

    Raises:
        ArtifactRefused: it holds a type outside `TRUSTED`, so that `decode` would refuse it.
    """
    import skops.io

    data = _normalised(skops.io.dumps(transformer))
    _refuse_foreign(data, "the feature pipeline")
    return data


def decode(path: Path) -> object:
    """Read a transformer from a skops file, a fitted one or a user's.

    Raises:
        ArtifactRefused: the file is missing, damaged, or holds a type outside `TRUSTED`.
    """
    import skops.io

    try:
        data = path.read_bytes()
        _refuse_foreign(data, path.name)
        return skops.io.loads(data, trusted=list(TRUSTED))
    except ArtifactRefused:
        raise
    except Exception as problem:  # a damaged archive fails in any way: zip, JSON, NumPy, attribute
        raise ArtifactRefused(
            f"{path}: a skops file with a scikit-learn transformer is required, and it cannot be read "
            f"({type(problem).__name__}: {problem}). Restore it from a copy."
        ) from problem


def _refuse_foreign(data: bytes, what: str) -> None:
    import skops.io

    foreign = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED))
    if foreign:
        raise ArtifactRefused(
            f"{what} holds types that are not trusted: {', '.join(foreign)}. "
            "Build it from scikit-learn's own transformers: only these are stored and loaded without running code."
        )


def _normalised(archive: bytes) -> bytes:
    """Name members by content; drop the time of day and memory addresses.

    skops names members and nodes after ``id(object)``. Node ids only tell which objects were one in memory, which no
    transformer needs.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        schema = json.loads(source.read(_SCHEMA))
        names: dict[str, str] = {}
        contents: dict[str, bytes] = {}
        for name in source.namelist():
            if name != _SCHEMA:
                content = source.read(name)
                names[name] = hashlib.blake2b(content, digest_size=16).hexdigest() + Path(name).suffix
                contents[names[name]] = content
        for name in sorted(contents):
            target.writestr(zipfile.ZipInfo(name, _FIXED_TIME), contents[name])
        text = json.dumps(_renamed(schema, names), separators=(",", ":"))
        target.writestr(zipfile.ZipInfo(_SCHEMA, _FIXED_TIME), text)
    return out.getvalue()


def _renamed(node: object, names: dict[str, str]) -> object:
    if isinstance(node, dict):
        result: dict[str, object] = {}
        for key, value in node.items():
            if key == "file" and isinstance(value, str):
                result[key] = names.get(value, value)
            elif key == "_stop_words_id" and "fixed_vocabulary_" in node:
                kept = {k: v for k, v in value.items() if k != "__id__"}
                result[key] = {**kept, "content": "0"}  # a memory address: text vectorisers only compare it
            elif not (key == "__id__" and isinstance(value, int)):
                result[key] = _renamed(value, names)
        return result
    if isinstance(node, list):
        return [_renamed(value, names) for value in node]
    return node
