"""``trainwright schema``, ``families`` and ``engines``: what can be written in a spec."""

import json as json_text
from collections.abc import Mapping, Sequence

from trainwright.apps import table
from trainwright.apps.answer import Answer, JsonFlag, examples
from trainwright.core.jsonable import JsonValue

_FAMILY_COLUMNS = ("name", "tasks", "engines", "summary")  # the rest is in the JSON
_ENGINE_COLUMNS = ("name", "version", "tasks", "devices")


def schema_command(json: JsonFlag = False) -> Answer:
    """Print the JSON Schema of a spec, for editors."""
    from trainwright import pipeline

    value = pipeline.schema()
    text = json_text.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return Answer(value=value, render=lambda screen: screen.raw(text))


def families_command(json: JsonFlag = False) -> Answer:
    """List the model families that a spec may name."""
    from trainwright import pipeline

    rows = pipeline.families()
    return Answer(value={"families": rows}, render=lambda screen: table.render(_only(rows, _FAMILY_COLUMNS), screen))


def engines_command(json: JsonFlag = False) -> Answer:
    """List the frameworks that train, and what each can do."""
    from trainwright import pipeline

    rows = pipeline.engines()
    return Answer(value={"engines": rows}, render=lambda screen: table.render(_only(rows, _ENGINE_COLUMNS), screen))


def _only(rows: Sequence[Mapping[str, JsonValue]], columns: Sequence[str]) -> list[Mapping[str, JsonValue]]:
    return [{name: row.get(name) for name in columns} for row in rows]


COMMANDS = (
    (schema_command, examples("trainwright schema > trainwright.schema.json")),
    (families_command, examples("trainwright families", "trainwright families --json")),
    (engines_command, examples("trainwright engines")),
)
