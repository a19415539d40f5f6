"""From the spec's data section to a `Dataset`: read, target, split, kinds, canonical parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding, Severity
from trainwright.core.seeds import Seeds
from trainwright.data.canonical import canonical_column, column_hashes, row_hashes, to_datetimes
from trainwright.data.dataset import Column, Dataset, Kind, Part, Role, Schema, SealedTest, SplitFacts, Target
from trainwright.data.kinds import ignored_finding, infer_column, looks_like_identifier
from trainwright.data.named import Named, named_columns
from trainwright.data.read import RawTable, read_table, table_from_frame
from trainwright.data.split import SplitInputs, make_split, time_numbers
from trainwright.data.target import encode_target, settle_target

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from trainwright.spec.models import Data, Split

_PARTS = ("train", "val", "test")
_MIN_ROWS = 2


@dataclass(slots=True, kw_only=True)
class _Source:
    """One given table on its way: its frame (columns are taken out as they are used up), target values and row ids."""

    frame: "pd.DataFrame"
    first_row: int
    y: "np.ndarray"  # float64, NaN where the target is missing
    kept: "np.ndarray"  # positions with a target


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one part: positions in one source."""

    source: str
    positions: "np.ndarray"


def load_dataset(
    data: "Data",
    *,
    task: str,
    seed: int,
    base: Path,
    frames: "Mapping[str, pd.DataFrame] | None" = None,
) -> Dataset:
    """Read and split everything the spec names; nothing about features is decided from rows outside training.

    ``frames`` (keys train, val, test) stand in for paths. Relative paths start from ``base``.

    Raises:
        SpecError: no target, or a column named in the spec that the table does not have.
        DataRefused: the data cannot be used; the message says why and what to do.
    """
    tables = _read_all(data, base, frames or {})
    findings = [f for table in tables.values() for f in table.findings]
    named = named_columns(data, [str(c) for c in tables["train"].frame.columns])
    files = {part: table.files for part, table in tables.items()}
    sources, target, more = _with_targets(tables, named, task)
    findings += more
    del tables
    seeds = Seeds(seed)
    rows, split, more = _divide(sources, data, named, target, seeds)
    findings += more
    rows, more = _seen_classes(rows, sources, target)
    findings += more
    schema, parts = _parts(sources, rows, named, target)
    findings += [ignored_finding(c) for c in schema.columns if c.role == "ignored" and c.name not in named.ignored]
    findings += _infinities(schema, sources, named)
    test = _seal(parts.pop("test"), schema, named) if "test" in parts else None
    return Dataset(
        schema=schema,
        target=target,
        train=parts["train"],
        val=parts["val"],
        test=test,
        split=split,
        fingerprint=_fingerprint(files),
        memory_bytes=0,
        findings=tuple(findings),
    )
