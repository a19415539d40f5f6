"""The canonical form of a column: one spelling of every value, so that training, test and later rows agree.

numeric float64; boolean, categorical, text, identifier and image ``str`` with NaN for missing; datetime ``datetime64``.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainwright.data.dataset import Column, Kind

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

DATETIME_FORMATS = (
    "ISO8601",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y%m%d",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%B %d, %Y",
)


def canonical_column(values: "pd.Series", column: Column) -> "pd.Series":
    """The values in the canonical type of their kind; what does not fit becomes missing (`conform` counts it)."""
    if column.kind is Kind.NUMERIC:
        return to_numbers(values)
    if column.kind is Kind.DATETIME:
        return to_datetimes(values, column.format)
    if column.kind is Kind.CONSTANT and values.dtype.kind in "ifM":
        return values
    return to_text(values)


def to_numbers(values: "pd.Series") -> "pd.Series":
    """float64; text that is no number, and infinities, become NaN. Integers too: a gap must not change the type."""
    import numpy as np
    import pandas as pd

    if values.dtype.kind == "M":
        return pd.Series(np.full(len(values), np.nan), index=values.index, name=values.name)
    if values.dtype.kind not in "iuf":
        words = {"true": "1", "false": "0"}
        text = values.astype("str").str.strip()
        lowered = text.str.lower()
        values = pd.to_numeric(text.where(~lowered.isin(words), lowered.map(words)), errors="coerce")
    numbers = values.to_numpy(dtype="float64", copy=True)
    numbers[np.isinf(numbers)] = np.nan
    numbers += 0.0  # -0.0 is 0.0
    return pd.Series(numbers, index=values.index, name=values.name, copy=False)


def to_text(values: "pd.Series") -> "pd.Series":
    """``str`` without surrounding spaces; blanks are missing; whole numbers lose their ``.0``."""
    import numpy as np

    if values.dtype.kind == "f":
        return _numbers_to_text(values)
    if values.dtype.kind in "iuMb":
        text = values.astype("str")
        return text.str.lower() if values.dtype.kind == "b" else text
    text = values.astype("str")
    stripped = text.str.strip()
    blank = (stripped == "").to_numpy(dtype=bool, na_value=False)
    return stripped.mask(blank, np.nan) if blank.any() else stripped


def _numbers_to_text(values: "pd.Series") -> "pd.Series":
    import numpy as np
    import pandas as pd

    numbers = values.to_numpy(dtype="float64")
    unique, codes = np.unique(numbers, return_inverse=True)
    spelled = np.array([spell_number(float(u)) for u in unique], dtype=object)
    text = pd.Series(spelled[codes], index=values.index, name=values.name, dtype="str")
    return text.mask(np.isnan(numbers), np.nan)


def spell_number(value: float) -> str:
    """``3`` for 3.0, the shortest exact spelling otherwise."""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def to_datetimes(values: "pd.Series", spelled: str) -> "pd.Series":
    """``datetime64[us]`` without a time zone (zones are converted to UTC); what cannot be read is missing."""
    import pandas as pd

    if values.dtype.kind == "M":
        return values.astype("datetime64[us]")
    if values.dtype.kind in "if" and spelled != "%Y%m%d":
        return pd.Series(pd.NaT, index=values.index, name=values.name, dtype="datetime64[us]")
    text = to_text(values)
    moments = pd.to_datetime(text, format=spelled or "ISO8601", errors="coerce", utc=True)
    return moments.dt.tz_localize(None).astype("datetime64[us]")


def datetime_format(values: "pd.Series") -> tuple[str, bool] | None:
    """The first common format that reads all given texts, and whether a second, different one would too."""
    sample = values if len(values) <= 100_000 else values.sample(100_000, random_state=0)  # assumption: enough to tell
    matches = [spelled for spelled in DATETIME_FORMATS if _reads(sample, spelled)]
    if not matches:
        return None
    day_first = {m.replace("%m", "_").replace("%d", "_") for m in matches}
    return matches[0], len(matches) > len(day_first)


def _reads(values: "pd.Series", spelled: str) -> bool:
    head = to_datetimes(values[:20], spelled)
    return bool(head.notna().all()) and bool(to_datetimes(values, spelled).notna().all())


def row_hashes(frame: "pd.DataFrame", columns: Sequence[str]) -> "np.ndarray":
    """One uint64 a row over the named columns of a canonical frame; equal rows have equal hashes, in any file.

    No columns: all rows differ.
    """
    import numpy as np
    import pandas as pd

    if not columns:
        return np.arange(len(frame), dtype="uint64")
    return pd.util.hash_pandas_object(frame[list(columns)], index=False).to_numpy()


def column_hashes(values: "pd.Series") -> "np.ndarray":
    """One uint64 a value of a canonical column; all missing values are equal."""
    import pandas as pd

    return pd.util.hash_pandas_object(values.to_frame(), index=False).to_numpy()


def time_numbers(values: "pd.Series") -> "np.ndarray":
    """float64 that orders rows: epoch seconds of dates, or the numbers themselves; NaN where missing."""
    import numpy as np
    import pandas as pd

    if values.dtype.kind == "M":
        numbers = values.astype("datetime64[us]").to_numpy().view("int64").astype("float64") / 1e6
        return np.where(values.isna().to_numpy(), np.nan, numbers)
    return pd.to_numeric(values, errors="coerce").to_numpy(dtype="float64")
