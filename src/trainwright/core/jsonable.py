"""Plain JSON values, and the one way to turn our own values into them."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TypeAlias

JsonValue: TypeAlias = bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None


def to_json(value: object) -> JsonValue:
    """Turn dataclasses, enums, paths, NumPy scalars and arrays into JSON values.

    Non-finite numbers become the strings ``"nan"``, ``"inf"`` and ``"-inf"``: JSON has none, ``null`` would hide them.

    Raises:
        TypeError: a value has no JSON form.
    """
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, str):
        return str(value)  # a NumPy string is a str, but not a plain one
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(v) for v in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays, without importing NumPy
        return to_json(value.tolist())
    raise TypeError(f"no JSON form for {type(value).__name__}: {value!r}")


def dumps(value: object, *, indent: int | None = None) -> str:
    """Serialise with sorted keys, so that equal values give equal bytes."""
    separators = (",", ":") if indent is None else None
    return json.dumps(
        to_json(value), indent=indent, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=separators
    )
