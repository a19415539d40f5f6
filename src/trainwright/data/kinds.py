"""What each column holds, told from training rows, with the reason in words."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trainwright.core.findings import Finding, Severity
from trainwright.data.canonical import canonical_column, datetime_format, to_text
from trainwright.data.dataset import Column, Kind, Role

if TYPE_CHECKING:
    import pandas as pd

_BOOLEAN_WORDS = ({"true", "false"}, {"yes", "no"}, {"y", "n"}, {"t", "f"}, {"on", "off"})
_ID_WORD = re.compile(r"(^|[_\W])(id|ids|uuid|guid|nbr|no|num|number|key|index|idx|rownum|#)$|[a-z](Id|ID)$|#$")
_ENTITY_WORD = re.compile(
    r"(^|[_\W])(subject|patient|customer|client|user|person|member|account|household|device|session|participant|student"
    r"|employee|driver|passenger|encounter|order|transaction)",
    re.IGNORECASE,
)
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_LIKE_A_DATE = re.compile(
    rf"\s*(\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}|{_MONTH}[a-z]*\.? \d|\d{{1,2}}[ -]{_MONTH})", re.IGNORECASE
)
_TIME_WORD = re.compile(r"year|month|week|day|date|time|hour|minute|age", re.IGNORECASE)
_MIN_UNIQUE = 20  # assumption: below this, all values differing says nothing
_NEARLY = 0.95  # assumption: at most one value in twenty repeats
_ID_SHARE = 0.5  # assumption: with a name like an id, half of the values being different is enough
_REPEATED_IDS = 20  # assumption: fewer different values than this are levels, whatever the name
_TEXT_WORDS = 3.0  # more words than this on average is free text (assumption; names and places have fewer)
_TEXT_SHARE = 0.5  # and at least half of the values differ
_EXAMPLES = 3
_HEAD = 20_000  # assumption: so many rows show an identifier; a wrong guess is corrected after the split


@dataclass(frozen=True, slots=True)
class _Verdict:
    kind: Kind
    why: str
    format: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    """Numbers about the training values of one column that every rule asks for."""

    name: str
    values: "pd.Series"  # present values only
    missing: int
    distinct: int

    @property
    def present(self) -> int:
        return len(self.values)

    @property
    def share_distinct(self) -> float:
        return self.distinct / max(1, self.present)


def infer_column(values: "pd.Series", *, role: Role = "feature", forced: Kind | None = None) -> Column:
    """Judge one column by its training values.

    ``forced`` is the kind the user named; it wins. A feature found to be an identifier or a constant gets the role
    ``ignored``.
    """
    name = str(values.name)
    facts = _facts(name, values)
    verdict = _forced(facts, forced) if forced is not None else _infer(facts)
    if role == "feature" and forced is None and verdict.kind in (Kind.IDENTIFIER, Kind.CONSTANT):
        role = "ignored"
    column = Column(
        name=name,
        kind=verdict.kind,
        role=role,
        missing=facts.missing,
        distinct=facts.distinct,
        why=verdict.why,
        format=verdict.format,
        examples=tuple(to_text(facts.values.head(_EXAMPLES)).dropna()),
    )
    if verdict.kind in (Kind.CATEGORICAL, Kind.BOOLEAN):
        return _with_categories(column, values)
    return column


def ignored_finding(column: Column) -> Finding:
    """Tell the user that a column was left out of the features, why, and how to have it back."""
    if column.kind is Kind.IDENTIFIER:
        return Finding(
            code="data.identifier_ignored",
            severity=Severity.INFO,
            where=column.name,
            what=f"left out of the features: {column.why}",
            why="A model can only memorise an identifier.",
            fix="If it carries information, name it under data.columns (numeric, categorical or text).",
            evidence={"distinct": column.distinct, "missing": column.missing},
        )
    return Finding(
        code="data.constant_ignored",
        severity=Severity.INFO,
        where=column.name,
        what=f"left out of the features: {column.why}",
        evidence={"distinct": column.distinct, "missing": column.missing},
    )


def looks_like_identifier(values: "pd.Series") -> bool:
    """Whether the column would be left out as an identifier; asked before the split, of the first rows."""
    if values.dtype.kind in "fM":
        return False
    return _infer(_facts(str(values.name), values.head(_HEAD))).kind is Kind.IDENTIFIER


def _facts(name: str, values: "pd.Series") -> _Facts:
    present = values.dropna()
    return _Facts(name, present, len(values) - len(present), int(present.nunique()))


def _with_categories(column: Column, values: "pd.Series") -> Column:
    counts = canonical_column(values, column).value_counts()
    ordered = sorted(zip(counts.index.tolist(), counts.tolist(), strict=True), key=lambda item: (-item[1], item[0]))
    categories = tuple(str(value) for value, _ in ordered)
    return replace(column, categories=categories, distinct=len(categories))


def _forced(facts: _Facts, kind: Kind) -> _Verdict:
    why = f"named as {kind.value} in data.columns"
    if kind is Kind.DATETIME and facts.values.dtype.kind != "M":
        found = datetime_format(to_text(facts.values).dropna().drop_duplicates())
        return _Verdict(kind, why, found[0] if found else "ISO8601")
    return _Verdict(kind, why)


def _infer(facts: _Facts) -> _Verdict:
    if facts.present == 0:
        return _Verdict(Kind.CONSTANT, "it has no values in the training rows")
    if facts.distinct == 1 and facts.missing == 0:
        return _Verdict(Kind.CONSTANT, f"all training rows hold {to_text(facts.values.head(1)).iloc[0]!r}")
    if facts.values.dtype.kind == "M":
        return _Verdict(Kind.DATETIME, "dates and times in the file")
    if facts.values.dtype.kind == "f":
        return _Verdict(Kind.NUMERIC, f"numbers, {facts.distinct:,} different values")
    if facts.values.dtype.kind in "iu":
        return _integers(facts)
    return _text(facts)


def _integers(facts: _Facts) -> _Verdict:
    named = _named_like_id(facts.name)
    counter = facts.share_distinct == 1.0 and facts.present >= _MIN_UNIQUE and _is_counter(facts)
    if counter and (named or not _TIME_WORD.search(facts.name)):
        return _Verdict(Kind.IDENTIFIER, "whole numbers that count the rows")
    if named and facts.present >= _MIN_UNIQUE and facts.share_distinct >= _ID_SHARE:
        return _Verdict(
            Kind.IDENTIFIER, f"named like an id, {facts.distinct:,} different values in {facts.present:,} rows"
        )
    if _is_entity(facts):
        return _Verdict(Kind.IDENTIFIER, _entity_why(facts))
    if facts.distinct == 2 and set(facts.values.unique().tolist()) == {0, 1}:
        return _Verdict(Kind.NUMERIC, "a flag, 0 or 1")
    low = facts.distinct <= _REPEATED_IDS and facts.distinct > 2
    hint = "; if they are codes of levels, name it under data.columns.categorical" if low else ""
    return _Verdict(Kind.NUMERIC, f"whole numbers, {facts.distinct:,} different values{hint}")


def _is_counter(facts: _Facts) -> bool:
    """Rising by file order and dense: a sample of 1..n. Training may hold any share of the rows above a third."""
    values = facts.values
    span = int(values.iloc[-1]) - int(values.iloc[0]) + 1
    return bool(values.is_monotonic_increasing) and facts.present / max(1, span) > 1 / 3


def _named_like_id(name: str) -> bool:
    return bool(_ID_WORD.search(name)) or name.lower() in ("id", "no", "no.", "index", "unnamed: 0")


def _is_entity(facts: _Facts) -> bool:
    """An id of a person or thing that comes back: named so, and too many values to be levels."""
    if not (_named_like_id(facts.name) and _ENTITY_WORD.search(facts.name)):
        return False
    return facts.distinct >= _REPEATED_IDS


def _entity_why(facts: _Facts) -> str:
    return (
        f"named like the id of somebody or something that comes back ({facts.distinct} in {facts.present} rows); "
        "if rows of one belong together, name it under data.columns.group"
    )


def _text(facts: _Facts) -> _Verdict:
    words = {str(v).strip().lower() for v in facts.values.unique()[:3]}
    if facts.distinct <= 2 and any(words <= pair for pair in _BOOLEAN_WORDS):
        return _Verdict(Kind.BOOLEAN, f"two opposite words ({', '.join(sorted(words))})")
    different = facts.values.drop_duplicates()
    moments = _datetime(different)
    if moments is not None:
        return moments
    sample = different.head(10_000)
    average = float((sample.str.count(r"\s+") + 1).mean())
    if facts.present >= _MIN_UNIQUE and average > _TEXT_WORDS and facts.share_distinct >= _TEXT_SHARE:
        return _Verdict(Kind.TEXT, f"free text, {average:.0f} words on average, {facts.distinct:,} different values")
    if facts.present >= _MIN_UNIQUE and facts.share_distinct >= _NEARLY:
        return _Verdict(Kind.IDENTIFIER, f"{facts.distinct:,} different values in {facts.present:,} rows")
    named = _named_like_id(facts.name)
    if facts.present >= _MIN_UNIQUE and named and facts.share_distinct >= _ID_SHARE:
        return _Verdict(
            Kind.IDENTIFIER, f"named like an id, {facts.distinct:,} different values in {facts.present:,} rows"
        )
    if _is_entity(facts):
        return _Verdict(Kind.IDENTIFIER, _entity_why(facts))
    return _Verdict(Kind.CATEGORICAL, f"text of {facts.distinct:,} different values")


def _datetime(different: "pd.Series") -> _Verdict | None:
    if not different.head(20).str.match(_LIKE_A_DATE).all():
        return None
    found = datetime_format(different)
    if found is None:
        return None
    spelled, ambiguous = found
    note = (
        "; day and month could be the other way round, name it under data.columns.datetime if so" if ambiguous else ""
    )
    return _Verdict(Kind.DATETIME, f"text that reads as dates ({spelled}){note}", spelled)
