"""Curves as lists in JSON: a Keras ``History``, ``evals_result`` of XGBoost and LightGBM, or own dictionaries of lists.

``{"loss": [...], "val_loss": [...]}``, perhaps under ``history``, perhaps with ``epoch``; or a level deeper:
``{"train": {"logloss": [...]}, "valid": {"logloss": [...]}}``.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from trainwright.core.errors import ArtifactRefused
from trainwright.doctor.logs.contract import Head, Points, Reading, document
from trainwright.doctor.logs.names import EPOCHS, STEPS, split
from trainwright.doctor.logs.numbers import from_json

NAME = "JSON curves (Keras history)"

_LIST = re.compile(r'"\s*:\s*\[')
_DEEPEST = 4


def recognises(head: Head) -> bool:
    """An object that holds lists."""
    text = head.text.lstrip()
    return text.startswith("{") and _LIST.search(text) is not None


def in_folder(folder: Path) -> Path | None:
    """``history.json``, as most people call it."""
    path = folder / "history.json"
    return path if path.is_file() else None


def read(path: Path) -> Reading:
    """All lists of numbers; a value's position is its place in the list, or what ``epoch`` beside it says.

    Raises:
        ArtifactRefused: it is damaged.
    """
    try:
        value = json.loads(document(path))
    except (ValueError, RecursionError) as error:
        raise ArtifactRefused(f"{path}: a whole JSON document is required, and this is damaged: {error}") from error
    points = Points()
    lists = dict(_lists(value, "", _DEEPEST)) if isinstance(value, Mapping) else {}
    steps, epochs = (_position(lists, names) for names in (STEPS, EPOCHS))
    longest = max((len(values) for values in lists.values()), default=0)
    for row in range(longest):
        points.next_row()
        for name, values in lists.items():
            if row < len(values) and values is not steps and values is not epochs:
                number = from_json(values[row])
                if number is not None:
                    at = row + 1.0
                    points.add(
                        name, number, step=_at(steps, row, values), epoch=_at(epochs, row, values) if epochs else at
                    )
    return Reading(points=points)


def _lists(value: Mapping[str, object], before: str, deep: int) -> Iterator[tuple[str, list[object]]]:
    for key, inner in value.items():
        name = f"{before}/{key}" if before else str(key)
        if isinstance(inner, Mapping) and deep > 1:
            # a level that only wraps is no part of a name
            yield from _lists(
                inner, "" if not before and key in ("history", "params", "evals_result") else name, deep - 1
            )
        elif isinstance(inner, list) and inner:
            yield name, inner


def _position(lists: Mapping[str, list[object]], names: tuple[str, ...]) -> list[object] | None:
    by_words = {"_".join(split(name)): values for name, values in lists.items()}
    return next((by_words[name] for name in names if name in by_words), None)


def _at(positions: list[object] | None, row: int, values: list[object]) -> float | None:
    """Where a value stands, if the list of positions is as long as that of values."""
    return from_json(positions[row]) if positions is not None and len(positions) == len(values) else None
