"""The names of a table's columns, without reading its rows."""

from pathlib import Path

from trainwright.core.errors import TrainwrightError
from trainwright.core.image_files import holds_images


def column_names(path: str | Path) -> list[str]:
    """The columns of a file, or of the first of a glob; of images ``label``. Empty where they cannot be told.

    What is wrong with the file is told when it is read.
    """
    from trainwright.data.images import LABEL
    from trainwright.data.read import resolve_files

    if holds_images(Path(path)):
        return [LABEL]
    try:
        return _names(resolve_files(path, None)[0])
    except (TrainwrightError, OSError, ValueError):
        return []


def _names(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.parquet

    from trainwright.data.text import header_of

    suffixes = [s.lower() for s in path.suffixes]
    last = suffixes[-1] if suffixes else ""
    if last in (".parquet", ".pq"):
        return list(pa.parquet.read_schema(path).names)
    if last in (".arrow", ".feather", ".ipc"):
        with pa.memory_map(str(path)) as source:
            return list(pa.ipc.open_file(source).schema.names)
    if last == ".npz" or ".jsonl" in suffixes or ".ndjson" in suffixes:
        from trainwright.data.read import read_table

        return [str(name) for name in read_table(path).frame.columns]
    return header_of(path)
