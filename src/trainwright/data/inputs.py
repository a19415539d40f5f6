"""Canonical columns to transformer inputs: our own small step before scikit-learn's, described by plain JSON.

Numbers get one dtype, dates become parts, missing text becomes the empty text, missing numbers may get an indicator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle
from trainwright.data.arrays import MEANS, means
from trainwright.data.dataset import Kind, Schema
from trainwright.data.pixels import THUMBNAIL, all_grey, thumbnails
from trainwright.data.target import sort_classes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MISSING = ""
"""How a missing category is spelled towards scikit-learn: canonical text is never empty."""

_NATIVE_MIN_COUNT = 5  # assumption: fewer training rows say nothing about a level
_NATIVE_CAP = 254  # HistGradientBoosting takes at most 255 levels (max_bins), one of them for the missing
_ONE_HOT_MIN_COUNT = 5  # assumption, as above
_ONE_HOT_CAP = 100  # assumption: a column of more levels brings noise; the most frequent 100 are kept
_ONE_HOT_TOTAL = 2000  # assumption: 500,000 rows x 2,000 float32 are 4 GB
_INDICATOR_ROWS = 10  # assumption: an indicator that is set in fewer training rows says nothing
_FLOAT32_SAMPLE = 100_000
_FLOAT32_LOSS = 0.05  # assumption: float32 may merge one in twenty of the different values in a sample of 100,000
_PARTS = ("year", "month", "day", "weekday", "hour", "days")

_CHANNELS = ("red", "green", "blue")

Use: TypeAlias = Literal["number", "flag", "category", "text", "moment", "pixels", "means"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One canonical column and what is made of it.

    ``categories`` are the kept levels in code order; ``parts`` the parts of a date, or the channels of an image's
    thumbnail (``grey``, or ``red``, ``green``, ``blue``); ``indicator`` adds a 0/1 column
    that says where the value is missing.
    """

    column: str
    use: Use
    categories: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    indicator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The whole step: its columns in order and the dtype of the numbers (``float32`` or ``float64``)."""

    columns: tuple[Input, ...]
    dtype: str

    def of(self, *uses: Use) -> tuple[Input, ...]:
        """The inputs of these uses."""
        return tuple(one for one in self.columns if one.use in uses)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the numeric inputs, in order: numbers, parts of dates, pixels, indicators."""
        values = [n for one in self.columns for n in ([one.column] if one.use == "number" else _part_names(one))]
        return (*values, *(f"{one.column} (missing)" for one in self.columns if one.indicator))

    def apply(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """A canonical frame to inputs: numeric columns, then text columns without missing values."""
        import pandas as pd

        made: dict[str, pd.Series | np.ndarray] = {}
        for one in self.columns:
            if one.use == "number":
                made[one.column] = frame[one.column].to_numpy(dtype=self.dtype)
            elif one.use == "moment":
                parts = moment_parts(frame[one.column])
                made |= {f"{one.column}.{part}": parts[part].astype(self.dtype) for part in one.parts}
            elif one.use == "pixels":
                made |= dict(zip(_part_names(one), _pixel_columns(frame[one.column], one, self.dtype), strict=True))
            elif one.use == "means":
                columns = means(frame[one.column]).astype(self.dtype).T
                made |= dict(zip(_part_names(one), columns, strict=True))
        for one in self.columns:
            if one.indicator:
                made[f"{one.column} (missing)"] = frame[one.column].isna().to_numpy().astype(self.dtype)
        for one in self.of("flag", "category", "text"):
            made[_text_key(one)] = frame[one.column].fillna(MISSING)
        return pd.DataFrame(made, index=pd.RangeIndex(len(frame)), copy=False)

    def to_json(self) -> dict[str, JsonValue]:
        """Plain JSON."""
        from trainwright.core.jsonable import to_json

        return {"dtype": self.dtype, "columns": [to_json(one) for one in self.columns]}


def inputs_from_json(value: Mapping[str, JsonValue]) -> Inputs:
    """Read back what `Inputs.to_json` wrote.

    Raises:
        KeyError, TypeError: it is something else.
    """
    columns = value["columns"]
    assert isinstance(columns, list)
    return Inputs(dtype=str(value["dtype"]), columns=tuple(_input_from_json(one) for one in columns))


def text_keys(inputs: Inputs, use: Use) -> list[str]:
    """Column names of the text inputs of one use, in the frame that `Inputs.apply` gives."""
    return [_text_key(one) for one in inputs.of(use)]


def plan_inputs(frame: "pd.DataFrame", schema: Schema, style: FeatureStyle) -> tuple[Inputs, tuple[Finding, ...]]:
    """Decide from training rows what each feature column becomes.

    Columns that would give nothing (no level frequent enough) are left out, which is said.
    """
    findings: list[Finding] = []
    planned: list[Input] = []
    for column in schema.features:
        values = frame[column.name]
        made = _plan_one(values, column.kind, style, findings)
        if made is not None:
            planned.append(made)
    planned = _within_total(planned, style)
    dtype, more = _number_dtype(frame, planned)
    return Inputs(columns=tuple(planned), dtype=dtype), (*findings, *more)


def moment_parts(moments: "pd.Series") -> "dict[str, np.ndarray]":
    """Parts of dates as float64, NaN where missing: year, month, day, weekday (Monday 0), hour, days since 1970."""
    import numpy as np

    dates = moments.dt
    missing = moments.isna().to_numpy()
    seconds = moments.astype("datetime64[us]").to_numpy().view("int64") / 1e6
    parts = {
        "year": dates.year.to_numpy(dtype="float64"),
        "month": dates.month.to_numpy(dtype="float64"),
        "day": dates.day.to_numpy(dtype="float64"),
        "weekday": dates.day_of_week.to_numpy(dtype="float64"),
        "hour": dates.hour.to_numpy(dtype="float64"),
        "days": seconds / 86400.0,
    }
    return {name: np.where(missing, np.nan, values) for name, values in parts.items()}


def _plan_one(values: "pd.Series", kind: Kind, style: FeatureStyle, findings: list[Finding]) -> Input | None:
    name = str(values.name)
    missing = int(values.isna().sum())
    if missing == len(values):
        findings.append(_without_values(name))
        return None
    indicator = style != "native" and _INDICATOR_ROWS <= missing <= len(values) - _INDICATOR_ROWS
    if kind is Kind.NUMERIC or (kind is Kind.CONSTANT and values.dtype.kind in "if"):
        return Input(column=name, use="number", indicator=indicator)
    if kind is Kind.DATETIME:
        parts = moment_parts(values)
        varying = tuple(part for part in _PARTS if _varies(parts[part]))
        return Input(column=name, use="moment", parts=varying or ("days",), indicator=indicator)
    if kind is Kind.TEXT:
        return Input(column=name, use="text")
    if kind is Kind.IMAGE:
        channels = ("grey",) if all_grey(values) else _CHANNELS
        findings.append(_as_thumbnails(name, len(channels)))
        return Input(column=name, use="pixels", parts=channels)
    if kind is Kind.ARRAY:
        findings.append(_as_means(name))
        return Input(column=name, use="means", parts=tuple(str(i) for i in range(MEANS)))
    counts = values.value_counts()
    if kind is Kind.BOOLEAN and len(counts) <= 2:
        levels = sort_classes([str(k) for k in counts.index])
        return Input(column=name, use="flag", categories=levels, indicator=indicator)
    least, cap = (
        (_ONE_HOT_MIN_COUNT, _ONE_HOT_CAP) if style in ("scaled", "nonnegative") else (_NATIVE_MIN_COUNT, _NATIVE_CAP)
    )
    return _plan_category(name, counts, missing, least=least, cap=cap, style=style, findings=findings)


def _plan_category(
    name: str, counts: "pd.Series", missing: int, *, least: int, cap: int, style: FeatureStyle, findings: list[Finding]
) -> Input | None:
    least = min(least, 2) if counts.sum() < 200 else least  # assumption: with few rows, a pair already says something
    ordered = sorted(zip(counts.index.tolist(), counts.tolist(), strict=True), key=lambda item: (-item[1], item[0]))
    kept = [str(level) for level, count in ordered if count >= least][:cap]
    rows = int(counts.sum())
    seen = sum(count for level, count in ordered if level in set(kept))
    telling = _INDICATOR_ROWS <= missing <= rows
    if len(kept) < len(ordered):
        findings.append(_levels_left_out(name, len(ordered), len(kept), rows - seen, rows, least, cap))
    if not kept:
        return Input(column=name, use="category", indicator=True) if telling else None
    return Input(column=name, use="category", categories=sort_classes(kept), indicator=telling and style == "ordinal")


def _levels_left_out(name: str, levels: int, kept: int, rows_out: int, rows: int, least: int, cap: int) -> Finding:
    return Finding(
        code="data.rare_levels",
        severity=Severity.INFO,
        where=name,
        what=f"{levels - kept} of {levels} levels {'is' if levels - kept == 1 else 'are'} not used by the features "
        f"({rows_out:,} of {rows:,} training values)",
        why=f"Levels with fewer than {least} training rows, and beyond the {cap} most frequent, count as unknown.",
        evidence={"levels": levels, "kept": kept, "rows": rows_out},
    )


def _without_values(name: str) -> Finding:
    return Finding(
        code="data.column_empty",
        severity=Severity.WARNING,
        where=name,
        what="the column has no value in the rows that features are fitted on, and gives none",
    )


def _within_total(planned: list[Input], style: FeatureStyle) -> list[Input]:
    """Keep the dense one-hot matrix bounded: halve the levels of the widest columns until the total fits."""
    import dataclasses

    if style not in ("scaled", "nonnegative"):
        return planned
    cap = _ONE_HOT_CAP
    while sum(min(len(one.categories), cap) for one in planned) > _ONE_HOT_TOTAL and cap > 1:
        cap //= 2
    return [dataclasses.replace(one, categories=one.categories[:cap]) for one in planned]


def _number_dtype(frame: "pd.DataFrame", planned: list[Input]) -> tuple[str, list[Finding]]:
    lossy = [one.column for one in planned if one.use == "number" and _loses_in_float32(frame[one.column])]
    if not lossy:
        return "float32", []
    return "float64", [
        Finding(
            code="data.float64",
            severity=Severity.INFO,
            where=", ".join(lossy[:5]),
            what="float32 would merge different values, so the features are float64",
            why="They need twice the memory, and a model exported in float32 may predict otherwise.",
            fix="Subtract a constant from such columns (an epoch time, a serial number), or leave them out.",
            evidence={"columns": lossy[:50]},
        )
    ]


def _loses_in_float32(values: "pd.Series") -> bool:
    import numpy as np

    numbers = values.to_numpy(dtype="float64")[:_FLOAT32_SAMPLE]
    numbers = numbers[~np.isnan(numbers)]
    if len(numbers) and np.abs(numbers).max() > np.finfo("float32").max:
        return True
    narrow = numbers.astype("float32")
    if np.array_equal(narrow.astype("float64"), numbers):
        return False
    return len(np.unique(narrow)) < (1 - _FLOAT32_LOSS) * len(np.unique(numbers))


def _varies(values: "np.ndarray") -> bool:
    import numpy as np

    present = values[~np.isnan(values)]
    return len(present) > 0 and bool(present.min() != present.max())


def _part_names(one: Input) -> list[str]:
    if one.use == "pixels":
        places = [(y, x) for y in range(THUMBNAIL) for x in range(THUMBNAIL)]
        return [f"{one.column}[{y},{x}].{channel}" for channel in one.parts for y, x in places]
    return [f"{one.column}.{part}" for part in one.parts]


def _pixel_columns(values: "pd.Series", one: Input, dtype: str) -> "list[np.ndarray]":
    """The pixels of thumbnails, 0 to 255: a column a channel and place, channel by channel."""
    small = thumbnails(values)[..., : len(one.parts)].astype(dtype)
    rows, height, width, channels = small.shape
    return list(small.transpose(3, 1, 2, 0).reshape(channels * height * width, rows))


def _as_means(name: str) -> Finding:
    return Finding(
        code="data.array_means",
        severity=Severity.INFO,
        where=name,
        what=f"this model takes tables: arrays become the means of {MEANS} stretches of their values",
        fix="Choose model_type: layers with input: array to look at whole arrays",
        evidence={"columns": MEANS},
    )


def _as_thumbnails(name: str, channels: int) -> Finding:
    size = f"{THUMBNAIL} x {THUMBNAIL}"
    return Finding(
        code="data.image_thumbnails",
        severity=Severity.INFO,
        where=name,
        what=f"this model takes tables: images become {size} thumbnails, {THUMBNAIL**2 * channels} columns of pixels",
        why="It sees colour and layout, and no detail.",
        fix="Choose model_type: cnn to look at whole images",
        evidence={"columns": THUMBNAIL**2 * channels},
    )


def _text_key(one: Input) -> str:
    return f"{one.use}:{one.column}"


def _input_from_json(value: JsonValue) -> Input:
    assert isinstance(value, Mapping)
    categories, parts = value["categories"], value["parts"]
    assert isinstance(categories, list)
    assert isinstance(parts, list)
    use = str(value["use"])
    return Input(
        column=str(value["column"]),
        use=use,  # type: ignore[arg-type]  # written from the same literal
        categories=tuple(map(str, categories)),
        parts=tuple(map(str, parts)),
        indicator=bool(value["indicator"]),
    )
