"""Stored predictions, as arrays."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import ArtifactRefused

if TYPE_CHECKING:
    import numpy as np

_PROBABILITY = "proba_"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """One part of the rows with what was predicted for them.

    ``rows``: int64 ids. Classification: ``y`` int64 codes into ``classes``, ``predicted`` int64 codes,
    ``probability`` float64 (rows, classes). Regression: ``y`` and ``predicted`` float64, ``probability`` (rows, 0).
    """

    part: str
    rows: "np.ndarray"
    y: "np.ndarray"
    predicted: "np.ndarray"
    probability: "np.ndarray"
    classes: tuple[str, ...]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)


def read_predictions(folder: Path, part: str, classes: tuple[str, ...]) -> Predictions | None:
    """Read ``predictions/<part>.parquet``; None when the file does not exist.

    Raises:
        ArtifactRefused: the file is damaged, or lacks a column or a class.
    """
    path = folder / f"{part}.parquet"
    if not path.is_file():
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactRefused(f"{path.name} of the predictions is damaged: {error}") from error
    wanted = ["row", "target", "prediction", *(f"{_PROBABILITY}{c}" for c in classes)]
    if missing := [name for name in wanted if name not in table.column_names]:
        raise ArtifactRefused(f"{path.name} of the predictions lacks the column(s) {', '.join(missing)}")
    return _from_table(table, part, classes)


def _from_table(table: "object", part: str, classes: tuple[str, ...]) -> Predictions:
    import numpy as np
    import pyarrow as pa

    assert isinstance(table, pa.Table)
    rows = table["row"].to_numpy().astype(np.int64)
    if not classes:
        y = table["target"].to_numpy().astype(np.float64)
        predicted = table["prediction"].to_numpy().astype(np.float64)
        empty = np.empty((len(rows), 0))
        return Predictions(part=part, rows=rows, y=y, predicted=predicted, probability=empty, classes=())
    codes = {name: code for code, name in enumerate(classes)}
    target = [str(v) for v in table["target"].to_pylist()]
    guessed = [str(v) for v in table["prediction"].to_pylist()]
    if unknown := sorted({*target, *guessed} - set(codes)):
        raise ArtifactRefused(f"the {part} predictions hold the class {unknown[0]!r}, which run.json does not list")
    return Predictions(
        part=part,
        rows=rows,
        y=np.array([codes[v] for v in target], dtype=np.int64),
        predicted=np.array([codes[v] for v in guessed], dtype=np.int64),
        probability=np.column_stack([table[f"{_PROBABILITY}{c}"].to_numpy() for c in classes]).astype(np.float64),
        classes=classes,
    )
