"""The open rows of a data set (training and validation) as the leak checks look at them, and their plain numbers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.core.seeds import Seeds
from trainwright.data.dataset import Column, Dataset, Part

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_SEEDS = Seeds(0)  # which rows a check samples is a function of the data alone, never of the run's seed


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRows:
    """Rows in the order of the files, or a sample of them.

    ``rows`` are row ids, ascending; ``in_val`` marks validation rows; ``total`` counts the rows sampled from.
    """

    rows: "np.ndarray"
    frame: "pd.DataFrame"
    y: "np.ndarray"
    in_val: "np.ndarray"
    total: int

    def __len__(self) -> int:
        """Number of rows here."""
        return len(self.rows)

    @property
    def described(self) -> str:
        """``5,875 rows`` or ``20,000 of 494,021 rows``, for a check's sentence."""
        return f"{len(self):,} of {self.total:,} rows" if len(self) < self.total else f"{self.total:,} rows"


def sample(dataset: Dataset, limit: int, columns: list[str] | None = None) -> OpenRows:
    """At most ``limit`` random training and validation rows, in file order; ``columns`` limits the frame."""
    import numpy as np

    total = len(dataset.train) + len(dataset.val)
    if total <= limit:
        chosen = np.arange(total)
    else:
        chosen = np.sort(_SEEDS.generator("sample", total).choice(total, limit, replace=False))
    return _take(dataset, chosen, columns)


def stretch(dataset: Dataset, limit: int, columns: list[str] | None = None) -> OpenRows:
    """The first ``limit`` training and validation rows by row id: neighbours stay neighbours."""
    import numpy as np

    rows = np.concatenate([dataset.train.rows, dataset.val.rows])
    chosen = np.argsort(rows, kind="stable")[:limit]
    return _take(dataset, np.sort(chosen), columns)


def _take(dataset: Dataset, chosen: "np.ndarray", columns: list[str] | None) -> OpenRows:
    import numpy as np
    import pandas as pd

    cut = len(dataset.train)
    parts = [
        _pick(dataset.train, chosen[chosen < cut], columns),
        _pick(dataset.val, chosen[chosen >= cut] - cut, columns),
    ]
    rows = np.concatenate([dataset.train.rows, dataset.val.rows])[chosen]
    y = np.concatenate([dataset.train.y, dataset.val.y])[chosen]
    frame = pd.concat(parts, ignore_index=True) if len(parts[1]) else parts[0].reset_index(drop=True)
    order = np.argsort(rows, kind="stable")
    return OpenRows(
        rows=rows[order],
        frame=frame.iloc[order].reset_index(drop=True),
        y=y[order],
        in_val=(chosen >= cut)[order],
        total=cut + len(dataset.val),
    )


def _pick(part: Part, positions: "np.ndarray", columns: list[str] | None) -> "pd.DataFrame":
    frame = part.frame if columns is None else part.frame[[c for c in columns if c in part.frame.columns]]
    return frame.iloc[positions]


def codes(values: "pd.Series") -> "np.ndarray":
    """Int64 codes 0..k-1 in order of appearance, -1 where missing."""
    import numpy as np
    import pandas as pd

    found, _ = pd.factorize(values, use_na_sentinel=True)
    return found.astype(np.int64)


def inputs(dataset: Dataset) -> tuple[Column, ...]:
    """The columns a part's frame holds: all but target and weight."""
    return tuple(c for c in dataset.schema.columns if c.role not in ("target", "weight"))


def is_constant(y: "np.ndarray") -> bool:
    """Whether there is nothing to tell apart: no values, or one value throughout."""
    return len(y) == 0 or bool((y == y[0]).all())


def is_numeric(values: "pd.Series") -> bool:
    """Whether a column holds numbers (dates count as none)."""
    return values.dtype.kind in "iuf"


def numbers(values: "pd.Series") -> "np.ndarray":
    """Float64 numbers: dates as epoch seconds, text as codes, NaN where missing."""
    import numpy as np

    if is_numeric(values):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    if values.dtype.kind == "M":
        seconds = values.astype("datetime64[us]").astype("int64").to_numpy() / 1e6
        return np.where(values.isna().to_numpy(), np.nan, seconds)
    found = codes(values).astype(np.float64)
    return np.where(found < 0, np.nan, found)
