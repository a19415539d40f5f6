"""What a reader of logs is, and what it leaves.

A reader is a module with

- ``NAME``: the format, as a person calls it;
- ``recognises(head)``: whether a file is of this format, from its first bytes;
- ``in_folder(folder)``: what in a folder is such a log (a file, or the folder itself), None where nothing is;
- ``read(path)``: everything in it as `Reading`, with the names of the log.

Names become ours in one place, `trainwright.doctor.logs.names`. A reader takes files from strangers: it runs nothing,
unpickles nothing, holds no more than the limits below, and leaves out what is torn, which it says in a note.
"""

import math
import os
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from trainwright.core.errors import ArtifactRefused
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.history import History

MAX_BYTES = 1 << 30  # assumption: a text log of a long training has megabytes; more is no log
MAX_DOCUMENT = 1 << 28  # of a file that is parsed whole: it takes some ten times its size in memory
MAX_LINE = 1 << 20  # a longer line is left out: no logger writes it
MAX_POINTS = 5_000_000  # 160 MB: four numbers each
MAX_NAMES = 5_000  # assumption: a network with a statistic for each layer has hundreds
HEAD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Head:
    """A file before it is read: its name and its first `HEAD_BYTES` bytes."""

    path: Path
    data: bytes

    @property
    def text(self) -> str:
        """The beginning as text: UTF-8 or UTF-16 with a mark, and a mark for what is neither."""
        if self.data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return self.data.decode("utf-16", errors="replace")
        return self.data.decode("utf-8-sig", errors="replace")

    @property
    def is_text(self) -> bool:
        """Whether people could read it: without zero bytes, and nearly all of it characters."""
        text = self.text
        odd = sum(1 for c in text if c == "�" or (c < " " and c not in "\t\r\n\b\x1b\f"))
        return "\0" not in text and odd <= len(text) / 100


class Column:
    """The points of one name, in the order of the log: row, step and epoch (NaN where the log has none), value."""

    __slots__ = ("epochs", "rows", "steps", "values")

    def __init__(self) -> None:
        self.rows, self.steps, self.epochs, self.values = array("d"), array("d"), array("d"), array("d")

    def __len__(self) -> int:
        return len(self.values)


class Points:
    """Numbers as they stand in a log, under its own names.

    Raises:
        ArtifactRefused: there are more than `MAX_POINTS` of them.
    """

    def __init__(self) -> None:
        self.columns: dict[str, Column] = {}
        self.left_out: set[str] = set()  # names beyond `MAX_NAMES`
        self._row = 0
        self._points = 0

    def next_row(self) -> None:
        """What is added from here on belongs to a later line."""
        self._row += 1

    def add(self, name: str, value: float, *, step: float | None = None, epoch: float | None = None) -> None:
        """Take in one number."""
        column = self.columns.get(name)
        if column is None:
            if len(self.columns) >= MAX_NAMES:
                if len(self.left_out) < MAX_NAMES:
                    self.left_out.add(name)
                return
            column = self.columns[name] = Column()
        self._points += 1
        if self._points > MAX_POINTS:
            raise ArtifactRefused(
                f"at most {MAX_POINTS:,} numbers are read, and this log holds more. Cut it, or log less often."
            )
        column.rows.append(self._row)
        column.steps.append(math.nan if step is None else step)
        column.epochs.append(math.nan if epoch is None else epoch)
        column.values.append(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reader found: the log's own numbers and names, or (a log of ours) the ``history`` as it is.

    ``notes`` say what was left out. ``facts`` go into the history.
    """

    points: Points = field(default_factory=Points)
    history: History | None = None
    notes: tuple[Finding, ...] = ()
    facts: Mapping[str, JsonValue] = field(default_factory=dict)


class Reader(Protocol):
    """A module of this folder; see the top of this file."""

    NAME: str

    def recognises(self, head: Head) -> bool:
        """Whether the file is of this format."""
        ...

    def in_folder(self, folder: Path) -> Path | None:
        """The log of this format in a folder.

        Raises:
            SpecError: there are several trainings, and which one is meant must be said.
        """
        ...

    def read(self, path: Path) -> Reading:
        """Read it.

        Raises:
            ArtifactRefused: it is damaged beyond reading, or too large.
        """
        ...


def note(code: str, what: str, why: str = "", *, evidence: Mapping[str, JsonValue] | None = None) -> Finding:
    """Something to know about the reading itself."""
    return Finding(
        code=f"log.{code}", severity=Severity.INFO, where="log", what=what, why=why, evidence=dict(evidence or {})
    )


def damaged_note(amount: int, what: str, first: str = "") -> tuple[Finding, ...]:
    """The note about parts that were left out; none for none."""
    if not amount:
        return ()
    example = f", the first {first}" if first else ""
    return (
        Finding(
            code="log.damaged",
            severity=Severity.WARNING,
            where="log",
            what=f"{amount:,} {what} could not be read and are left out{example}",
            why="a log that was cut or mixed with other output",
            evidence={"left_out": amount},
        ),
    )


def opened(path: Path, limit: int = MAX_BYTES) -> BinaryIO:
    """The file, ready to be read.

    Raises:
        ArtifactRefused: it is larger than the limit, or no plain file.
    """
    # not blocking: opening a pipe that nobody writes to would wait for ever
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(descriptor, "rb")
    try:
        check_plain(path, descriptor, limit)
    except (ArtifactRefused, OSError):
        file.close()
        raise
    return file


def check_plain(path: Path, descriptor: int, limit: int) -> None:
    """Refuse what is no plain file (a device never ends) and what is too large."""
    import stat

    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise ArtifactRefused(f"{path}: a plain file is required, and this is none.")
    if found.st_size > limit:
        raise ArtifactRefused(
            f"{path}: a log of at most {limit:,} bytes is read, and this has {found.st_size:,}. Cut it first, for "
            "example with `tail -c`."
        )


def document(path: Path) -> str:
    """A text that is parsed whole.

    Raises:
        ArtifactRefused: it is too large.
    """
    with opened(path, MAX_DOCUMENT) as file:
        return Head(path, file.read()).text


def text_lines(path: Path) -> Iterator[str | None]:
    """The lines of a text without their ends; None for one that is longer than `MAX_LINE`."""
    with opened(path) as file:
        encoding = "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else ""
        file.seek(0)
        if encoding:
            yield from (line if len(line) <= MAX_LINE else None for line in document(path).splitlines())
            return
        first = True
        while line := file.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE and not line.endswith(b"\n"):
                while rest := file.readline(MAX_LINE):
                    if rest.endswith(b"\n"):
                        break
                yield None
                continue
            yield line.decode("utf-8-sig" if first else "utf-8", errors="replace").rstrip("\r\n")
            first = False
