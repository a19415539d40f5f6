"""TensorBoard's event files: one, or a folder of one training.

Keras makes the folders ``train`` and ``validation`` in it, ``add_scalars`` one for each curve: ``loss_train`` as torch
writes it, ``loss/train`` as tensorboardX does, and in both the tag is ``loss``.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.core.findings import Finding
from trainwright.doctor.logs.contract import Head, Points, Reading, damaged_note, note, opened
from trainwright.doctor.logs.names import PARTS, meaning, split
from trainwright.doctor.logs.tfrecord import Torn, scalars, starts_as_events

NAME = "TensorBoard events"

_FILE = re.compile(r".*\.tfevents\.\d+.*")
_DEEPEST = 3  # folders below the one that was named
_MOST_FILES = 1_000  # assumption: a training that was taken up again a thousand times


def recognises(head: Head) -> bool:
    """The first record's length and its checksum fit. A file of that name may be cut: reading it says so."""
    return starts_as_events(head.data) or (_FILE.fullmatch(head.path.name) is not None and not head.is_text)


def in_folder(folder: Path) -> Path | None:
    """The folder itself, where there are event files in it or below.

    Raises:
        SpecError: there are several trainings in it.
    """
    trainings = sorted({_place(file, folder).training for file in _files(folder)})
    if not trainings:
        return None
    if len(trainings) > 1:
        listed = ", ".join(str(p) for p in trainings[:10])
        raise SpecError(f"{folder} holds {len(trainings)} trainings of TensorBoard. Name one folder or file: {listed}")
    return folder


def read(path: Path) -> Reading:
    """All scalars. Those of a folder ``train`` or ``validation`` get its name as their part, and those of a curve of
    ``add_scalars`` that of the curve.

    Raises:
        ArtifactRefused: nothing can be read, from the first record on.
    """
    files = _files(path) if path.is_dir() else [path]
    points, torn, count = Points(), list[str](), 0
    for file in files:
        place = _place(file, path) if path.is_dir() else _Place(path)
        try:
            with opened(file) as stream:
                for scalar in scalars(stream):
                    points.next_row()
                    count += 1
                    points.add(place.name(scalar.tag), scalar.value, step=float(scalar.step))
        except Torn as error:
            if not count and error.at == 0 and len(files) == 1:
                raise ArtifactRefused(f"{file} is damaged: {error}.") from error
            torn.append(f"{file.name}: {error}")
    return Reading(points=points, notes=_notes(torn))


def _notes(torn: list[str]) -> tuple[Finding, ...]:
    """A file that ends inside a record is what a killed or living training leaves; a wrong checksum is damage."""
    broken = [t for t in torn if "checksum" in t or "none" in t]
    notes = damaged_note(len(broken), "files", f"{broken[0]}; what comes behind it is not known" if broken else "")
    cut = [t for t in torn if t not in broken]
    if cut:
        notes += (note("cut", f"the log is cut: {cut[0]}", "A training that was killed, or still writes"),)
    return notes


def _files(folder: Path) -> list[Path]:
    found = sorted(_below(folder, _DEEPEST), key=lambda p: (p.name, str(p)))  # names begin with the time
    if len(found) > _MOST_FILES:
        raise ArtifactRefused(f"{folder}: at most {_MOST_FILES:,} event files are read, and there are {len(found):,}.")
    return found


def _below(folder: Path, deep: int) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if deep and not path.is_symlink():
                yield from _below(path, deep - 1)
        elif _FILE.fullmatch(path.name):
            yield path


@dataclass(frozen=True, slots=True)
class _Place:
    """What the folder of a file says: whose ``training`` it is, which ``part`` of it, or which ``curve``."""

    training: Path
    part: str = ""
    curve: str = ""

    def name(self, tag: str) -> str:
        """The name of a number with that tag."""
        if self.curve:
            return self.curve
        return f"{self.part}/{tag}" if self.part and not _says_part(tag) else tag


def _place(file: Path, folder: Path) -> _Place:
    """By the nearest folder above that explains the file's own: as that of a curve, else as that of a part."""
    own, tag = file.parent, ""
    if own == folder:
        return _Place(folder)
    with contextlib.suppress(Torn), opened(file) as stream:  # reading it all says that it is damaged
        tag = next((scalar.tag for scalar in scalars(stream)), "")
    for above in own.relative_to(folder).parents:
        curve = _curve(own.relative_to(folder / above).as_posix(), tag)
        if curve:
            return _Place(folder / above, curve=curve)
    part = _part_of(own)
    return _Place(own.parent if part else own, part=part)


def _curve(below: str, tag: str) -> str:
    """The curve of a folder that ``add_scalars`` made, where it is one: its name says enough, or the tag is added."""
    for joined in (f"{tag}/", f"{tag.replace('/', '_')}_"):
        own = below[len(joined) :]
        if tag and own and below.startswith(joined):
            return own if meaning(own).kind in ("loss", "metric", "other") else f"{tag}/{own}"
    return ""


def _part_of(folder: Path) -> str:
    words = split(folder.name)
    return folder.name if words and words[-1] in PARTS else ""


def _says_part(tag: str) -> bool:
    return any(word in PARTS for word in split(tag))
