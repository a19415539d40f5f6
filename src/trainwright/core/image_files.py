"""Where images may lie: a folder, a zip, a folder inside a zip, or one file. Looks at names only."""

import os
from pathlib import Path, PurePosixPath

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
"""Endings of files that are read as images, in lower case."""


def is_image_name(name: str) -> bool:
    """Whether a file of that name is read as an image."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def is_hidden(name: str) -> bool:
    """Whether a relative path is one that systems leave behind: ``.DS_Store``, ``__MACOSX/...``."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def split_zip(path: Path) -> tuple[Path, str] | None:
    """The zip file that a path names or leads into, and the folder inside (``""``: all of it); None without a zip."""
    for candidate in (path, *path.parents):
        if candidate.suffix.lower() == ".zip" and candidate.is_file():
            inside = path.relative_to(candidate).as_posix()
            return candidate, "" if inside == "." else inside
    return None


def holds_images(path: Path) -> bool:
    """Whether a path names images and no table: an image, a zip, a place in a zip, or a folder of images or folders."""
    if path.is_dir():
        with os.scandir(path) as entries:
            return any(not is_hidden(e.name) and (e.is_dir() or is_image_name(e.name)) for e in entries)
    if path.is_file():
        return is_image_name(path.name) or path.suffix.lower() == ".zip"
    return split_zip(path) is not None
