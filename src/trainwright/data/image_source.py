"""Image files in a folder or a zip: listed and read one by one, never unpacked to disk."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from trainwright.core.errors import DataRefused
from trainwright.core.image_files import is_hidden, is_image_name, split_zip
from trainwright.data.formats import DAMAGED_ZIP, STORED, load_arrays

if TYPE_CHECKING:
    import numpy as np

MOST_BYTES = 256 * 2**20
"""Bytes of one image file, unpacked (assumption: the largest photographs are below 100 MB); more is a bomb or no
image, and is never read whole."""


class NotReadable(Exception):
    """A file that is no image we can use; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Relative POSIX paths, sorted: what is read as an image, and what is not. Hidden files are in neither."""

    images: tuple[str, ...]
    others: tuple[str, ...]


class ImageSource(Protocol):
    """A place with image files. ``place`` is its absolute path, which `open_source` opens again."""

    place: str

    def listing(self) -> Listing:
        """Everything below the place."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of one file; from any thread.

        Raises:
            NotReadable: it is not there, damaged, or larger than `MOST_BYTES`.
        """
        ...


@contextmanager
def open_source(path: Path) -> Iterator[ImageSource]:
    """Open a folder, a zip, a folder inside a zip (``photos.zip/train``), the folder of one image file, or an NPZ file.

    Raises:
        DataRefused: there is no such place, the zip is damaged, or it names files outside of itself.
    """
    found = split_zip(path)
    if found is None:
        if not path.exists():
            raise DataRefused(
                f"{path}: a folder, a zip or an image is required, and there is nothing. "
                "Relative paths in a spec start from its folder."
            )
        yield _Arrays(path) if path.suffix.lower() == ".npz" or path.name == STORED else _Folder(path)
        return
    try:
        archive = zipfile.ZipFile(found[0])
    except DAMAGED_ZIP as error:
        raise DataRefused(f"{found[0]}: a zip file is required, and it cannot be read: {error}") from error
    with archive:
        yield _Zip(archive, found[0], found[1])


class _Folder:
    """Files below a folder; links to folders are followed, each folder once."""

    def __init__(self, path: Path) -> None:
        self._single = None if path.is_dir() else path.name
        self._root = Path(os.path.abspath(path if path.is_dir() else path.parent))  # noqa: PTH100 - links stay
        self.place = str(self._root)

    def listing(self) -> Listing:
        if self._single is not None:
            return Listing(images=(self._single,), others=())
        images: list[str] = []
        others: list[str] = []
        for name in self._names():
            (images if is_image_name(name) and _is_utf8(name) else others).append(name)
        return Listing(images=tuple(sorted(images)), others=tuple(sorted(others)))

    def read(self, name: str) -> bytes:
        if _leads_out(name):
            raise NotReadable("the path leads out of the folder")
        path = self._root / name
        try:
            if not path.is_file():
                raise NotReadable("there is no such file")
            if path.stat().st_size > MOST_BYTES:
                raise NotReadable(_too_large(path.stat().st_size))
            return path.read_bytes()
        except OSError as error:
            raise NotReadable(error.strerror or str(error)) from error

    def _names(self) -> Iterator[str]:
        seen: set[str] = set()
        for folder, below, files in os.walk(self._root, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:
                below.clear()
                continue
            seen.add(real)
            for file in files:
                name = (Path(folder) / file).relative_to(self._root).as_posix()
                if not is_hidden(name):
                    yield name


class _Zip:
    """Members of a zip below a folder in it; nothing is written anywhere."""

    def __init__(self, archive: zipfile.ZipFile, path: Path, inside: str) -> None:
        self._archive = archive
        self._path = path
        self._members = _members(archive, path)
        self._single = PurePosixPath(inside).name if inside in self._members else None
        folder = inside if self._single is None else inside.rpartition("/")[0]
        self._prefix = f"{folder}/" if folder else ""
        self.place = str(Path(os.path.abspath(path)) / folder)  # noqa: PTH100 - links stay

    def listing(self) -> Listing:
        if self._single is not None:
            return Listing(images=(self._single,), others=())
        names = self._members
        below = [n.removeprefix(self._prefix) for n in names if n.startswith(self._prefix)]
        if not below and self._prefix:
            raise DataRefused(f"{self._path}: there is no folder {self._prefix[:-1]!r} in it.{_folders(names)}")
        shown = sorted(n for n in below if not is_hidden(n))
        images = tuple(n for n in shown if is_image_name(n) and _is_utf8(n))
        return Listing(images=images, others=tuple(n for n in shown if n not in set(images)))

    def read(self, name: str) -> bytes:
        member = self._members.get(self._prefix + name)
        if member is None:
            raise NotReadable("there is no such file in the zip")
        if member.file_size > MOST_BYTES:
            raise NotReadable(_too_large(member.file_size))
        try:
            return self._archive.read(member)
        except DAMAGED_ZIP as error:
            raise NotReadable(str(error)) from error


class _Arrays:
    """Images in an array of a file, uint8 of shape (rows, height, width[, channels]): ``X/00012.ppm`` is a row."""

    def __init__(self, path: Path) -> None:
        self.place = str(path.absolute())
        self._arrays = load_arrays(path)

    def listing(self) -> Listing:
        names = [row_name(a, i) for a, rows in self._arrays.items() if rows.ndim > 2 for i in range(len(rows))]
        return Listing(images=tuple(names), others=())

    def read(self, name: str) -> bytes:
        array, _, row = name.partition("/")
        number = row.removesuffix(".ppm")
        rows = self._arrays.get(array)
        if rows is None or not number.isdecimal() or int(number) >= len(rows):
            raise NotReadable("there is no such row in the file")
        return portable(rows[int(number)])


def row_name(array: str, row: int) -> str:
    """The name of one row of an array, as if it were a file."""
    return f"{array}/{row:05}.ppm"


def portable(pixels: "np.ndarray") -> bytes:
    """uint8 of shape (height, width), or with 1 or 3 channels first or last, as a portable pixmap (PGM or PPM)."""
    import numpy as np

    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3):
        pixels = np.moveaxis(pixels, 0, 2)
    pixels = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    kind = "P5" if pixels.ndim == 2 else "P6"
    return f"{kind} {pixels.shape[1]} {pixels.shape[0]} 255\n".encode() + np.ascontiguousarray(pixels).tobytes()


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Files by name; a zip with a name that leads out of it is not trusted in anything else either."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        if _leads_out(member.filename):
            raise DataRefused(
                f"{path}: names inside a zip must stay inside it, and {member.filename!r} leads out. "
                "This archive was made to harm; get it from its source again."
            )
        if member.is_dir():
            continue
        if member.filename in members:
            raise DataRefused(
                f"{path}: every file in a zip needs its own name, and {member.filename!r} is there twice."
            )
        members[member.filename] = member
    return members


def _leads_out(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/"))
    return parts.is_absolute() or ".." in parts.parts or (len(name) > 1 and name[1] == ":")


def _is_utf8(name: str) -> bool:
    """Names that no text file could hold (undecodable bytes) cannot be written into results."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_large(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB, more than the {MOST_BYTES / 2**20:.0f} MiB an image file may have"


def _folders(names: dict[str, zipfile.ZipInfo]) -> str:
    """The folders of a zip down to two levels, as a hint."""
    folders = sorted({"/".join(n.split("/")[:depth]) for n in names for depth in (1, 2) if n.count("/") >= depth})
    return f" Folders: {', '.join(folders[:10])}{', ...' if len(folders) > 10 else ''}." if folders else ""
