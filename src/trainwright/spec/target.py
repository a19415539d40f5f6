"""``data.target``: a column, or a comparison of a column with one value. Read, never evaluated."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.spec.models import Scalar
from trainwright.spec.scalars import resolve

_MOST_CHARACTERS = 1000  # column names in real files stay below 300 (assumption)
_COMPARISON = re.compile(r"(?P<column>`[^`]+`|\"[^\"]+\"|'[^']+'|.+?)\s*==\s*(?P<value>.+)", re.DOTALL)
_QUOTED = re.compile(r"`(?P<tick>[^`]+)`|\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'")
_OTHER_OPERATOR = re.compile(r"\s(!=|>=|<=|<>|<|>|=|in|not|and|or)\s")


# What tables that say nothing else call it: scikit-learn's bunches (target), Hugging Face's data sets and folders of
# images (label), the argument of `fit` (y), ARFF files of UCI and OpenML (class).
USUAL_NAMES = ("target", "label", "y", "class")
_MOST_SHOWN = 20  # column names in one message (assumption: two lines)


def usual_target(columns: Sequence[str]) -> str | None:
    """The only column with one of the `USUAL_NAMES`, in any case; None where there is none or more than one."""
    found = [name for name in columns if name.strip().lower() in USUAL_NAMES]
    return found[0] if len(found) == 1 else None


def candidates(columns: Sequence[str]) -> str:
    """What to write where the target is missing; empty without columns."""
    if not columns:
        return ""
    usual = [name for name in columns if name.strip().lower() in USUAL_NAMES]
    if usual:
        return f"Write under data: one of target: {', target: '.join(usual)}"
    more = f" and {len(columns) - _MOST_SHOWN} more" if len(columns) > _MOST_SHOWN else ""
    return f"Write under data: target: and one of the columns {', '.join(columns[:_MOST_SHOWN])}{more}"


@dataclass(frozen=True, slots=True)
class TargetExpression:
    """A target column; with ``is_comparison``, whether its value equals ``value``."""

    column: str
    value: Scalar = None
    is_comparison: bool = False


def parse_target(text: str) -> TargetExpression:
    """Read ``churned`` or ``readmitted == "<30"``.

    A column name with `` == `` in it is written in backticks. Numbers, ``true`` and ``false`` stand bare, texts in
    quotes.

    Raises:
        ValueError: the text is neither; the message says how to write it.
    """
    stripped = text.strip()
    if not stripped:
        raise ValueError("the target is empty; write the name of a column")
    if len(stripped) > _MOST_CHARACTERS or "\0" in stripped or "\n" in stripped:
        raise ValueError(f"the target must be one line of at most {_MOST_CHARACTERS} characters")
    if (name := _unquoted(stripped, backticks_only=True)) is not None:
        return TargetExpression(name)
    found = _COMPARISON.fullmatch(stripped)
    if found is not None:
        column = found["column"].strip()
        name = _unquoted(column)
        return TargetExpression(
            column if name is None else name, _value(found["value"].strip(), text), is_comparison=True
        )
    if "==" in stripped:
        raise ValueError(f'{text!r} lacks a column or a value; write for example readmitted == "<30"')
    if operator := _OTHER_OPERATOR.search(stripped):
        raise ValueError(
            f"{operator[1]!r} is not supported in a target, only == is; put a column's name that has it in backticks: "
            f"`{stripped}`"
        )
    return TargetExpression(stripped)


def _unquoted(text: str, *, backticks_only: bool = False) -> str | None:
    found = _QUOTED.fullmatch(text)
    if found is None or (backticks_only and found["tick"] is None):
        return None
    return next(part for part in found.groups() if part is not None)


def _value(text: str, whole: str) -> Scalar:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None and quoted["tick"] is None:
        return quoted["double"] if quoted["double"] is not None else quoted["single"]
    value = resolve(text)
    if value is None or isinstance(value, str):
        raise ValueError(f'{whole!r}: a text must stand in quotes; write for example readmitted == "<30"')
    return value
