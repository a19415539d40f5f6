"""Files a spec names: where they may lie, and whether they are there."""

import os
import re
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from trainwright.core.image_files import holds_images, split_zip
from trainwright.spec.mistakes import shown
from trainwright.spec.source import neighbour

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WILDCARD = re.compile(r"[*?\[]")
_LONGEST_NAME = 255  # bytes: the limit of ext4, APFS and NTFS for one name
_LONGEST_PATH = 4096  # bytes: PATH_MAX on Linux
_MOST_SHARDS = 10_000  # files of one glob looked at (assumption; more belong in fewer, larger files)


def locate(base: Path, text: str) -> Path:
    """A path of the spec, relative ones from the spec's folder."""
    return base / text


def path_problems(base: Path, text: str, *, many: bool) -> Iterator[tuple[str, str]]:
    """Why a path cannot be used: (what, fix). ``many`` allows a glob, and a place of images."""
    if problem := _form_problem(text):
        yield problem
        return
    if not Path(text).is_absolute() and Path(os.path.normpath(text)).parts[:1] == (os.pardir,):
        yield _outside(text)
        return
    path = locate(base, text)
    try:
        found = _matches(base, text) if many and _WILDCARD.search(text) and not path.exists() else [path]
        if not found:
            yield f"no file matches {shown(text)}", f"Check the pattern; it is relative to {base}"
        for file in found:
            if problem := _file_problem(base, text, file, images=many and holds_images(file)):
                yield problem
                return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        yield f"{shown(text)} cannot be looked at: {reason}", "Check the path and its permissions"


def _form_problem(text: str) -> tuple[str, str] | None:
    if not text.strip():
        return "the path is empty", "Write a path, or remove the key"
    if not text.isprintable():
        return f"{shown(text)} has a character that no path has", "Remove it"
    if _URL.match(text):
        return f"{shown(text)} is a URL; this version reads local files only", "Download it and write the file's path"
    if text.startswith("~"):
        return f"{shown(text)}: ~ is not expanded in a spec", "Write the absolute path"
    encoded = os.fsencode(text) if text.isascii() else text.encode("utf-8", "replace")
    if len(encoded) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in re.split(rb"[/\\]", encoded)):
        return f"{shown(text)} is longer than a file system allows", "Write a shorter path"
    if "**" in text:
        return f"{shown(text)}: ** is not supported", "Write one * per folder level: data/*/*.parquet"
    return None


def _matches(base: Path, text: str) -> list[Path]:
    pattern = Path(text)
    root = Path(pattern.anchor) if pattern.is_absolute() else base
    found = islice(root.glob(str(pattern.relative_to(pattern.anchor))), _MOST_SHARDS)
    return sorted(path for path in found if not path.name.startswith("."))


def _file_problem(base: Path, text: str, path: Path, *, images: bool) -> tuple[str, str] | None:
    """What is wrong with one file; ``images``: a folder, or a folder inside a zip, will do."""
    archive = split_zip(path) if images else None
    try:
        mode = (archive[0] if archive else path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        near = neighbour(path)
        fix = f"Did you mean {near}?" if near else f"Relative paths are relative to the spec's folder, {base}"
        return f"no such file: {shown(text)}", fix
    if not Path(text).is_absolute() and not path.resolve().is_relative_to(base.resolve()):
        return _outside(text)
    if stat.S_ISDIR(mode) and not images:
        return f"{shown(text)} is a folder", "Name a file, a pattern such as data/*.parquet, or a folder of images"
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return f"{shown(text)} is no regular file", "Write its content to a file first"
    if not os.access(archive[0] if archive else path, os.R_OK):
        return f"{shown(text)} cannot be read: permission denied", "Check the file's permissions"
    return None


def _outside(text: str) -> tuple[str, str]:
    return f"{shown(text)} leads out of the spec's folder", "Write the absolute path, or move the spec beside its data"
