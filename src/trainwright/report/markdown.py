"""Values into Markdown and YAML without letting a value become markup."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from trainwright.core.jsonable import JsonValue, to_json

_ENTITIES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "[": "&#91;", "]": "&#93;", "`": "&#96;"}
)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./() +-]*[A-Za-z0-9_)]|[A-Za-z]")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"})


def escape(value: object) -> str:
    """A value as inline Markdown text, safe in paragraphs and table cells: on one line, no markup, no HTML.

    >>> escape("a|b <script> *x* snake_case")
    'a&#124;b &lt;script&gt; \\\\*x\\\\* snake_case'
    """
    flat = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    flat = flat.replace("\\", "\\\\").translate(_ENTITIES)
    flat = re.sub(r"([*~])", r"\\\1", flat)
    flat = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", flat)
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", re.sub(r"^([#+-])", r"\\\1", flat))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; columns after the first that hold numbers are aligned right."""
    body = [list(row) for row in rows]
    lines = [header, [_rule(column, body) for column in range(len(header))], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def yaml_block(values: Mapping[str, JsonValue], indent: str = "") -> str:
    """A mapping as YAML lines: mappings and lists of text indented, what they hold in flow style. ``{}`` when empty."""
    lines = []
    for key, value in values.items():
        name = f"{indent}{yaml_value(key)}:"
        if isinstance(value, Mapping) and value:
            lines += [name, yaml_block(value, indent + "  ")]
        elif isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            lines += [name, *(f"{indent}  - {yaml_value(v)}" for v in value)]
        else:
            lines.append(f"{name} {yaml_value(value)}")
    return "\n".join(lines) or "{}"


def yaml_value(value: JsonValue) -> str:
    """A value as YAML on one line, quoted where it must be; it cannot end a fenced block or open a tag."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    flow = json.dumps(to_json(value), ensure_ascii=False, allow_nan=False)
    return (
        flow.replace("<", "\\u003c").replace("`", "\\u0060").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )


def _rule(column: int, body: list[list[str]]) -> str:
    cells = [row[column] for row in body if row[column] not in ("", "-")]
    numeric = bool(cells) and all(re.fullmatch(r"\**[-+]?[\d.,]+(e[-+]?\d+)?( ?[%kMG]?B?)?\**", c) for c in cells)
    return "---:" if numeric and column else "---"
