"""Careful access to values read from JSON: a missing or odd value becomes its empty form, never a crash."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from trainwright.core.jsonable import JsonValue
from trainwright.run.files import read_json


def mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: JsonValue) -> tuple[JsonValue, ...]:
    """The elements where the value is a list, else none."""
    return tuple(value) if isinstance(value, list | tuple) else ()


def objects(value: JsonValue) -> tuple[Mapping[str, JsonValue], ...]:
    """The objects in a list."""
    return tuple(v for v in items(value) if isinstance(v, Mapping))


def text(value: JsonValue, default: str = "") -> str:
    """The value as text; ``default`` for null."""
    return default if value is None else str(value)


def number(value: JsonValue) -> float | None:
    """The value as a float; the strings ``nan``, ``inf`` and ``-inf`` are numbers, everything else is None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    return float(value) if value in ("nan", "inf", "-inf") else None


def finite(value: JsonValue) -> float | None:
    """The value as a finite float, else None."""
    found = number(value)
    return found if found is not None and math.isfinite(found) else None


def whole(value: JsonValue) -> int | None:
    """The value as an integer, else None."""
    found = finite(value)
    return None if found is None else int(found)


def numbers(value: JsonValue) -> dict[str, float]:
    """The numeric entries of an object, in its order."""
    return {k: n for k, v in mapping(value).items() if (n := number(v)) is not None}


def optional_json(path: Path) -> Mapping[str, JsonValue]:
    """A JSON object, or an empty one when the file does not exist.

    Raises:
        ArtifactRefused: the file is there and damaged.
    """
    return read_json(path) if path.is_file() else {}


def json_lines(path: Path) -> tuple[Mapping[str, JsonValue], ...]:
    """The objects of a JSONL file. A last line that was cut off by a crash is left out, as are damaged lines."""
    if not path.is_file():
        return ()
    found: list[Mapping[str, JsonValue]] = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                value = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(value, dict):
                found.append(value)
    return tuple(found)
