"""Rows of JSON: an object a line (nanoGPT's relatives, Axolotl, own loops), or a list of objects (skorch)."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from trainwright.core.errors import ArtifactRefused
from trainwright.doctor.logs.contract import Head, Points, Reading, damaged_note, document, text_lines
from trainwright.doctor.logs.names import EPOCHS, STEPS, split
from trainwright.doctor.logs.numbers import from_json

NAME = "JSON rows"

_DEEPEST = 4  # objects in objects whose names are joined


def recognises(head: Head) -> bool:
    """A line that is an object, or a list whose first thing is one."""
    text = head.text.lstrip()
    if text.startswith("["):
        return text[1:].lstrip().startswith("{")
    return _object(text.split("\n", 1)[0]) is not None


def in_folder(folder: Path) -> Path | None:
    """The only file of lines in a folder."""
    found = sorted(folder.glob("*.jsonl"))
    return found[0] if len(found) == 1 else None


def read(path: Path) -> Reading:
    """All numbers of all objects; those inside objects by joined names.

    Raises:
        ArtifactRefused: it is a list that is damaged, or too large.
    """
    points, damaged = Points(), 0
    with path.open("rb") as file:
        is_list = Head(path, file.read(4096)).text.lstrip().startswith("[")
    if is_list:
        add_rows(points, _listed(path))
        return Reading(points=points)
    torn = False
    for line in text_lines(path):
        found = None if line is None else _object(line)
        torn = found is None and (line is None or bool(line.strip()))
        damaged += torn
        if found is not None:
            add_rows(points, [found])
    return Reading(points=points, notes=damaged_note(damaged - torn, "lines"))  # a torn tail is normal


def add_rows(points: Points, rows: Iterable[object]) -> None:
    """Take in objects in their order; their own ``step`` and ``epoch`` are the position."""
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        points.next_row()
        numbers: dict[str, float] = {}
        _flatten(row, "", numbers, _DEEPEST)
        by_words = {"_".join(split(name)): name for name in numbers}
        step, epoch = (next((by_words[n] for n in names if n in by_words), None) for names in (STEPS, EPOCHS))
        for name, value in numbers.items():
            if name not in (step, epoch):
                points.add(
                    name,
                    value,
                    step=None if step is None else numbers[step],
                    epoch=None if epoch is None else numbers[epoch],
                )


def _flatten(value: Mapping[str, object], before: str, into: dict[str, float], deep: int) -> None:
    for key, inner in value.items():
        name = f"{before}/{key}" if before else str(key)
        if isinstance(inner, Mapping):
            if deep > 1:
                _flatten(inner, name, into, deep - 1)
        elif (number := from_json(inner)) is not None:
            into[name] = number


def _listed(path: Path) -> list[object]:
    try:
        value = json.loads(document(path))
    except (ValueError, RecursionError) as error:
        raise ArtifactRefused(f"{path}: a whole JSON document is required, and this is damaged: {error}") from error
    return value if isinstance(value, list) else []


def _object(line: str) -> Mapping[str, object] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
