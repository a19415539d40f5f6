"""Rows as a table of plain text columns, the same on a terminal and in a pipe."""

from collections.abc import Mapping, Sequence

from trainwright.apps import words
from trainwright.apps.screen import Screen
from trainwright.core.jsonable import JsonValue

_WIDEST = 60  # assumption: beyond it a table is no longer one; the JSON has the whole value


def render(rows: Sequence[Mapping[str, JsonValue]], screen: Screen) -> None:
    """Write one line a row under a line of names; the keys of the first row give the columns."""
    if not rows:
        return
    names = [name for name, value in rows[0].items() if not isinstance(value, Mapping)]
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(names)]
    header = [name.replace("_", " ").ljust(width) for name, width in zip(names, widths, strict=True)]
    screen.say(("  ".join(header), "bold"))
    for line in cells:
        screen.say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))


def _cell(value: JsonValue) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        text = ", ".join(words.number(v) for v in value)
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    else:
        text = words.number(value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
