"""MLflow: a run's folder of metrics files, or its SQLite store.

The folder has ``meta.yaml`` and ``metrics/NAME`` with lines ``timestamp value step``
(mlflow/store/tracking/file_store.py); the store a table ``metrics`` with ``key``, ``value``, ``timestamp``,
``run_uuid``, ``step`` and ``is_nan`` (mlflow/store/tracking/dbmodels/models.py), read in mlflow 3.17. A NaN is stored
there as ``is_nan`` with the value 0, an infinity as the largest float.
"""

import math
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.logs.contract import Head, Points, Reading, damaged_note, opened, text_lines
from trainwright.doctor.logs.numbers import number

NAME = "MLflow run"

_MAGIC = b"SQLite format 3\0"
_MOST_STEPS = 50_000  # of a thousand machine instructions each: a store of some million numbers
_QUERY = "SELECT key, value, step, is_nan FROM metrics WHERE run_uuid = ? ORDER BY step, timestamp"


def recognises(head: Head) -> bool:
    """A database of SQLite, or the file that describes a run."""
    return head.data.startswith(_MAGIC) or (head.path.name == "meta.yaml" and (head.path.parent / "metrics").is_dir())


def in_folder(folder: Path) -> Path | None:
    """A run's folder, or the store that MLflow makes where nothing else is said."""
    if (folder / "metrics").is_dir() and (folder / "meta.yaml").is_file():
        return folder
    store = folder / "mlflow.db"
    return store if store.is_file() else None


def read(path: Path, *, run: str = "") -> Reading:
    """A run's metrics. A store of several runs needs the id, or the name, of the ``run``.

    Raises:
        SpecError: the store has several runs and none is named, or none of that name.
        ArtifactRefused: it is damaged, or no store of MLflow.
    """
    if path.name == "meta.yaml":
        path = path.parent
    if path.is_dir():
        if run:
            raise SpecError(f"a run is chosen in a store, and {path} is one run. Leave out --run.")
        return _folder(path)
    return _store(path, run)


def _folder(folder: Path) -> Reading:
    points, damaged = Points(), 0
    metrics = folder / "metrics"
    for file in sorted(p for p in metrics.rglob("*") if p.is_file() and not p.is_symlink()):
        name = file.relative_to(metrics).as_posix()
        for line in text_lines(file):
            words = (line or "").split()
            value = number(words[1]) if len(words) >= 2 else None
            step = number(words[2]) if len(words) >= 3 else 0.0
            if value is None or step is None:
                damaged += bool(words) or line is None
                continue
            points.next_row()
            points.add(name, value, step=step)
    return Reading(points=points, notes=damaged_note(damaged, "lines"))


def _store(path: Path, run: str) -> Reading:
    with opened(path):  # within the limits, and a plain file
        pass
    points = Points()
    with _database(path) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"metrics", "runs"} <= tables:
            raise ArtifactRefused(f"{path}: a store of MLflow is required, and this database has no tables of a run.")
        chosen = _chosen(database, path, run)
        for key, value, step, is_nan in database.execute(_QUERY, (chosen,)):
            if isinstance(key, str) and isinstance(value, int | float) and isinstance(step, int):
                points.next_row()
                points.add(key, math.nan if is_nan else _unbounded(float(value)), step=float(step))
    facts: dict[str, JsonValue] = {"run": chosen}
    return Reading(points=points, facts=facts)


def _chosen(database: sqlite3.Connection, path: Path, run: str) -> str:
    """The id of the run that is meant."""
    found = database.execute(
        "SELECT DISTINCT r.run_uuid, r.name FROM runs r JOIN metrics m ON m.run_uuid = r.run_uuid "
        "ORDER BY r.start_time DESC"
    ).fetchall()
    runs = {str(uuid): str(name or "") for uuid, name in found}
    if not runs:
        raise ArtifactRefused(f"{path}: a run with metrics is required, and the store has none.")
    meant = [uuid for uuid, name in runs.items() if not run or run in (uuid, name)]
    if len(meant) == 1:
        return meant[0]
    listed = ", ".join(f"{uuid} ({runs[uuid]})" for uuid in (meant or list(runs))[:10])
    what = f"no run {run!r} is among {len(runs)}" if not meant else f"{len(meant)} runs are meant"
    raise SpecError(f"{path}: one run is required, and {what}. Name one with --run, the newest first: {listed}")


@contextmanager
def _database(path: Path) -> Iterator[sqlite3.Connection]:
    """The store, to be read only, with what a prepared file could misuse switched off."""
    left = _MOST_STEPS

    def stop() -> int:
        nonlocal left
        left -= 1
        return int(left <= 0)

    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)) as database:
            database.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
            database.set_progress_handler(stop, 1_000)
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA cell_size_check = ON")
            yield database
    except sqlite3.Error as error:
        raise ArtifactRefused(f"{path}: the database cannot be read: {error}.") from error


def _unbounded(value: float) -> float:
    """MLflow stores an infinity as the largest float."""
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max * (1 - 1e-12) else value
