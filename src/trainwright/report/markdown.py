"""Values into Markdown and YAML without letting a value become markup."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Table:
    """A table of cells that are Markdown already. As text it is a Markdown table; the page draws the same cells."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers, and so are aligned right; never the first."""
        return tuple(column > 0 and _is_numeric(row[column] for row in self.rows) for column in range(len(self.header)))

    def __str__(self) -> str:
        """The table as Markdown."""
        rule = ["---:" if numeric else "---" for numeric in self.numeric]
        return "\n".join("| " + " | ".join(line) + " |" for line in (self.header, rule, *self.rows))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of cells that are Markdown already."""
    return Table(tuple(header), tuple(tuple(row) for row in rows))


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
    if isinstance(value, float) and math.isfinite(value):
        digits, mark, power = repr(value).partition("e")  # YAML 1.1 takes 1e-05 for text, 1.0e-05 for a number
        return f"{digits if '.' in digits else f'{digits}.0'}{mark}{power}"
    flow = json.dumps(to_json(value), ensure_ascii=False, allow_nan=False)
    return (
        flow.replace("<", "\\u003c").replace("`", "\\u0060").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )


def _is_numeric(cells: Iterable[str]) -> bool:
    told = [cell for cell in cells if cell not in ("", "-")]
    number = r"\**[-+]?[\d.,]+(e[-+]?\d+)?( ?[%kMG]?B?)?\**"
    return bool(told) and all(re.fullmatch(number, cell) for cell in told)
