"""Typed formats: Parquet, Arrow, JSON lines, NPZ. Each gives an Arrow table, or says why not."""

import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import ArtifactRefused, DataRefused, ResourceMissing
from trainwright.core.findings import Finding, Severity
from trainwright.data.text import BAD_ROWS_ALLOWED, MAX_COLUMNS, check_names, open_unpacked, scan

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

STORED = "rows.npy"
"""The file in a run's scratch space that holds the rows of a user's own data set."""
DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, MemoryError)
"""What zipfile and NumPy raise for damaged archives: among them unknown compression, encryption, a forged shape."""


def read_parquet(path: Path) -> "pa.Table":
    """A Parquet file, after its header said that it fits.

    Raises:
        DataRefused: not a Parquet file, or damaged.
        ResourceMissing: it would not fit into free memory.
    """
    with _parquet(path) as file:
        _check_fits(path, file.metadata.num_rows * file.metadata.num_columns * 8)
        table = file.read()
        table.validate(full=True)
    return table


def read_arrow(path: Path) -> "pa.Table":
    """An Arrow IPC or Feather file, or a stream of one.

    Raises:
        DataRefused: neither, or damaged.
    """
    with _arrow(path) as opened:
        table = opened.read_all()
        table.validate(full=True)  # the format is mapped, not parsed: a damaged offset would crash the process later
    return table


def read_jsonl(path: Path) -> "tuple[pa.Table, tuple[Finding, ...]]":
    """JSON lines: one object a line. Malformed lines are left out and reported by number.

    Raises:
        DataRefused: more malformed lines than `BAD_ROWS_ALLOWED`, or no objects at all.
    """
    import pyarrow as pa
    import pyarrow.json as pajson

    scan(path)
    try:
        with open_unpacked(path) as stream:
            return pajson.read_json(stream), ()
    except pa.ArrowException:
        return _read_jsonl_by_line(path)


def stream_parquet(path: Path, rows: int) -> "Iterator[pa.Table]":
    """At most so many rows of a Parquet file at a time.

    Raises:
        DataRefused: not a Parquet file, or damaged.
    """
    with _parquet(path) as file:
        for batch in file.iter_batches(batch_size=rows):
            yield _whole(batch)


def stream_arrow(path: Path) -> "Iterator[pa.Table]":
    """A record batch of an Arrow or Feather file at a time.

    Raises:
        DataRefused: neither, or damaged.
    """
    import pyarrow as pa

    with _arrow(path) as opened:
        stream = isinstance(opened, pa.RecordBatchStreamReader)
        for batch in opened if stream else map(opened.get_batch, range(opened.num_record_batches)):
            yield _whole(batch)


def stream_jsonl(path: Path, rows: int) -> "Iterator[tuple[pa.Table, tuple[Finding, ...]]]":
    """So many JSON lines at a time; malformed ones are judged block by block.

    Raises:
        DataRefused: as `read_jsonl`, of one block.
    """
    import io

    import pyarrow as pa
    import pyarrow.json as pajson

    scan(path, at_once=False)
    lines = _json_lines(path)
    while block := list(islice(lines, rows)):
        try:
            yield pajson.read_json(io.BytesIO("".join(line for _, line in block).encode())), ()
        except pa.ArrowException:
            yield _json_objects(path, block)


def _read_jsonl_by_line(path: Path) -> "tuple[pa.Table, tuple[Finding, ...]]":
    """The slow and patient way, for files whose columns change type or whose lines are broken."""
    return _json_objects(path, _json_lines(path))


def _json_objects(path: Path, lines: Iterable[tuple[int, str]]) -> "tuple[pa.Table, tuple[Finding, ...]]":
    import pandas as pd

    good: list[dict[str, object]] = []
    bad: list[int] = []
    for number, line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            good.append(value)
        else:
            bad.append(number)
    if len(bad) > max(1, BAD_ROWS_ALLOWED * (len(good) + len(bad))) or not good:
        raise DataRefused(
            f"{path}: one JSON object a line is required, and {len(bad)} of {len(good) + len(bad)} lines are none "
            f"(line {', '.join(map(str, bad[:20]))}). Repair them; a JSON array must be written one object a line."
        )
    findings = (_bad_lines(path, bad),) if bad else ()
    table, more = frame_to_arrow(pd.DataFrame.from_records(good))
    return table, (*findings, *more)


def _bad_lines(path: Path, bad: list[int]) -> Finding:
    return Finding(
        code="data.bad_rows",
        severity=Severity.WARNING,
        where=path.name,
        what=f"{len(bad)} lines are no JSON objects and were left out (line {', '.join(map(str, bad[:20]))})",
        evidence={"rows": len(bad), "lines": bad[:20]},
    )


def _json_lines(path: Path) -> Iterator[tuple[int, str]]:
    import io

    with open_unpacked(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig")
        for number, line in enumerate(text, start=1):
            if line.strip():
                yield number, line
        text.detach()


def read_npz(path: Path) -> "pa.Table":
    """NumPy arrays by name: ``X`` (rows, columns) and ``y``, or one array a column. Nothing is unpickled.

    Raises:
        ArtifactRefused: an array of Python objects, which only pickle could read.
        DataRefused: damaged, or arrays that make no table.
    """
    import numpy as np
    import pyarrow as pa

    columns = _npz_columns(path, load_npz(path))
    check_names(path, list(columns))
    sizes = {name: len(values) for name, values in columns.items()}
    if len(set(sizes.values())) > 1:
        raise DataRefused(f"{path}: all arrays need the same number of rows, and they have {sizes}.")
    return pa.table({name: pa.array(np.ascontiguousarray(values)) for name, values in columns.items()})


def load_npz(path: Path) -> "dict[str, np.ndarray]":
    """The arrays of an NPZ file by name, of any shapes.

    Raises:
        ArtifactRefused: an array of Python objects, which only pickle could read.
        DataRefused: damaged.
        ResourceMissing: they do not fit into free memory.
    """
    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            _check_fits(path, sum(item.file_size for item in archive.infolist()))
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise ArtifactRefused(
                f"{path}: plain arrays are required, and one holds Python objects, which only pickle can read. "
                "Save it with a number or text dtype."
            ) from error
        raise DataRefused(f"{path}: an NPZ file is required, and it cannot be read: {error}") from error
    except DAMAGED_ZIP as error:
        raise DataRefused(f"{path}: an NPZ file is required, and it cannot be read: {error}") from error


def load_arrays(path: Path) -> "dict[str, np.ndarray]":
    """The arrays of a file by name: of an NPZ file in memory, of `STORED` mapped (its one array is ``x``).

    Raises:
        DataRefused: damaged, or not there.
        ArtifactRefused, ResourceMissing: see `load_npz`.
    """
    import numpy as np

    if path.name != STORED:
        return load_npz(path)
    try:
        return {"x": np.load(path, mmap_mode="r", allow_pickle=False)}
    except (OSError, ValueError) as error:
        raise DataRefused(f"{path}: the values of the data set are required, and cannot be read: {error}") from error


def _npz_columns(path: Path, arrays: "dict[str, np.ndarray]") -> "dict[str, np.ndarray]":
    columns: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        if values.ndim == 1:
            columns[name] = values
        elif values.ndim == 2 and values.shape[1] <= MAX_COLUMNS:
            prefix = "x" if name == "X" else f"{name}_"
            one = values.shape[1] == 1 and name != "X"
            columns |= {name if one else f"{prefix}{i}": values[:, i] for i in range(values.shape[1])}
        else:
            raise DataRefused(
                f"{path}: arrays of one or two dimensions are required (or one of more, with the rows first), and "
                f"{name!r} has the shape {values.shape}."
            )
    return columns


def frame_to_arrow(frame: "pd.DataFrame") -> "tuple[pa.Table, tuple[Finding, ...]]":
    """A pandas frame as an Arrow table, column by column; columns of mixed objects become text, which is said."""
    import pyarrow as pa

    from trainwright.data.typed import from_objects

    columns: dict[str, pa.Array] = {}
    findings: list[Finding] = []
    names = [str(name) for name in frame.columns]
    check_names("the frame", names)
    for position, name in enumerate(names):
        series = frame.iloc[:, position]
        try:
            columns[name] = pa.Array.from_pandas(series)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            typed = from_objects(name, series.reset_index(drop=True))
            findings += typed.findings
            columns[name] = pa.Array.from_pandas(typed.series)
    return pa.table(columns), tuple(findings)


@contextmanager
def _parquet(path: Path) -> "Iterator[pq.ParquetFile]":
    """An open Parquet file with good column names; what reading it raises says which file it was."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            check_names(path, file.schema_arrow.names)
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DataRefused(f"{path}: a Parquet file is required, and it cannot be read: {error}") from error


@contextmanager
def _arrow(path: Path) -> "Iterator[pa.RecordBatchFileReader | pa.RecordBatchStreamReader]":
    """An open Arrow IPC or Feather file, or a stream of one; what reading it raises says which file it was."""
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as source:
            is_file = source.read(6) == b"ARROW1"
        with pa.OSFile(str(path)) as source:
            yield pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
    except (pa.ArrowException, OSError) as error:
        raise DataRefused(f"{path}: an Arrow or Feather file is required, and it cannot be read: {error}") from error


def _whole(batch: "pa.RecordBatch") -> "pa.Table":
    """A batch as a table, once its offsets are known to be sound."""
    import pyarrow as pa

    batch.validate(full=True)
    return pa.Table.from_batches([batch])


def _check_fits(path: Path, needed: int) -> None:
    import psutil

    free = int(psutil.virtual_memory().available)
    if needed > free:
        raise ResourceMissing(
            f"{path}: unpacked, the table needs {needed / 1e9:.1f} GB at least, and {free / 1e9:.1f} GB are free."
        )
