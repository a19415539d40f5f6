"""Writes that are whole or absent: temporary file beside the target, flush, fsync, rename, fsync of the folder."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainwright.core.errors import ArtifactRefused, ResourceMissing
from trainwright.core.jsonable import JsonValue, dumps


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file in one step.

    Raises:
        ResourceMissing: the disk is full or the folder cannot be written; an earlier file stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ResourceMissing(f"cannot write {path}: {error.strerror or error}. {_free_space(path.parent)}") from error


def write_text(path: Path, text: str) -> None:
    """Replace a UTF-8 text file in one step; errors as `write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file in one step; keys sorted, so equal values give equal bytes."""
    write_text(path, _json_text(value))


def put_json(path: Path, value: object) -> None:
    """Write a JSON file as `write_json` does into the folder of a `whole_folder`, which makes it durable itself."""
    path.write_text(_json_text(value), encoding="utf-8")


def read_json(path: Path) -> dict[str, JsonValue]:
    """Read a JSON object.

    Raises:
        ArtifactRefused: the file is absent, damaged, or no object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactRefused(f"{path} is missing. Is {path.parent} a complete run folder?") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArtifactRefused(f"{path} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise ArtifactRefused(f"{path} must hold a JSON object, got {type(value).__name__}")
    return value


@contextmanager
def whole_folder(target: Path, *, keep_as: Path | None = None) -> Iterator[Path]:
    """Fill a temporary folder, then put it in the target's place.

    An existing target is moved aside first and deleted last (or kept, under the name ``keep_as``), so that at every
    moment one complete folder exists under ``target`` or ``.NAME.old``; `recover_folder` puts the latter back.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    old = _aside(target)
    fresh.mkdir()
    try:
        yield fresh
        for path in sorted(fresh.rglob("*")):
            if path.is_file():
                sync_file(path)
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        fresh.rename(target)
        sync_folder(target.parent)
        if keep_as is not None and old.exists():
            shutil.rmtree(keep_as, ignore_errors=True)
            old.rename(keep_as)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if old.exists():
            shutil.rmtree(target, ignore_errors=True)
            old.rename(target)
        raise ResourceMissing(
            f"cannot write {target}: {error.strerror or error}. {_free_space(target.parent)}"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def recover_folder(target: Path) -> None:
    """Finish what a killed `whole_folder` left: bring back the previous folder, drop temporary ones."""
    old = _aside(target)
    if not target.exists() and old.exists():
        old.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    if target.parent.is_dir():
        for left in target.parent.glob(f".{target.name}.*.tmp"):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def drop_temporary(root: Path) -> None:
    """Remove what writes of a killed process left below a folder; nobody else may be writing there."""
    for left in sorted(root.rglob(".*.tmp")):
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _json_text(value: object) -> str:
    return dumps(value, indent=2) + "\n"


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _free_space(folder: Path) -> str:
    try:
        return f"Free space there: {shutil.disk_usage(folder).free:,} bytes."
    except OSError:
        return ""
