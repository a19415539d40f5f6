"""Where a spec comes from: a file or a mapping, read within limits and without surprises."""

import codecs
import json
import math
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from trainwright.spec.emit import emit
from trainwright.spec.mistakes import nearest
from trainwright.spec.syntax import Unreadable
from trainwright.spec.tree import MAX_DEPTH, MAX_NODES, Document, Value, read_document

MAX_BYTES = 1_000_000  # specs of people are below 20 kB (assumption); ruamel reads 1 MB in about 2 s (measured)
_LARGEST_WHOLE = 10**300  # below this every whole number is also a float
_MOST_NEIGHBOURS = 2000  # file names compared for "did you mean" (assumption: a folder a person works in)
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Source:
    """A spec as it came: ``label`` names it in messages, ``stem`` is the name of a run without a name."""

    label: str
    text: str
    stem: str
    base: Path
    document: Document | None
    is_mapping: bool = False


def read_source(source: str | Path | Mapping[str, object], base: Path | None) -> Source:
    """Read a spec file, or take a mapping.

    Raises:
        Unreadable: there is no such file, or it cannot be read as a spec.
    """
    if isinstance(source, Mapping):
        value = _plain(source, 1, [0])
        assert isinstance(value, dict)
        return Source("spec", emit(value), "run", base or Path.cwd(), Document(value=value), is_mapping=True)
    path = Path(source)
    text = read_text_file(path)
    document = _json_document(text, path) or read_document(text)
    return Source(str(source), text, slug(path.stem), base or path.absolute().parent, document)


def slug(stem: str) -> str:
    """A file name's stem as a run name: ``My spec (2)`` gives ``my-spec-2``."""
    return re.sub(r"[^a-z0-9._]+", "-", stem.lower()).strip("-._")[:64] or "run"


def neighbour(path: Path) -> str | None:
    """The file in the same folder whose name is nearest, for "did you mean"."""
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MOST_NEIGHBOURS), strict=False)]
    except (OSError, ValueError):
        return None
    return nearest(path.name, sorted(names))


def read_text_file(path: Path) -> str:
    """The text of a small UTF-8 file.

    Raises:
        Unreadable: there is no such file, it is larger than `MAX_BYTES`, or its bytes are no text.
    """
    return _decoded(_bytes_of(path))


def _bytes_of(path: Path) -> bytes:
    if "\n" in str(path):
        raise Unreadable(0, 0, "this is text, not the path of a spec", "Give a path or a mapping", "source")
    try:
        # not blocking: opening a pipe would wait for its writer
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise _unopened(path, error) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        what = "this is a folder" if stat.S_ISDIR(mode) else "this is not a file"
        raise Unreadable(0, 0, what, "Give the path of a YAML or JSON file", "source")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Unreadable(0, 0, f"larger than {MAX_BYTES} bytes, which no spec needs", "Give the path of a spec", "size")
    return content


def _unopened(path: Path, error: OSError | ValueError) -> Unreadable:
    if isinstance(error, FileNotFoundError):
        near = neighbour(path)
        return Unreadable(0, 0, "no such file", f"Did you mean {near}?" if near else "Check the path", "source")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Unreadable(0, 0, f"cannot be read: {reason}", "Check the path and its permissions", "source")


def _decoded(content: bytes) -> str:
    if content.startswith(_UTF16):
        raise Unreadable(0, 0, "the file is UTF-16", "Save it as UTF-8", "encoding")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        what = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        raise Unreadable(line, column, what, "Save the file as UTF-8", "encoding") from error
    if "\0" in text:
        position = text.index("\0")
        what = "a NUL character: this is a binary file or UTF-16 text"
        raise Unreadable(text.count("\n", 0, position) + 1, 1, what, "Save it as UTF-8 text", "encoding")
    return text


def _json_document(text: str, path: Path) -> Document | None:
    """The document of a JSON text; None where the text is YAML."""
    is_json = path.suffix.lower() == ".json"
    if not is_json and not text.lstrip().startswith("{"):
        return None
    try:
        json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise Unreadable(1, 1, f"nested more than {MAX_DEPTH} levels deep", "Flatten the spec") from error
    except json.JSONDecodeError as error:
        if not is_json:
            return None
        fix = "Correct the JSON, or name the file .yaml"
        raise Unreadable(error.lineno, error.colno, f"no valid JSON: {error.msg}", fix) from error
    except ValueError as error:  # NaN and Infinity, or a number of thousands of digits
        raise Unreadable(1, 1, f"no valid JSON: {error}", "JSON has finite numbers only; leave the key out") from error
    # JSON is YAML but for tabs between values; inside its strings there are none
    return read_document(text.replace("\t", " "))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _plain(value: object, depth: int, count: list[int]) -> Value:
    """A Python value as plain data: dicts, lists and scalars."""
    count[0] += 1
    if depth > MAX_DEPTH or count[0] > MAX_NODES:
        raise Unreadable(0, 0, f"nested more than {MAX_DEPTH} levels deep or larger than {MAX_NODES} values")
    if isinstance(value, int) and abs(value) >= _LARGEST_WHOLE:
        raise Unreadable(0, 0, "a whole number of more than 300 digits", "No parameter needs one", "type")
    if value is None or type(value) in (bool, int, float, str):
        return value  # type: ignore[return-value]  # the line above says so
    if isinstance(value, Mapping):
        if bad := [k for k in value if not isinstance(k, str)]:
            raise Unreadable(0, 0, f"a key must be a text, got {bad[0]!r:.60}", "Write names as strings", "key")
        return {str(k): _plain(v, depth + 1, count) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, depth + 1, count) for v in value]
    return _plain_scalar(value)


def _plain_scalar(value: object) -> Value:
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, str):  # enumerations of text
        return str.__str__(value)
    item = getattr(value, "item", None)  # NumPy scalars, without importing NumPy
    if callable(item) and getattr(value, "shape", None) == ():
        inner = item()
        if inner is None or (type(inner) in (bool, int, float, str) and not (inner != inner or inner == math.inf)):
            return inner  # type: ignore[no-any-return]  # checked just above
    what = f"a {type(value).__name__} is not plain data"
    raise Unreadable(0, 0, what, "Use texts, numbers, true/false, lists and mappings", "type")
