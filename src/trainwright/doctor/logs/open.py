"""From whatever a user names to a history: which format it is, read, named."""

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainwright.core.errors import ArtifactRefused, ResourceMissing, SpecError
from trainwright.core.findings import Finding
from trainwright.doctor.history import History
from trainwright.doctor.logs import (
    json_curves,
    json_rows,
    mlflow,
    ours,
    stdout,
    tables,
    tensorboard,
    trainer_state,
)
from trainwright.doctor.logs.assemble import assemble
from trainwright.doctor.logs.contract import HEAD_BYTES, Head, Reader, Reading, opened

READERS: tuple[Reader, ...] = (ours, tensorboard, mlflow, trainer_state, json_curves, json_rows, tables, stdout)
"""In the order they are asked; the ones that take nearly anything come last."""

_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log that was read.

    ``names`` are ours with what each is called in the log; ``axis`` is what positions count: ``step``, ``epoch``,
    ``row``, or the unit of a log of ours.
    """

    path: Path
    format: str
    history: History
    axis: str
    names: Mapping[str, str]
    notes: tuple[Finding, ...]


def open_log(source: str | Path, *, run: str = "") -> Log:
    """Read a log.

    ``source`` is a file, a folder, or ``sqlite:///PATH`` of a store of MLflow, in which ``run`` names one.

    Raises:
        SpecError: there is no such log, or several are meant.
        ArtifactRefused: it is damaged, or of no known format.
        ResourceMissing: it may not be read.
    """
    if not str(source):
        raise SpecError("a training log is required, and its name is empty.")
    path = Path(str(source).removeprefix(_SQLITE))
    try:
        reader, path = _find(path)
        if run and reader is not mlflow:
            raise SpecError(f"--run chooses a run in a store of MLflow, and {path} is a {reader.NAME}. Leave it out.")
        reading = mlflow.read(path, run=run) if reader is mlflow else reader.read(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SpecError(f"{source}: a training log is required, and there is nothing of that name.") from error
    except (PermissionError, IsADirectoryError) as error:
        raise ResourceMissing(f"{source} cannot be read: {error.strerror or error}.") from error
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
            raise SpecError(f"{str(source)[:80]}: a training log is required, and this is no path.") from error
        raise ResourceMissing(f"{source} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # a path with a zero byte
        raise SpecError(f"{str(source)[:80]!r}: a training log is required, and this is no path: {error}.") from error
    return _log(path, reader, reading)


def _log(path: Path, reader: Reader, reading: Reading) -> Log:
    if reading.history is not None:
        unit = str(reading.history.facts.get("unit") or "round")
        names = {name: name for name in reading.history.series}
        return Log(path=path, format=reader.NAME, history=reading.history, axis=unit, names=names, notes=reading.notes)
    facts = {"stage": "log", "reason": "the end of the log", **reading.facts}
    try:
        made = assemble(reading.points, facts)
    except ArtifactRefused as error:
        raise ArtifactRefused(f"{path} ({reader.NAME}): {error.message}") from error
    notes = (*reading.notes, *made.notes)
    return Log(path=path, format=reader.NAME, history=made.history, axis=made.axis, names=made.names, notes=notes)


def _find(path: Path) -> tuple[Reader, Path]:
    if path.is_dir():
        for reader in READERS:
            found = reader.in_folder(path)
            if found is not None:
                return reader, found
        raise SpecError(
            f"{path}: a training log is required, and this folder holds none that is known: no training_log.jsonl, "
            "events of TensorBoard, trainer_state.json, metrics.csv or run of MLflow. Name the file itself."
        )
    with opened(path, limit=1 << 62) as file:
        head = Head(path, file.read(HEAD_BYTES))
    if not head.data.strip():
        raise ArtifactRefused(f"{path}: a training log is required, and this file is empty.")
    for reader in READERS:
        if reader.recognises(head):
            return reader, path
    raise ArtifactRefused(
        f"{path}: a training log is required, and this is none of the known kinds: "
        f"{', '.join(reader.NAME for reader in READERS)}."
    )
