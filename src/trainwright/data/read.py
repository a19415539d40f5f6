"""Read a table from files or frames: `read_table` and `table_from_frame`, which everything later starts from."""

import glob
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding
from trainwright.core.image_files import holds_images
from trainwright.data.dataset import Column
from trainwright.data.formats import frame_to_arrow, read_arrow, read_jsonl, read_npz, read_parquet
from trainwright.data.text import check_names, read_delimited
from trainwright.data.typed import MISSING_SPELLINGS, from_arrow, from_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_DELIMITED = (".csv", ".tsv", ".txt")
_FORMATS = (*_DELIMITED, ".parquet", ".pq", ".arrow", ".feather", ".ipc", ".jsonl", ".ndjson", ".npz")
_PACKED = (".gz", ".zst", ".bz2")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What was read: the path as resolved, the sha256 and size of its bytes, the rows it gave."""

    path: Path
    sha256: str
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """A table as read: columns of float64, int64, str (missing is NaN) and datetime64, before any kind is inferred.

    Row i of ``frame`` is the i-th kept row over ``files`` in order. ``known`` are columns whose kind and role the
    reader itself decided (those of images), by name.
    """

    frame: "pd.DataFrame"
    files: tuple[FileFacts, ...]
    findings: tuple[Finding, ...]
    known: Mapping[str, Column] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    """One file as Arrow: ``text`` says that the values are spelled, not typed. Typing takes the columns out."""

    path: Path
    columns: "dict[str, pa.ChunkedArray]"
    rows: int
    text: bool
    delimiter: str
    findings: tuple[Finding, ...]


def read_table(
    paths: str | Path | Sequence[str | Path],
    *,
    missing_values: Sequence[str] | None = None,
    base: Path | None = None,
    text_columns: Collection[str] = (),
) -> RawTable:
    """Read CSV, TSV (also .gz, .zst, .bz2), Parquet, Arrow/Feather, JSON lines or NPZ: one file, several, or a glob.

    A folder of images, a zip, a folder inside a zip or one image is read by `trainwright.data.images`, an NPZ file with
    an array of three or more dimensions by `trainwright.data.arrays`. ``base`` is the folder relative paths start from.
    ``missing_values`` replaces `MISSING_SPELLINGS` and then counts in typed formats too. ``text_columns`` stay text
    even where every value is a number.

    Raises:
        DataRefused: there is no such file, or it is no table; the message says which and what to do.
        ArtifactRefused: an NPZ file that needs pickle.
        ResourceMissing: the table does not fit into free memory.
    """
    if isinstance(paths, str | Path) and holds_images((base or Path()) / paths):
        from trainwright.data.images import read_images

        return read_images((base or Path()) / paths)
    files = resolve_files(paths, base)
    if len(files) == 1 and files[0].suffix.lower() == ".npz":
        from trainwright.data.arrays import read_arrays

        if (arrays := read_arrays(files[0])) is not None:
            return arrays
    raws = [_read_one(path) for path in files]
    _check_shards(raws)
    facts = tuple(file_facts(raw.path, raw.rows) for raw in raws)
    findings = [f for raw in raws for f in raw.findings]
    frame, more = _typed_frame(raws, missing_values=missing_values, text_columns=frozenset(text_columns))
    if len(frame) == 0:
        raise DataRefused(f"{files[0]}: rows are required, and the file has a header and nothing below it.")
    return RawTable(frame=frame, files=facts, findings=(*findings, *more))


def table_from_frame(
    frame: object, *, missing_values: Sequence[str] | None = None, text_columns: Collection[str] = ()
) -> RawTable:
    """The same for a frame in memory: pandas, or anything with ``to_pandas()`` (Polars, Arrow). It is not changed.

    Raises:
        DataRefused: not a frame, no rows, or column names that cannot be told apart.
    """
    import pandas as pd
    import pyarrow as pa

    if isinstance(frame, pa.Table):
        check_names("the frame", frame.column_names)
        table, findings = frame, tuple[Finding, ...]()
    else:
        if not isinstance(frame, pd.DataFrame) and hasattr(frame, "to_pandas"):
            frame = frame.to_pandas()
        if not isinstance(frame, pd.DataFrame):
            raise DataRefused(f"a pandas, Polars or Arrow frame is required, got {type(frame).__name__}.")
        table, findings = frame_to_arrow(frame)
    size = int(table.nbytes)
    raw = _raw(Path("<frame>"), table, findings=findings)
    del table
    typed, more = _typed_frame([raw], missing_values=missing_values, text_columns=frozenset(text_columns))
    if len(typed) == 0:
        raise DataRefused("the frame: rows are required, and it has none.")
    facts = FileFacts(path=raw.path, sha256=_frame_digest(typed), bytes=size, rows=len(typed))
    return RawTable(frame=typed, files=(facts,), findings=(*findings, *more))


def resolve_files(paths: str | Path | Sequence[str | Path], base: Path | None) -> list[Path]:
    """The files that paths and globs name, in order; relative ones start from ``base``.

    Raises:
        DataRefused: there is no such file, or it is a folder.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    files: list[Path] = []
    for one in given:
        path = (base or Path()) / one
        if path.is_dir():
            raise DataRefused(
                f"{path}: a file is required, and it is a folder. Name its files with a glob: {one}/*.csv"
            )
        if path.exists():
            files.append(path)
            continue
        matches = sorted(Path(p) for p in glob.glob(str(path), recursive=True) if Path(p).is_file())  # noqa: PTH207 - absolute patterns
        if not matches:
            what = "no file matches" if glob.has_magic(str(one)) else "there is no such file"
            raise DataRefused(
                f"{path}: a data file is required, and {what}. Relative paths in a spec start from its folder."
            )
        files += matches
    if not files:
        raise DataRefused("at least one data file is required, and none is named.")
    return files


def typed_table(
    path: Path,
    table: "pa.Table",
    *,
    text: bool,
    delimiter: str,
    findings: tuple[Finding, ...],
    missing_values: Sequence[str] | None,
) -> RawTable:
    """A block of a file as `read_table` types a whole one. It may have no rows; its ``sha256`` is empty."""
    raw = _raw(path, table, findings=findings, text=text, delimiter=delimiter)
    frame, more = _typed_frame([raw], missing_values=missing_values, text_columns=frozenset())
    facts = FileFacts(path=path, sha256="", bytes=int(table.nbytes), rows=len(frame))
    return RawTable(frame=frame, files=(facts,), findings=(*findings, *more))


def kind_of(path: Path) -> str:
    """The ending that says how a file is read: ``.csv`` for ``rows.csv.gz``."""
    suffixes = [s.lower() for s in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] in _PACKED
    return (suffixes[-2] if len(suffixes) > 1 else ".csv") if packed else (suffixes[-1] if suffixes else "")


def _read_one(path: Path) -> _Raw:
    suffixes = [s.lower() for s in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] in _PACKED
    kind = kind_of(path)
    if path.stat().st_size == 0:
        raise DataRefused(f"{path}: a table is required, and the file is empty.")
    if kind in _DELIMITED:
        text = read_delimited(path)
        return _raw(path, text.table, text=True, delimiter=text.delimiter, findings=text.findings)
    findings: tuple[Finding, ...] = ()
    if kind in (".jsonl", ".ndjson"):
        table, findings = read_jsonl(path)
    elif packed or kind not in _FORMATS:
        raise DataRefused(
            f"{path}: the file name must end in one of {', '.join(_FORMATS)} (text formats also packed: "
            f"{', '.join(_PACKED)}), and it ends in {''.join(suffixes) or 'nothing'}."
        )
    elif kind in (".parquet", ".pq"):
        table = read_parquet(path)
    elif kind == ".npz":
        table = read_npz(path)
    else:
        table = read_arrow(path)
    check_names(path, table.column_names)
    return _raw(path, table, findings=findings)


def _raw(
    path: Path, table: "pa.Table", *, findings: tuple[Finding, ...], text: bool = False, delimiter: str = ""
) -> _Raw:
    columns = {name: table.column(i) for i, name in enumerate(table.column_names)}
    return _Raw(path=path, columns=columns, rows=table.num_rows, text=text, delimiter=delimiter, findings=findings)


def _check_shards(raws: Sequence[_Raw]) -> None:
    first = raws[0]
    for raw in raws[1:]:
        if raw.text != first.text:
            raise DataRefused(f"{raw.path}: shards must share one format, and {first.path.name} has another.")
        ours, theirs = set(raw.columns), set(first.columns)
        if ours != theirs:
            parts = [
                f"{label} {', '.join(sorted(names)[:10])}"
                for label, names in (("lacks", theirs - ours), ("adds", ours - theirs))
                if names
            ]
            raise DataRefused(
                f"{raw.path}: shards must have the columns of {first.path.name}, and it {' and '.join(parts)}."
            )


def _typed_frame(
    raws: Sequence[_Raw], *, missing_values: Sequence[str] | None, text_columns: frozenset[str]
) -> "tuple[pd.DataFrame, tuple[Finding, ...]]":
    """Type one column at a time, and let go of its text before the next: the peak stays near one table."""
    import pandas as pd
    import pyarrow as pa

    first, rows = raws[0], sum(raw.rows for raw in raws)
    series: dict[str, pd.Series] = {}
    findings: list[Finding] = []
    for name in list(first.columns):
        column = _one_column(first.path, name, [raw.columns.pop(name) for raw in raws])
        keep = name in text_columns
        if first.text:
            missing = MISSING_SPELLINGS if missing_values is None else missing_values
            typed = from_text(name, column, missing=missing, keep_text=keep, delimiter=first.delimiter)
        else:
            typed = from_arrow(name, column, missing=missing_values, keep_text=keep)
        findings += typed.findings
        if typed.series is not None:
            series[name] = typed.series
        del column
    pa.default_memory_pool().release_unused()
    return pd.DataFrame(series, index=pd.RangeIndex(rows), copy=False), tuple(findings)


def _one_column(path: Path, name: str, parts: "list[pa.ChunkedArray]") -> "pa.ChunkedArray":
    import pyarrow as pa

    kinds = {part.type for part in parts}
    if len(kinds) > 1:
        try:
            kind = (
                pa.unify_schemas([pa.schema([(name, k)]) for k in kinds], promote_options="permissive").field(name).type
            )
            parts = [part.cast(kind) for part in parts]
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataRefused(
                f"{path}: shards must agree on types, and {name!r} is {', '.join(sorted(map(str, kinds)))}."
            ) from error
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], type=parts[0].type)


def file_facts(path: Path, rows: int) -> FileFacts:
    """The facts of a file, its bytes hashed."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return FileFacts(path=path, sha256=digest.hexdigest(), bytes=path.stat().st_size, rows=rows)


def _frame_digest(frame: "pd.DataFrame") -> str:
    import pandas as pd

    digest = hashlib.sha256("\x1f".join(map(str, frame.columns)).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()
