"""``trainer_state.json`` of Hugging Face's Trainer, or the output folder with its checkpoints.

The fields are those of `transformers.TrainerState` (read in transformers 5.24): ``log_history`` is a list of objects
with ``step`` and ``epoch``; the last one of a training sums it up and is no point of a curve.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.logs.contract import Head, Points, Reading, document
from trainwright.doctor.logs.json_rows import add_rows
from trainwright.doctor.logs.numbers import from_json

NAME = "Hugging Face trainer state"

_FILE = "trainer_state.json"
_SUMMARY = "train_runtime"  # only the sum at the end of a training has it


def recognises(head: Head) -> bool:
    """An object with a history of logs; keys may stand in any order, so a long file is known by its name."""
    text = head.text.lstrip()
    return text.startswith("{") and ('"log_history"' in text or head.path.name == _FILE)


def in_folder(folder: Path) -> Path | None:
    """The folder's own state, else that of its latest checkpoint."""
    own = folder / _FILE
    if own.is_file():
        return own
    found = {
        int(m[1]): p for p in folder.glob(f"checkpoint-*/{_FILE}") if (m := re.search(r"-(\d{1,18})$", p.parent.name))
    }
    return found[max(found)] if found else None


def read(path: Path) -> Reading:
    """The history of logs.

    Raises:
        ArtifactRefused: it is damaged, or no such state.
    """
    try:
        state = json.loads(document(path))
    except (ValueError, RecursionError) as error:
        raise ArtifactRefused(f"{path}: a whole JSON document is required, and this is damaged: {error}") from error
    logged = state.get("log_history") if isinstance(state, Mapping) else None
    if not isinstance(logged, list):
        raise ArtifactRefused(f"{path}: a list `log_history` is required, and there is none.")
    points = Points()
    add_rows(points, (row for row in logged if isinstance(row, Mapping) and _SUMMARY not in row))
    return Reading(points=points, facts=_facts(state))


def _facts(state: Mapping[str, object]) -> dict[str, JsonValue]:
    steps, limit = from_json(state.get("global_step")), from_json(state.get("max_steps"))
    facts: dict[str, JsonValue] = {}
    if limit is not None and limit > 0:
        facts["rounds_limit"] = limit
        if steps is not None and steps >= limit:
            facts["reason"] = "rounds"
    return facts
