"""Parameters of a network, read in the type they must have (the family has checked them)."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue


def whole(params: Mapping[str, JsonValue], name: str) -> int:
    """A whole number."""
    value = params[name]
    assert isinstance(value, int), name
    return value


def number(params: Mapping[str, JsonValue], name: str) -> float:
    """A number."""
    value = params[name]
    assert isinstance(value, int | float), name
    return float(value)
