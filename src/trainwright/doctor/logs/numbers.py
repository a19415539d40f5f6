"""Numbers as logs spell them."""

import math
import re

_SPECIAL = {
    "nan": math.nan, "+nan": math.nan, "-nan": math.nan, "nan(ind)": math.nan, "-nan(ind)": math.nan,
    "1.#qnan": math.nan, "-1.#ind": math.nan, "1.#ind": math.nan,
    "inf": math.inf, "+inf": math.inf, "infinity": math.inf, "+infinity": math.inf, "1.#inf": math.inf,
    "∞": math.inf, "-inf": -math.inf, "-infinity": -math.inf, "-1.#inf": -math.inf, "-∞": -math.inf,
}  # fmt: skip
"""As C, Python, JavaScript and old Windows libraries write them."""

ABSENT = frozenset({"", "na", "n/a", "null", "none", "-", "--", "."})
"""Cells without a value. Keras writes ``NA`` for a metric that an epoch does not have."""

_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?\Z")
_WRAPPED = re.compile(r"(?:tensor|array|np\.float\d+|float\d*)\(\s*([^,()\s]+)")  # a tensor that somebody printed
_LONGEST = 64  # characters; beyond it is no number of a log


def number(text: str) -> float | None:
    """The number that a cell or word spells, else None."""
    text = text.strip().strip("'\"")
    if len(text) > _LONGEST:
        return None
    if (special := _SPECIAL.get(text.lower())) is not None:
        return special
    if wrapped := _WRAPPED.match(text):
        text = wrapped[1]
        if (special := _SPECIAL.get(text.lower())) is not None:
            return special
    if text.endswith("%") and _PLAIN.match(text[:-1]):
        return float(text[:-1]) / 100
    if _PLAIN.match(text):
        return float(text)
    return float(text.replace(",", "")) if _GROUPED.match(text) else None


def from_json(value: object) -> float | None:
    """The number that a JSON value holds: a number, or a text that spells one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:  # an integer of hundreds of digits
            return math.inf if value > 0 else -math.inf
    return number(value) if isinstance(value, str) else None
