"""From columns of text, or of any Arrow type, to the few types of a frame: float64, int64, str, datetime64."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.core.findings import Finding, Severity

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MISSING_SPELLINGS = ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "-", "#N/A")
"""How text formats spell a missing value; a space before or after is ignored. "None" is not among them: it is often
a real level ("no test was made"), and only counts as missing in a column whose other values are numbers."""

_NONE = ("None", "none", "NONE")
_EXACT_INT = 2**53  # beyond it float64 cannot hold every integer
_MIXED_SHARE = 0.5  # assumption: a text column where at least half of the values are numbers is worth a word
_PROBE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """One column of a frame and what was noticed while it was made."""

    series: "pd.Series | None"
    findings: tuple[Finding, ...] = ()


def from_text(
    name: str, column: "pa.ChunkedArray", *, missing: Collection[str], keep_text: bool, delimiter: str = ","
) -> Typed:
    """Give a column of text its type: missing spellings out, numbers to numbers, everything else stays text.

    Codes with a leading zero stay text. ``keep_text`` asks for text whatever the values look like.
    """
    column, spelled = _without_missing(column, missing)
    findings: list[Finding] = []
    if not keep_text:
        numbers = _as_numbers(column)
        if numbers is not None:
            findings += _spelled_in_numbers(name, spelled)
            return Typed(series=_to_pandas(name, numbers), findings=tuple(findings))
    column, trimmed = _trimmed(name, column)
    findings += trimmed
    if trimmed:
        column, _ = _without_missing(column, missing)
    if not keep_text:
        numbers, notes = _numbers_behind_text(name, column, also_missing=_NONE, delimiter=delimiter)
        findings += notes
        if numbers is not None:
            return Typed(series=_to_pandas(name, numbers), findings=tuple(findings))
    return Typed(series=_to_pandas(name, column), findings=tuple(findings))


def from_arrow(name: str, column: "pa.ChunkedArray", *, missing: Collection[str] | None, keep_text: bool) -> Typed:
    """Give a typed column its frame type. Text is a value here: only the user's own spellings count as missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_view(kind):
        return _typed_text(name, column.cast(pa.large_string()), missing=missing, keep_text=keep_text)
    if pa.types.is_boolean(kind):
        return Typed(series=_to_pandas(name, pc.cast(column, pa.string())))
    if pa.types.is_integer(kind):
        return Typed(series=_to_pandas(name, _integers(column)))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Typed(series=_to_pandas(name, column.cast(pa.float64())))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Typed(series=_timestamps(name, column))
    if pa.types.is_duration(kind):
        seconds = column.to_pandas().dt.total_seconds()
        return Typed(series=seconds.rename(name), findings=(_note(name, "durations were turned into seconds"),))
    if pa.types.is_null(kind):
        return Typed(series=_to_pandas(name, column.cast(pa.float64())))
    if pa.types.is_time(kind):
        return Typed(series=_to_pandas(name, column.cast(pa.string())))
    return Typed(
        series=None,
        findings=(
            Finding(
                code="data.column_dropped",
                severity=Severity.WARNING,
                where=name,
                what=f"the column holds {kind}, which is not one value a row, and was left out",
                fix="Flatten it into plain columns.",
            ),
        ),
    )


def from_objects(name: str, values: "pd.Series") -> Typed:
    """A pandas column of Python objects of several types: every value becomes its text."""
    present = values[values.notna()]
    kinds = present.map(lambda v: type(v).__name__).value_counts()
    text = present.map(str).reindex(values.index).astype("str")
    examples = [str(present[present.map(lambda v, k=k: type(v).__name__ == k)].iloc[0]) for k in kinds.index[:3]]
    finding = Finding(
        code="data.mixed_types",
        severity=Severity.WARNING,
        where=name,
        what=f"values of several types ({', '.join(f'{k}: {n}' for k, n in kinds.items())}) were read as text",
        fix="Give the column one type before handing it over.",
        evidence={"types": {str(k): int(n) for k, n in kinds.items()}, "examples": examples},
    )
    return Typed(series=text, findings=(finding,) if len(kinds) > 1 else ())


def _typed_text(name: str, column: "pa.ChunkedArray", *, missing: Collection[str] | None, keep_text: bool) -> Typed:
    if missing is not None:
        column, _ = _without_missing(column, missing)
    if keep_text:
        return Typed(series=_to_pandas(name, column))
    numbers, notes = _numbers_behind_text(name, column, also_missing=(*MISSING_SPELLINGS, " ", *_NONE), delimiter="")
    return Typed(series=_to_pandas(name, column if numbers is None else numbers), findings=tuple(notes))


def _without_missing(column: "pa.ChunkedArray", missing: Collection[str]) -> "tuple[pa.ChunkedArray, dict[str, int]]":
    import pyarrow as pa
    import pyarrow.compute as pc

    spellings = [form for m in dict.fromkeys(("", *missing)) for form in (m, f" {m}", f"{m} ")]
    gone = pc.is_in(column, value_set=pa.array(dict.fromkeys(spellings), column.type), skip_nulls=True)
    if not pc.any(gone).as_py():
        return column, {}
    counts = pc.value_counts(column.filter(gone))
    spelled = {str(c["values"]): int(c["counts"]) for c in counts.to_pylist() if c["values"] != ""}
    return pc.if_else(gone, pa.scalar(None, column.type), column), spelled


def _as_numbers(column: "pa.ChunkedArray") -> "pa.ChunkedArray | None":
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count == len(column):
        return column.cast(pa.float64())
    for kind in (pa.int64(), pa.float64()):
        try:
            numbers = pc.cast(column, kind)
        except pa.ArrowInvalid:
            continue
        if pc.any(pc.match_substring_regex(column, r"^[+-]?0[0-9xX]")).as_py():
            return None  # codes such as 00501, or hexadecimal numbers
        return _integers(numbers) if kind == pa.int64() else numbers
    return None


def _integers(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Integers as int64; with gaps as float64, which pandas needs, or as text where float64 would change them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    low_high = pc.min_max(column).as_py()
    extreme = max(abs(low_high["min"] or 0), abs(low_high["max"] or 0))
    if extreme >= 2**63 or (column.null_count and extreme > _EXACT_INT):
        return pc.cast(column, pa.string())
    return column.cast(pa.float64() if column.null_count else pa.int64())


def _trimmed(name: str, column: "pa.ChunkedArray") -> "tuple[pa.ChunkedArray, list[Finding]]":
    import pyarrow.compute as pc

    padded = pc.sum(pc.match_substring_regex(column, r"^\s|\s$")).as_py() or 0
    if not padded:
        return column, []
    what = f"spaces before or after the text were removed in {padded} cells"
    return pc.utf8_trim_whitespace(column), [_note(name, what, code="data.spaces_removed")]


def _numbers_behind_text(
    name: str, column: "pa.ChunkedArray", *, also_missing: Collection[str], delimiter: str
) -> "tuple[pa.ChunkedArray | None, list[Finding]]":
    """Numbers, where all values are numbers but for some spelling of missing or a decimal comma; else None."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pc.drop_null(pc.unique(column))
    texts = pd.Series(values.to_pandas(), dtype="str")
    if delimiter == ";" and len(texts) and texts.str.fullmatch(r"[+-]?\d+(,\d+)?").all():
        numbers = _as_numbers(pc.replace_substring(column, ",", "."))
        if numbers is not None:
            return numbers, [_note(name, "decimal commas were read as decimal points", code="data.decimal_comma")]
    if not len(texts) or _share_of_numbers(texts[:_PROBE]) < _MIXED_SHARE / 2:
        return None, []
    is_number = pd.to_numeric(texts, errors="coerce").notna() & ~texts.str.match(r"^[+-]?0[0-9xX]")
    others = texts[~is_number & ~texts.str.lower().isin(("nan", "inf", "-inf"))]
    if not is_number.any():
        return None, []
    if set(others) <= set(also_missing):
        _, spelled = _without_missing(column, others)
        gone = pc.is_in(column, value_set=pa.array(others.tolist(), column.type), skip_nulls=True)
        numbers = _as_numbers(pc.if_else(gone, pa.scalar(None, column.type), column))
        return numbers, _spelled_in_numbers(name, spelled) if numbers is not None else []
    return None, _mixed(name, column, is_number, texts)


def _share_of_numbers(texts: "pd.Series") -> float:
    import pandas as pd

    return float(pd.to_numeric(texts, errors="coerce").notna().mean())


def _mixed(name: str, column: "pa.ChunkedArray", is_number: "pd.Series", texts: "pd.Series") -> list[Finding]:
    if is_number.mean() < _MIXED_SHARE:
        return []
    examples = texts[~is_number].tolist()[:5]
    codes = texts[~is_number].str.match(r"^[+-]?0[0-9]+$").all()
    if codes:
        return [_note(name, f"codes with leading zeros ({', '.join(examples[:3])}) were kept as text")]
    return [
        Finding(
            code="data.mixed_types",
            severity=Severity.WARNING,
            where=name,
            what=f"most of the {len(texts):,} different values are numbers, and {int((~is_number).sum())} are not "
            f"({', '.join(map(repr, examples))}); the column was kept as text",
            fix="Name it under data.columns.numeric to read the others as missing, or under categorical to be silent.",
            evidence={"numbers": int(is_number.sum()), "values": len(texts), "examples": examples},
        )
    ]


def _spelled_in_numbers(name: str, spelled: Mapping[str, int]) -> list[Finding]:
    if not spelled:
        return []
    shown = ", ".join(f"{text!r} {count} times" for text, count in sorted(spelled.items()))
    what = f"numbers with text between them: {shown} was read as missing"
    return [_note(name, what, code="data.text_to_number", evidence=dict(spelled))]


def _timestamps(name: str, column: "pa.ChunkedArray") -> "pd.Series":
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    series = pd.Series(column.to_pandas())
    if getattr(series.dtype, "tz", None) is not None:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    return series.astype("datetime64[us]").rename(name)


def _to_pandas(name: str, column: "pa.ChunkedArray") -> "pd.Series":
    import pandas as pd

    series = column.combine_chunks().to_pandas() if column.num_chunks > 1 else column.to_pandas()
    return pd.Series(series, name=name, copy=False)


def _is_view(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string_view(kind))


def _note(name: str, what: str, *, code: str = "data.read_as", evidence: Mapping[str, int] | None = None) -> Finding:
    return Finding(code=code, severity=Severity.INFO, where=name, what=what, evidence=dict(evidence or {}))
