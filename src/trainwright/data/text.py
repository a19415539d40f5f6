"""Delimited text: what the bytes are, how the fields are separated, and the rows as columns of text."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from trainwright.core.errors import DataRefused, ResourceMissing
from trainwright.core.findings import Finding, Severity

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv as pacsv

MAX_COLUMNS = 20_000  # assumption: wider files are transposed, or not a table
BAD_ROWS_ALLOWED = 0.01  # assumption: more than 1% malformed rows means the file is not what we think
_DELIMITERS = ",;\t|"
_SAMPLE_BYTES = 1 << 18
_SAMPLE_LINES = 50
_BLOCK = 1 << 22  # 4 MiB: larger blocks raise the peak memory and read no faster (benchmarks/data.py)
_COMPRESSION = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFacts:
    """What one pass over the bytes says: size when unpacked, and whether quotes occur, and how many."""

    unpacked_bytes: int
    quotes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """Columns of text in file order, as `pyarrow` strings; blanks are still blanks."""

    table: "pa.Table"
    delimiter: str
    findings: tuple[Finding, ...]


@contextmanager
def open_unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked by its suffix (.gz, .zst, .bz2).

    Raises:
        DataRefused: the packed stream is cut short or damaged (raised while reading).
    """
    import pyarrow as pa

    kind = _COMPRESSION.get(path.suffix.lower())
    with pa.OSFile(str(path)) as raw:
        stream = pa.CompressedInputStream(raw, kind) if kind else raw
        try:
            yield stream
        except OSError as error:
            if kind is None:
                raise
            raise DataRefused(
                f"{path}: a whole {kind} file is required, and unpacking it failed ({error}). "
                "It was probably cut short while it was copied: copy it again."
            ) from error


def scan(path: Path, *, at_once: bool = True) -> TextFacts:
    """Read all bytes once: UTF-8, no NUL, and (where the text is to be read ``at_once``) not larger than free memory.

    Raises:
        DataRefused: the bytes are not UTF-8 text; the message names the offset of the first bad byte.
        ResourceMissing: unpacked, the text does not fit into free memory.
    """
    import psutil

    limit = int(psutil.virtual_memory().available)
    decoder = codecs.getincrementaldecoder("utf-8")()
    done = quotes = 0
    with open_unpacked(path) as stream:
        while chunk := stream.read(_BLOCK):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise _not_utf8(path, done - pending + error.start, chunk) from error
            if (at := chunk.find(b"\0")) >= 0:
                raise DataRefused(
                    f"{path}: text is required, and byte {done + at} is NUL. "
                    "Save it as UTF-8 (a UTF-16 export and a binary file both look like this)."
                )
            quotes += chunk.count(b'"')
            done += len(chunk)
            if at_once and done > limit:
                raise ResourceMissing(
                    f"{path}: unpacked, the text is larger than the {limit / 1e9:.1f} GB of free memory. "
                    "Use a machine with more memory, fewer rows, or Parquet."
                )
    if done == 0:
        raise DataRefused(f"{path}: a table is required, and the file is empty.")
    return TextFacts(unpacked_bytes=done, quotes=quotes)


def _not_utf8(path: Path, offset: int, chunk: bytes) -> DataRefused:
    if chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):
        guess = "It starts like UTF-16"
    else:
        guess = "It is probably Latin-1 or Windows-1252"
    source = "UTF-16" if "UTF-16" in guess else "WINDOWS-1252"
    return DataRefused(
        f"{path}: UTF-8 text is required, and byte {offset} is not UTF-8. {guess}: save it as UTF-8, "
        f"for example with: iconv -f {source} -t UTF-8 {path.name} > utf8.csv"
    )


def read_delimited(path: Path) -> TextTable:
    """Read a CSV or TSV file as text, column by column; malformed rows are left out and reported by line.

    Raises:
        DataRefused: no table, a broken header, an unclosed quote, or more malformed rows than `BAD_ROWS_ALLOWED`.
    """
    import pyarrow as pa
    import pyarrow.csv as pacsv

    seen = _look(path, scan(path))
    bad: list[str] = []
    read, parse, convert = _csv_options(seen, bad)
    try:
        with open_unpacked(path) as stream:
            table = pacsv.read_csv(stream, read_options=read, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as error:
        raise DataRefused(f"{path}: a table of text is required, and reading it failed: {error}") from error
    table = table.slice(1)  # the header line
    findings = (*seen.findings, *([_bad_rows(path, seen, len(bad), table.num_rows)] if bad else []))
    return TextTable(table=table, delimiter=seen.delimiter, findings=findings)


def stream_delimited(path: Path) -> Iterator[TextTable]:
    """The same a block of bytes at a time, whatever the size of the file; what was left out is told with the last.

    Raises:
        DataRefused: as `read_delimited`; of malformed rows after the last block.
    """
    import pyarrow as pa
    import pyarrow.csv as pacsv

    seen = _look(path, scan(path, at_once=False))
    bad: list[str] = []
    read, parse, convert = _csv_options(seen, bad)
    rows, header, findings = 0, 1, seen.findings
    try:
        with open_unpacked(path) as stream:
            for batch in pacsv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert):
                table = pa.Table.from_batches([batch]).slice(header)
                rows, header = rows + table.num_rows, 0
                yield TextTable(table=table, delimiter=seen.delimiter, findings=findings)
                findings = ()
    except pa.ArrowInvalid as error:
        raise DataRefused(f"{path}: a table of text is required, and reading it failed: {error}") from error
    if bad:
        last = _bad_rows(path, seen, len(bad), rows)
        yield TextTable(table=table.slice(table.num_rows), delimiter=seen.delimiter, findings=(last,))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the beginning of a file says of it, and whether quotes occur anywhere."""

    names: list[str]
    delimiter: str
    quoted: bool
    findings: tuple[Finding, ...]


def _look(path: Path, facts: TextFacts) -> _Seen:
    """Refuses a file without a header, and one with a quote that is never closed."""
    sample = _sample(path)
    delimiter = _sniff(sample, path)
    names, findings = _header(path, sample, delimiter)
    if facts.quotes % 2:
        _refuse_unclosed_quote(path, delimiter)
    return _Seen(names=names, delimiter=delimiter, quoted=facts.quotes > 0, findings=findings)


def _csv_options(seen: _Seen, bad: list[str]) -> "tuple[pacsv.ReadOptions, pacsv.ParseOptions, pacsv.ConvertOptions]":
    """All columns as text, the header as a row; rows of another width go to ``bad``."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    def leave_out(row: "pacsv.InvalidRow") -> str:
        bad.append(row.text)
        return "skip"

    return (
        pacsv.ReadOptions(block_size=_BLOCK, column_names=seen.names, skip_rows_after_names=0),
        pacsv.ParseOptions(delimiter=seen.delimiter, newlines_in_values=seen.quoted, invalid_row_handler=leave_out),
        pacsv.ConvertOptions(column_types=dict.fromkeys(seen.names, pa.string()), strings_can_be_null=False),
    )


def header_of(path: Path) -> list[str]:
    """The column names of a CSV or TSV file, from its beginning alone.

    Raises:
        DataRefused: there are none, or they cannot be told apart.
    """
    sample = _sample(path)
    return _header(path, sample, _sniff(sample, path))[0]


def _sample(path: Path) -> list[str]:
    with open_unpacked(path) as stream:
        raw = stream.read(_SAMPLE_BYTES)
    whole = len(raw) < _SAMPLE_BYTES
    text = raw.decode("utf-8-sig", errors="ignore")
    lines = io.StringIO(text, newline="").readlines()
    return lines if whole or len(lines) < 2 else lines[:-1]


def _sniff(lines: Sequence[str], path: Path) -> str:
    """The delimiter that cuts most sample rows into the same number (above one) of fields as the header."""
    prefer = "\t" if ".tsv" in path.name.lower() else ","
    scores: dict[str, tuple[float, int]] = {}
    for delimiter in _DELIMITERS:
        rows = _parse(lines, delimiter, limit=_SAMPLE_LINES)
        if not rows or len(rows[0]) < 2:
            continue
        same = sum(len(r) == len(rows[0]) for r in rows) / len(rows)
        scores[delimiter] = (round(same, 2), len(rows[0]))
    if not scores:
        return prefer
    best = max(scores.values())
    return prefer if scores.get(prefer) == best else next(d for d, s in scores.items() if s == best)


def _parse(lines: Sequence[str], delimiter: str, *, limit: int) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines, delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) >= limit:
                break
    except csv.Error:
        pass  # a field beyond csv's size limit: the rows so far are enough to judge by
    return rows


def _header(path: Path, lines: Sequence[str], delimiter: str) -> tuple[list[str], tuple[Finding, ...]]:
    rows = _parse(lines, delimiter, limit=1)
    if not rows:
        raise DataRefused(f"{path}: a table is required, and the file has no text in it.")
    names = [name.strip() for name in rows[0]]
    check_names(path, names)
    findings: list[Finding] = []
    if names != rows[0]:
        findings.append(
            Finding(
                code="data.header_spaces",
                severity=Severity.INFO,
                where=path.name,
                what="spaces around column names were removed",
            )
        )
    if all(_is_number(name) for name in names):
        findings.append(
            Finding(
                code="data.header_missing",
                severity=Severity.WARNING,
                where=path.name,
                what=f"every column name is a number ({', '.join(names[:5])})",
                why="The first row is probably data, and it was read as the header.",
                fix="Add a header line with the column names.",
            )
        )
    return names, tuple(findings)


def check_names(path: Path | str, names: Sequence[str]) -> None:
    """Refuse a table whose columns cannot be told apart.

    Raises:
        DataRefused: no columns, too many, an empty name or a name used twice.
    """
    if not names:
        raise DataRefused(f"{path}: at least one column is required, and there is none.")
    if len(names) > MAX_COLUMNS:
        raise DataRefused(f"{path}: at most {MAX_COLUMNS} columns are supported, and there are {len(names)}.")
    empty = [i + 1 for i, name in enumerate(names) if not name]
    if empty:
        hint = " pandas writes such a column for its index: write with index=False." if empty[0] == 1 else ""
        raise DataRefused(
            f"{path}: every column needs a name, and column {', '.join(map(str, empty[:10]))} has none.{hint}"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataRefused(
            f"{path}: column names must differ, and {', '.join(map(repr, twice[:10]))} stand twice. Rename them."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _records(path: Path, delimiter: str, *, strict: bool) -> Iterator[tuple[int, int]]:
    """First line and number of fields of every record, the header included, by Python's slow and exact reader."""
    with open_unpacked(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        reader = csv.reader(text, delimiter=delimiter, strict=strict)
        start = 1
        for row in reader:
            yield start, len(row)
            start = reader.line_num + 1
        text.detach()


def _refuse_unclosed_quote(path: Path, delimiter: str) -> None:
    """An odd number of quotes is only suspicious: a lone quote inside a plain field is legal text."""
    line = 0
    try:
        for line, _ in _records(path, delimiter, strict=True):  # noqa: B007 - the last good line is used below
            pass
    except csv.Error as error:
        raise DataRefused(
            f"{path}: every quoted field must be closed, and a quote opened after line {line} is not ({error}). "
            'Close it, or write a quote inside a field twice ("").'
        ) from error


def _bad_rows(path: Path, seen: _Seen, bad: int, good: int) -> Finding:
    delimiter, width = seen.delimiter, len(seen.names)
    lines: list[int] = []
    for line, fields in _records(path, delimiter, strict=False):
        if fields not in (0, width):
            lines.append(line)
            if len(lines) == min(bad, 20):
                break
    shown = ", ".join(map(str, lines)) + (", ..." if bad > len(lines) else "")
    finding = Finding(
        code="data.bad_rows",
        severity=Severity.WARNING,
        where=path.name,
        what=f"{bad} of {bad + good} rows do not have {width} fields and were left out (line {shown})",
        why="A row with more or fewer fields than the header cannot be assigned to columns.",
        fix="Repair these lines; fields that hold the delimiter must be quoted.",
        evidence={"rows": bad, "lines": lines, "fields": width, "delimiter": delimiter},
    )
    if bad > max(1, BAD_ROWS_ALLOWED * (bad + good)):
        raise DataRefused(
            f"{path}: rows of {width} fields are required, and {bad} of {bad + good} rows have another number "
            f"(line {shown}). More than {BAD_ROWS_ALLOWED:.0%} bad rows are refused. {finding.fix}",
            findings=[finding],
        )
    return finding
