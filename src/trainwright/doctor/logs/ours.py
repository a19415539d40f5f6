"""Our own record: ``training_log.jsonl``, or the run folder around it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.history import history_of
from trainwright.doctor.logs.contract import Head, Reading, damaged_note, note, text_lines

NAME = "Trainwright training log"

_STAGES = ("fit", "fit_simpler")  # the last of them that began is the training of the model that was delivered


def recognises(head: Head) -> bool:
    """A first line that is one of our events."""
    first = head.text.lstrip().split("\n", 1)[0]
    event = _event(first)
    return event is not None and {"event", "step", "time_s"} <= event.keys()


def in_folder(folder: Path) -> Path | None:
    """The log of a run folder."""
    path = folder / "training_log.jsonl"
    return path if path.is_file() else None


def read(path: Path) -> Reading:
    """The history of the model's own training; of another stage where the log has no such.

    Raises:
        ArtifactRefused: the log holds no training.
    """
    damaged: list[int] = []
    events = list(_events(path, damaged))
    stages: dict[str, int] = {}
    stage = ""
    for event in events:
        kind = event.get("event")
        if kind == "started":
            stage = str(event.get("stage"))
        elif kind in ("trained", "evaluated"):
            stages[stage] = stages.get(stage, 0) + 1
    if not stages:
        raise ArtifactRefused(f"{path}: the events of a training are required, and none has begun in this log.")
    chosen = next((name for name in reversed(_STAGES) if name in stages), max(stages, key=stages.__getitem__))
    history = history_of(events, chosen)
    notes = damaged_note(len(damaged), "lines", f"is line {damaged[0]}" if damaged else "")
    if chosen not in _STAGES:
        notes = (*notes, note("stage", f"the log has no training of a final model: this is its stage {chosen}"))
    return Reading(history=history, notes=notes)


def _events(path: Path, damaged: list[int]) -> Iterator[Mapping[str, JsonValue]]:
    last_bad = 0
    number = 0
    for number, line in enumerate(text_lines(path), start=1):
        event = None if line is None else _event(line)
        if event is not None:
            yield event
        elif line is None or line.strip():
            damaged.append(number)
            last_bad = number
    if last_bad == number and damaged:  # a torn tail is what a killed run leaves
        damaged.pop()


def _event(line: str) -> Mapping[str, JsonValue] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and "event" in value else None
