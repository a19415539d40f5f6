"""Predictions as a file that is whole or absent, written block by block."""

import io
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from trainwright.core.errors import ResourceMissing, SpecError
from trainwright.core.jsonable import to_json
from trainwright.run.files import sync_folder

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.parquet as pq

FORMATS = (".csv", ".parquet", ".jsonl")


def check_format(out: Path | None) -> None:
    """Raises SpecError where the ending is none of `FORMATS`."""
    if out is not None and out.suffix not in FORMATS:
        raise SpecError(f"predictions are written as {', '.join(FORMATS)}, got {out.name!r}")


class PredictionFile:
    """Takes frames with the same columns one after the other."""

    def __init__(self, file: IO[bytes], suffix: str) -> None:
        self._file = file
        self._suffix = suffix
        self._parquet: pq.ParquetWriter | None = None
        self._empty = True

    def add(self, frame: "pd.DataFrame") -> None:
        """Write one block."""
        if self._suffix == ".parquet":
            self._add_parquet(frame)
        elif self._suffix == ".csv":
            buffer = io.BytesIO()
            frame.to_csv(buffer, index=False, header=self._empty)
            self._file.write(buffer.getvalue())
        else:  # pandas writes at most 15 digits, and a float64 needs 17
            lines = (json.dumps(to_json(row), allow_nan=False) for row in frame.to_dict(orient="records"))
            self._file.writelines(f"{line}\n".encode() for line in lines)
        self._empty = False

    def close(self) -> None:
        """Write what the format has at its end."""
        if self._parquet is not None:
            self._parquet.close()

    def _add_parquet(self, frame: "pd.DataFrame") -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(frame, preserve_index=False)
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(self._file, table.schema)
        self._parquet.write_table(table.cast(self._parquet.schema))


@contextmanager
def prediction_file(path: Path) -> Iterator[PredictionFile]:
    """Fill a temporary file beside ``path``, and put it in its place when all went well.

    Raises:
        ResourceMissing: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            wanted = PredictionFile(file, path.suffix)
            yield wanted
            wanted.close()
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise ResourceMissing(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
