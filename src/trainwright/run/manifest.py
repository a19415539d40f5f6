"""The hand-off's manifest against the files it lists: in a run folder, or in a ``handoff/`` folder alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue
from trainwright.run.files import read_json
from trainwright.run.hashes import HASHES, sha256_beginning

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
HANDOFF = "handoff"
_FORMAT = 1
# What of `run.json` does not depend on time or place: `digests.facts` is its hash.
FACTS = ("task", "target", "data", "model", "primary", "metrics", "intervals", "prediction_intervals", "gap",
         "baselines", "cross_validation", "best_params")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A file that is not what the manifest says: ``kind`` missing, changed or added; hashes where there are two."""

    path: str
    kind: str
    expected: str = ""
    found: str = ""

    def sentence(self) -> str:
        """One line for people."""
        if self.kind != "changed":
            return {"missing": "it is missing", "added": "somebody added it"}[self.kind]
        return f"it changed: sha256 {self.found[:12]}..., expected {self.expected[:12]}..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a look at every file came to. ``elsewhere`` counts files of the run that a hand-off alone does not have."""

    root: Path
    manifest: Mapping[str, JsonValue]
    files: int
    bytes: int
    elsewhere: int
    differences: tuple[Difference, ...]
    unlisted: tuple[str, ...]


def manifest_folder(folder: Path) -> Path:
    """The folder that holds the manifest: ``handoff/`` of a run, or the folder itself.

    Raises:
        ArtifactRefused: there is none.
    """
    for candidate in (folder / HANDOFF, folder):
        if (candidate / MANIFEST).is_file():
            return candidate
    if (folder / "run.json").is_file():
        raise ArtifactRefused(f"{folder} has no {HANDOFF}/{MANIFEST}. `trainwright resume {folder}` finishes the run.")
    raise ArtifactRefused(f"{folder} is neither a run folder nor a hand-off: it holds no run.json and no {MANIFEST}.")


def inspect(folder: Path) -> Inspection:
    """Hash every file that the manifest lists and that belongs to this folder.

    Raises:
        ArtifactRefused: there is no manifest, it is damaged or of another format, or it lists what cannot be a file of
            this folder.
    """
    holder = manifest_folder(folder)
    manifest = read_json(holder / MANIFEST)
    if manifest.get("format") != _FORMAT:
        raise ArtifactRefused(f"{holder / MANIFEST} has format {manifest.get('format')}, this version reads {_FORMAT}")
    alone = holder == folder
    listed = dict(_entries(manifest, holder / MANIFEST))
    here = {_local(path, alone=alone): entry for path, entry in listed.items() if not alone or _is_own(path)}
    differences = [found for path, entry in here.items() if (found := _compare(folder, path, entry)) is not None]
    extra = [path for path in visible_files(folder) if path not in here and not _is_own_mark(path)]
    sealed = {str(PurePosixPath(path).parent) for path in here if PurePosixPath(path).name == HASHES}
    added = [path for path in extra if any(str(parent) in sealed for parent in PurePosixPath(path).parents)]
    return Inspection(
        root=folder,
        manifest=manifest,
        files=len(here),
        bytes=sum(size for entry in here.values() if isinstance(size := entry.get("bytes"), int)),
        elsewhere=len(listed) - len(here),
        differences=(*differences, *(Difference(path=path, kind="added") for path in added)),
        unlisted=tuple(path for path in extra if path not in added),
    )


def visible_files(folder: Path) -> Iterator[str]:
    """Files below a folder by relative path, sorted; hidden ones (locks, temporary files, scratch) left out."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            yield relative.as_posix()


def _is_own_mark(path: str) -> bool:
    return path.removeprefix(f"{HANDOFF}/") in (MANIFEST, SIGNATURE)


def _is_own(path: str) -> bool:
    return path.startswith(f"{HANDOFF}/")


def _local(path: str, *, alone: bool) -> str:
    return path.removeprefix(f"{HANDOFF}/") if alone else path


def _entries(manifest: Mapping[str, JsonValue], where: Path) -> Iterator[tuple[str, Mapping[str, JsonValue]]]:
    artifacts = manifest.get("artifacts")
    if not isinstance(artifacts, list) or not artifacts:
        raise ArtifactRefused(f"{where} lists no artifacts")
    for entry in artifacts:
        path = entry.get("path") if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or not isinstance(path, str):
            raise ArtifactRefused(f"{where} lists something that is no file: {entry!r:.80}")
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path:
            raise ArtifactRefused(f"{where} lists {path!r:.80}, which is no file of the folder")
        yield path, entry


def _compare(folder: Path, path: str, entry: Mapping[str, JsonValue]) -> Difference | None:
    file, expected = folder / path, entry.get("sha256")
    if not file.is_file() or any(part.is_symlink() for part in _links(folder, path)):
        return Difference(path=path, kind="missing")
    if expected is None:
        return None  # run.json goes on changing; its digests stand for it
    size = entry.get("bytes") if entry.get("append_only") is True else None
    found = sha256_beginning(file, size if isinstance(size, int) else None)
    return None if found == expected else Difference(path=path, kind="changed", expected=str(expected), found=found)


def _links(folder: Path, path: str) -> Iterator[Path]:
    """The file and the folders it lies in, below the root: none may be a link, which could lead anywhere."""
    here = folder
    for part in PurePosixPath(path).parts:
        here = here / part
        yield here
