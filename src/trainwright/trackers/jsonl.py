"""The record itself: one event a line in ``training_log.jsonl``, append-only, flushed at once."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from trainwright.core.events import Event, Saved
from trainwright.core.jsonable import JsonValue, dumps


class EventLog:
    """Appends events to a file.

    A line goes to the operating system when it is written, and to the disk when a checkpoint is: a killed process
    loses nothing, a power cut at most what follows the last checkpoint, which a resume trains again anyway.
    """

    def __init__(self, path: Path, *, keep_bytes: int | None = None) -> None:
        """Open for appending; ``keep_bytes`` cuts what lies behind the position of a checkpoint."""
        self._path, self._file = path, path.open("ab")
        if keep_bytes is not None:
            self._file.truncate(min(keep_bytes, path.stat().st_size))
            self._file.seek(0, os.SEEK_END)

    @property
    def position(self) -> int:
        """Bytes written so far: where a resume cuts the log."""
        return self._file.tell()

    def lines(self) -> Iterator[Mapping[str, JsonValue]]:
        """What is in the file up to here, an event a line."""
        with self._path.open("rb") as file:
            for line in file.read(self.position).splitlines():
                yield json.loads(line)

    def catch_up(self) -> None:
        """Stand at the end again, after another process has appended."""
        self._file.seek(0, os.SEEK_END)

    def __call__(self, event: Event) -> None:
        """Append an event."""
        self._file.write(dumps(event.to_json()).encode() + b"\n")
        self._file.flush()
        if isinstance(event.body, Saved):
            os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        """The log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()
