"""A table some rows at a time, so that files larger than memory can be scored."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding
from trainwright.core.image_files import holds_images
from trainwright.data.formats import stream_arrow, stream_jsonl, stream_parquet
from trainwright.data.read import RawTable, kind_of, read_table, resolve_files, typed_table
from trainwright.data.text import stream_delimited

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 50_000  # assumption: 100 columns of them take 40 MB, and no engine is faster with more
_STREAMED = {".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow",
             ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "text", ".tsv": "text", ".txt": "text"}  # fmt: skip


def read_chunks(
    path: str | Path, *, rows: int = CHUNK_ROWS, missing_values: Sequence[str] | None = None
) -> Iterator[RawTable]:
    """The rows of a file or glob in order, at most ``rows`` in a table. Images and arrays come at once.

    Each table is typed by itself: what a column is comes from the schema of the model, not from here.

    Raises:
        DataRefused, ArtifactRefused, ResourceMissing: as `trainwright.data.read.read_table`.
    """
    if holds_images(Path(path)):
        yield read_table(path, missing_values=missing_values)
        return
    for file in resolve_files(path, None):
        form = _STREAMED.get(kind_of(file))
        if form is None or file.stat().st_size == 0:
            yield read_table(file, missing_values=missing_values)
            continue
        read = 0
        for table in _tables(file, form, rows, missing_values):
            read += len(table.frame)
            yield table
        if not read:
            raise DataRefused(f"{file}: rows are required, and the file has a header and nothing below it.")


def _tables(path: Path, form: str, rows: int, missing: Sequence[str] | None) -> Iterator[RawTable]:
    for whole, delimiter, findings in _blocks(path, form, rows):
        for start in range(0, max(whole.num_rows, 1), rows):
            part = whole.slice(start, rows)
            said = findings if start == 0 else ()
            yield typed_table(
                path, part, text=form == "text", delimiter=delimiter, findings=said, missing_values=missing
            )


def _blocks(path: Path, form: str, rows: int) -> "Iterator[tuple[pa.Table, str, tuple[Finding, ...]]]":
    """Arrow tables as they come from the file, how text is delimited, and what is to be said of each."""
    if form == "text":
        for text in stream_delimited(path):
            yield text.table, text.delimiter, text.findings
    elif form == "jsonl":
        for table, findings in stream_jsonl(path, rows):
            yield table, "", findings
    else:
        for table in stream_parquet(path, rows) if form == "parquet" else stream_arrow(path):
            yield table, "", ()
