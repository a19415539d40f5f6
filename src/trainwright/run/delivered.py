"""The delivered model where somebody has it: in a run folder, or in a ``handoff/`` folder alone."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue
from trainwright.run.files import read_json, whole_folder, write_bytes
from trainwright.run.folder import RunFolder, open_run
from trainwright.run.hashes import sha256_file
from trainwright.run.manifest import HANDOFF, MANIFEST

SCORING = ("missing_values", "stretch")
"""What of ``run.json`` reading rows needs; the manifest's ``scoring`` has it too."""

_PROFILE, _INTERVALS = "profile.json", "prediction_intervals.json"
_BESIDE = ("schema.json", _PROFILE, _INTERVALS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Where the parts of a delivered model lie. ``profile`` and ``intervals`` are None where the run has none."""

    root: Path
    name: str
    model: Path
    schema: Path
    profile: Path | None
    intervals: Path | None
    scoring: Mapping[str, JsonValue]


def open_delivered(path: Path) -> Delivered:
    """Find the model of a run, or of a hand-off alone; what is parsed later is checked against the manifest first.

    Raises:
        ArtifactRefused: neither, or not finished, or damaged.
    """
    if not (path / "run.json").is_file() and (path / MANIFEST).is_file():
        return _of_handoff(path)
    folder = open_run(path)
    if not folder.model.is_dir():
        raise ArtifactRefused(f"{path} has no model yet. `trainwright resume {path}` finishes it.")
    record = read_json(folder.record)
    profile, intervals = folder.data / _PROFILE, folder.data / _INTERVALS
    return Delivered(
        root=path,
        name=str(record.get("name", path.name)),
        model=folder.model,
        schema=folder.data / "schema.json",
        profile=profile if profile.is_file() else None,
        intervals=intervals if intervals.is_file() else None,
        scoring={name: record.get(name) for name in SCORING},
    )


def _of_handoff(path: Path) -> Delivered:
    manifest = read_json(path / MANIFEST)
    listed = manifest.get("artifacts")
    hashes = {
        str(a.get("path")): a.get("sha256")
        for a in (listed if isinstance(listed, list) else [])
        if isinstance(a, Mapping)
    }
    for name in _BESIDE:
        expected = hashes.get(f"{HANDOFF}/{name}")
        if expected is not None and (not (path / name).is_file() or sha256_file(path / name) != expected):
            raise ArtifactRefused(f"{path / name} is missing or changed since the hand-off was written. Copy it again.")
    if not (path / "model").is_dir() or f"{HANDOFF}/schema.json" not in hashes:
        raise ArtifactRefused(f"{path} is a hand-off without a model. Write it again with `trainwright report RUN`.")
    scoring = manifest.get("scoring")
    return Delivered(
        root=path,
        name=str(manifest.get("name", path.name)),
        model=path / "model",
        schema=path / "schema.json",
        profile=path / _PROFILE if f"{HANDOFF}/{_PROFILE}" in hashes else None,
        intervals=path / _INTERVALS if f"{HANDOFF}/{_INTERVALS}" in hashes else None,
        scoring=scoring if isinstance(scoring, Mapping) else {},
    )


def put_beside(run: Path, folder: Path) -> None:
    """Put what a receiver needs into a hand-off folder: the model, as links where possible, and what lies beside it.

    Raises:
        ResourceMissing: the disk is full or the folder cannot be written.
    """
    source = RunFolder(run)
    if not source.model.is_dir():
        return
    with whole_folder(folder / "model") as fresh:
        for file in sorted(p for p in source.model.rglob("*") if p.is_file()):
            target = fresh / file.relative_to(source.model)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, target)  # the bytes are there once; whoever copies the folder gets them all
            except OSError:
                shutil.copyfile(file, target)
    for name in _BESIDE:
        if (source.data / name).is_file():
            write_bytes(folder / name, (source.data / name).read_bytes())
