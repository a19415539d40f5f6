"""Numbers and facts as people read them."""

from collections.abc import Mapping

from trainwright.core.amounts import amount
from trainwright.core.jsonable import JsonValue


def number(value: JsonValue) -> str:
    """A whole number with its thousands separated, a measured one as in the report; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if isinstance(value, int) or value == 0 else amount(value)


def duration(seconds: float) -> str:
    """How long something took: 0.42 s, 12.3 s, 3m05s, 1h02m."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def facts(values: Mapping[str, JsonValue]) -> str:
    """Short facts in one line: ``rows 569, family lightgbm``. Nested and empty values are left to the record."""
    shown = [
        f"{name.replace('_', ' ')} {number(value)}"
        for name, value in values.items()
        if isinstance(value, bool | int | float | str) and value != ""
    ]
    return ", ".join(shown)


def count(amount: int, noun: str) -> str:
    """``1 warning``, ``3 warnings``."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"
