"""Checkpoints: folders with a state, sealed by hashes, that are whole or absent."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue
from trainwright.run.files import read_json, recover_folder, whole_folder, write_json
from trainwright.run.hashes import seal, verify_sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A verified checkpoint: the driver's ``state`` and the folder with the engine's own files."""

    state: Mapping[str, JsonValue]
    engine_folder: Path
    size_bytes: int
    seconds: float


def write_checkpoint(root: Path, name: str, state: Mapping[str, JsonValue], fill: Callable[[Path], None]) -> Checkpoint:
    """Write ``root/name`` whole: ``fill`` puts the engine's files into a folder, ``state`` goes beside it as JSON.

    Raises:
        ResourceMissing: the disk is full; the previous checkpoint stays.
    """
    began = time.perf_counter()
    target = root / name
    with whole_folder(target) as folder:
        engine = folder / "engine"
        engine.mkdir()
        fill(engine)
        write_json(folder / "state.json", {"state": state})
        seal(folder)
    size = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
    return Checkpoint(
        state=state, engine_folder=target / "engine", size_bytes=size, seconds=time.perf_counter() - began
    )


def read_checkpoint(root: Path, name: str) -> Checkpoint | None:
    """The checkpoint of that name, verified; None when there is none.

    A damaged one is put aside as ``NAME.damaged`` and counts as none: what it held is trained again.
    """
    target = root / name
    recover_folder(target)
    if not target.is_dir():
        return None
    try:
        return _verified(target)
    except ArtifactRefused:
        aside = target.with_name(f"{name}.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
        return None


def _verified(target: Path) -> Checkpoint:
    began = time.perf_counter()
    verify_sealed(target)
    state = read_json(target / "state.json").get("state")
    assert isinstance(state, Mapping), "a sealed state is a mapping"
    size = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
    return Checkpoint(
        state=state, engine_folder=target / "engine", size_bytes=size, seconds=time.perf_counter() - began
    )


def drop_checkpoints(root: Path) -> None:
    """Remove all checkpoints below a root."""
    shutil.rmtree(root, ignore_errors=True)
