"""How the columns of the training rows are distributed: counts in few bins, which later rows are compared with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import ArtifactRefused
from trainwright.data.canonical import time_numbers
from trainwright.data.dataset import Kind, Schema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_FORMAT = 1
_BINS = 10  # deciles, as the index was defined for (Siddiqi 2006)
_MOST_CATEGORIES = 20  # the most frequent ones; the rest is one bin (assumption: they hold nearly all rows)
_ORDERED, _NAMED = (Kind.NUMERIC, Kind.DATETIME), (Kind.CATEGORICAL, Kind.BOOLEAN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnBins:
    """The bins of one column. ``edges`` (numbers, dates in epoch seconds) or ``categories``; the last bin is missing.

    Ordered columns have one bin more than edges: at most edge 0, above it up to edge 1, and so on. Named ones have one
    for each category and one for all others.
    """

    name: str
    kind: Kind
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of bins, that of missing values included."""
        return len(self.categories if self.kind in _NAMED else self.edges) + 2

    def count(self, values: "pd.Series") -> "np.ndarray":
        """Rows in each bin, int64, shape (size,), of a canonical column."""
        import numpy as np
        import pandas as pd

        missing = values.isna().to_numpy()
        if self.kind in _NAMED:
            codes = pd.Index(list(self.categories), dtype="str").get_indexer(pd.Index(values))
            codes[codes < 0] = len(self.categories)
        else:
            codes = np.searchsorted(np.asarray(self.edges), time_numbers(values), side="left")
        codes[missing] = self.size - 1
        return np.bincount(codes, minlength=self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Bins of the columns, and counts by part (``train``, ``val``, ``test``) for each."""

    columns: tuple[ColumnBins, ...]
    counts: Mapping[str, Sequence[Sequence[int]]]

    def count(self, frame: "pd.DataFrame") -> "list[np.ndarray]":
        """Counts of each column in a canonical frame."""
        return [column.count(frame[column.name]) for column in self.columns]

    def to_json(self) -> dict[str, object]:
        """The content of ``profile.json``."""
        columns = []
        for at, column in enumerate(self.columns):
            one: dict[str, object] = {"name": column.name, "kind": column.kind.value}
            one |= {"categories": column.categories} if column.kind in _NAMED else {"edges": column.edges}
            columns.append({**one, "counts": {part: list(map(int, c[at])) for part, c in self.counts.items()}})
        return {"format": _FORMAT, "columns": columns}


def make_profile(parts: "Mapping[str, pd.DataFrame]", schema: Schema) -> Profile:
    """The profile of canonical frames by part; the bins come from ``train`` alone."""
    train = parts["train"]
    columns = []
    for column in schema.features:
        if column.kind in _NAMED:
            known = column.categories[:_MOST_CATEGORIES]
            columns.append(ColumnBins(name=column.name, kind=column.kind, categories=known))
        elif column.kind in _ORDERED:
            columns.append(ColumnBins(name=column.name, kind=column.kind, edges=_edges(train[column.name])))
    bare = Profile(columns=tuple(columns), counts={})
    counts = {part: [c.tolist() for c in bare.count(frame)] for part, frame in parts.items()}
    return Profile(columns=bare.columns, counts=counts)


def read_profile(path: Path) -> Profile:
    """Read ``profile.json``.

    Raises:
        ArtifactRefused: damaged, or of another format.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != _FORMAT:
            raise ArtifactRefused(f"{path} has profile format {stored['format']}, this version reads {_FORMAT}.")
        columns = tuple(
            ColumnBins(
                name=str(one["name"]),
                kind=Kind(one["kind"]),
                edges=tuple(float(e) for e in one.get("edges", ())),
                categories=tuple(str(c) for c in one.get("categories", ())),
            )
            for one in stored["columns"]
        )
        parts = stored["columns"][0]["counts"] if columns else {}
        counts = {part: [[int(c) for c in one["counts"][part]] for one in stored["columns"]] for part in parts}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactRefused(f"{path} cannot be read as a profile: {error}. Restore it from a copy.") from error
    return Profile(columns=columns, counts=counts)


def _edges(values: "pd.Series") -> tuple[float, ...]:
    """Inner quantiles, each once; few distinct values give fewer."""
    import numpy as np

    numbers = time_numbers(values)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return ()
    cuts = np.quantile(numbers, np.arange(1, _BINS) / _BINS, method="inverted_cdf")
    return tuple(float(cut) for cut in np.unique(cuts))
