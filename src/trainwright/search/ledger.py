"""The ledger: one line a trial in ``search/trials.jsonl``, each with a checksum; it alone is the truth of a search.

A killed process can leave one torn line at the end: it is cut when the file is opened, and that trial is run again.
"""

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from trainwright.core.errors import ArtifactRefused, ResourceMissing
from trainwright.core.findings import Finding, finding_from_json
from trainwright.core.jsonable import JsonValue, dumps, to_json

State: TypeAlias = Literal["complete", "pruned", "failed", "cut"]
_CHECKSUM = "crc32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One trial as it ended, or one repetition of it.

    ``params``: what was searched, as used. ``value`` and ``train``: the primary metric on validation rows (or held-out
    folds) and on training rows, at the selected round; None where there is none. ``curve``: (round, watched metric on
    validation rows). ``size``: trained numbers of the model, where they were counted. ``seed``: the root of its random
    streams. ``repeat``: 0, or the number of the other seed. ``share``: of the training rows it saw. ``origin``: what
    proposed it. ``reason``: why it ended. A state ``cut`` means that the time ended it.
    """

    number: int
    params: Mapping[str, JsonValue]
    state: State
    value: float | None = None
    train: float | None = None
    rounds: int = 0
    curve: tuple[tuple[int, float], ...] = ()
    folds: tuple[float, ...] = ()
    size: int | None = None
    seconds: float = 0.0
    seed: int = 0
    repeat: int = 0
    share: float = 1.0
    origin: str = ""
    reason: str = ""
    findings: tuple[Finding, ...] = field(default=())

    def to_json(self) -> dict[str, JsonValue]:
        """The line without its checksum."""
        names = [n for n in self.__slots__ if n not in ("findings", "seed")]
        told: dict[str, JsonValue] = {name: to_json(getattr(self, name)) for name in names}
        # 63 bits are more than readers of JSON promise
        return {**told, "seed": str(self.seed), "findings": [f.to_json() for f in self.findings]}


def record_from_json(value: Mapping[str, Any]) -> Record:
    """Read back what `Record.to_json` wrote."""
    known = {name: value[name] for name in Record.__slots__ if name in value}
    return Record(
        **{
            **known,
            "curve": tuple((int(step), float(v)) for step, v in value["curve"]),
            "folds": tuple(float(v) for v in value["folds"]),
            "seed": int(value["seed"]),
            "findings": tuple(finding_from_json(f) for f in value["findings"]),
        }
    )


class Ledger:
    """The ledger of one search: what is in it, and appending to it.

    Records are kept in the order of (number, repeat); each pair is there once.
    """

    def __init__(self, path: Path) -> None:
        """Open or begin.

        Raises:
            ArtifactRefused: a line before the last one is damaged.
        """
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._records = {(r.number, r.repeat): r for r in _read_and_cut(path)}

    @property
    def trials(self) -> tuple[Record, ...]:
        """Every finished trial, by number."""
        return tuple(self._records[key] for key in sorted(self._records) if key[1] == 0)

    @property
    def repeats(self) -> tuple[Record, ...]:
        """Trials that were run again under another seed."""
        return tuple(self._records[key] for key in sorted(self._records) if key[1] > 0)

    @property
    def seconds(self) -> float:
        """What all of them took together."""
        return sum(r.seconds for r in self._records.values())

    def find(self, number: int, repeat: int = 0) -> Record | None:
        """One record, if it is there."""
        return self._records.get((number, repeat))

    def append(self, record: Record) -> None:
        """Write a record to the disk; one that is there already stays as it is.

        Raises:
            ResourceMissing: the line could not be written.
        """
        key = (record.number, record.repeat)
        if key in self._records:
            return
        try:
            with self._path.open("ab") as file:
                file.write(_line(record.to_json()))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ResourceMissing(f"cannot write {self._path}: {error.strerror or error}") from error
        self._records[key] = record


def read_ledger(path: Path) -> tuple[Record, ...]:
    """Every record, by (number, repeat), of a ledger nobody writes to; an absent file has none.

    Raises:
        ArtifactRefused: a line is damaged.
    """
    if not path.is_file():
        return ()
    records, _ = _read(path)
    return tuple(sorted(records, key=lambda r: (r.number, r.repeat)))


def _line(told: Mapping[str, JsonValue]) -> bytes:
    return dumps({**told, _CHECKSUM: f"{zlib.crc32(dumps(told).encode()):08x}"}).encode() + b"\n"


def _read_and_cut(path: Path) -> Sequence[Record]:
    if not path.exists():
        return ()
    records, whole = _read(path)
    if whole < path.stat().st_size:
        with path.open("r+b") as file:
            file.truncate(whole)
            os.fsync(file.fileno())
    return records


def _read(path: Path) -> tuple[list[Record], int]:
    """The records, and the bytes up to the end of the last whole line."""
    records: list[Record] = []
    position = 0
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        record = _record(line)
        if record is None and number < len(lines):
            raise ArtifactRefused(
                f"{path}:{number} is damaged: its checksum does not fit. Restore the file from a copy, "
                "or delete the line: that trial is then run again"
            )
        if record is None:
            break
        records.append(record)
        position += len(line)
    return records, position


def _record(line: bytes) -> Record | None:
    """A whole and undamaged line as a record, anything else as None."""
    if not line.endswith(b"\n"):
        return None
    try:
        told = json.loads(line)
        checksum = told.pop(_CHECKSUM)
        if f"{zlib.crc32(dumps(told).encode()):08x}" != checksum:
            return None
        return record_from_json(told)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
