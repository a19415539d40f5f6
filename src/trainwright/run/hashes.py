"""Content hashes: of files, of folders, of JSON values."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import dumps
from trainwright.run.files import put_json, read_json

HASHES = "hashes.json"


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_value(value: object) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()


def folder_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by relative path; the hash list itself is left out."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != HASHES)
    return {p.relative_to(folder).as_posix(): sha256_file(p) for p in files}


def seal(folder: Path) -> str:
    """Write ``hashes.json`` into the folder of a `whole_folder` and return the digest over all its files."""
    hashes = folder_hashes(folder)
    put_json(folder / HASHES, {"sha256": hashes})
    return sha256_value(hashes)


def verify_sealed(folder: Path) -> str:
    """Check every file of a sealed folder before anything parses one; returns the folder's digest.

    Raises:
        ArtifactRefused: a file is missing, extra or changed; the message names it.
    """
    listed = read_json(folder / HASHES).get("sha256")
    if not isinstance(listed, Mapping):
        raise ArtifactRefused(f"{folder / HASHES} holds no hashes")
    found = folder_hashes(folder)
    for name in sorted({*listed, *found}):
        if name not in found:
            raise ArtifactRefused(f"{folder / name} is missing; the folder is damaged")
        if name not in listed:
            raise ArtifactRefused(f"{folder / name} is not in {HASHES}; somebody added it")
        if listed[name] != found[name]:
            raise ArtifactRefused(
                f"{folder / name} changed since it was written: sha256 {found[name][:12]}..., "
                f"expected {str(listed[name])[:12]}..."
            )
    return sha256_value(found)
