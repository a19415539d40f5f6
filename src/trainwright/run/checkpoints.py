"""Checkpoints: folders with a state, sealed by hashes, that are whole or absent."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue
from trainwright.run.files import put_json, read_json, recover_folder, whole_folder
from trainwright.run.hashes import seal, verify_sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A verified checkpoint: the driver's ``state`` and the folder with the engine's own files."""

    state: Mapping[str, JsonValue]
    engine_folder: Path
    size_bytes: int
    seconds: float


def write_checkpoint(
    root: Path,
    name: str,
    state: Mapping[str, JsonValue],
    fill: Callable[[Path], None],
    *,
    label: str = "",
    keep: int = 1,
) -> Checkpoint:
    """Write ``root/name`` whole: ``fill`` puts the engine's files into a folder, ``state`` goes beside it as JSON.

    Of earlier ones the newest ``keep - 1`` stay as ``NAME-LABEL``, with the labels they were written with; labels sort
    as the checkpoints were written.

    Raises:
        ResourceMissing: the disk is full; the previous checkpoint stays.
    """
    began = time.perf_counter()
    target = root / name
    with whole_folder(target, keep_as=_kept_as(target) if keep > 1 else None) as folder:
        engine = folder / "engine"
        engine.mkdir()
        fill(engine)
        put_json(folder / "state.json", {"state": state, "label": label})
        seal(folder)
    for extra in _kept(target)[max(keep - 1, 0) :]:
        shutil.rmtree(extra, ignore_errors=True)
    size = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
    return Checkpoint(
        state=state, engine_folder=target / "engine", size_bytes=size, seconds=time.perf_counter() - began
    )


def read_checkpoint(root: Path, name: str) -> Checkpoint | None:
    """The checkpoint of that name, verified; where there is none, the newest one kept of earlier ones; or None.

    A damaged one is put aside as ``NAME.damaged`` and counts as none: what it held is trained again.
    """
    target = root / name
    recover_folder(target)
    for folder in (target, *_kept(target)):
        if not folder.is_dir():
            continue
        try:
            return _verified(folder)
        except ArtifactRefused:
            aside = folder.with_name(f"{folder.name}.damaged")
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
    return None


def _kept(target: Path) -> list[Path]:
    """Earlier checkpoints of a name, newest first."""
    if not target.parent.is_dir():
        return []
    found = [p for p in target.parent.glob(f"{target.name}-*") if p.is_dir() and p.suffix != ".damaged"]
    return sorted(found, reverse=True)


def _kept_as(target: Path) -> Path | None:
    """The name that the present checkpoint goes by once it is no longer the newest; None where there is none."""
    try:
        label = str(read_json(target / "state.json").get("label"))
    except ArtifactRefused:
        return None
    return target.with_name(f"{target.name}-{label if label.replace('-', '').isalnum() else 'earlier'}")


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
