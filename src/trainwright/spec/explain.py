"""pydantic's errors in the words of the spec."""

import re
from typing import TYPE_CHECKING

from trainwright.spec.mistakes import nearest, shown
from trainwright.spec.scalars import is_old_boolean, resolve
from trainwright.spec.vocabulary import example, fields, place_unknown, section_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_LIMITS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}
_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def explain(error: "ErrorDetails") -> tuple[str, str, str, str]:
    """(dotted path, what, fix, code) of one validation error."""
    path = ".".join(str(part) for part in error["loc"])
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        what, fix = place_unknown(path)
        return path, what, fix, "unknown_key"
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
        near = nearest(value, known) if isinstance(value, str) else None
        fix = f"{f'Did you mean {near}? ' if near else ''}Known: {', '.join(known)}"
        return path, f"{shown(value)} is not known here", fix, "choice"
    if kind in _LIMITS:
        word, key = _LIMITS[kind]
        limit = error.get("ctx", {}).get(key)
        return path, f"must be {word} {limit}, got {shown(value)}", example(path), "range"
    if kind == "value_error":
        return path, str(error.get("ctx", {}).get("error", error["msg"])), example(path), "value"
    wanted = _WANTED.get(kind)
    if wanted is None:
        return path, error["msg"][:1].lower() + error["msg"][1:], example(path), "value"
    return path, f"{wanted} is needed, got {shown(value)}", _type_fix(path, kind, value), "type"


def _type_fix(path: str, kind: str, value: object) -> str:
    info = fields().get(path)
    is_section = info is not None and section_of(info.annotation) is not None
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'Put it in quotes: "{shown(value)}"'
    if isinstance(value, str):
        if (kind == "bool_type" or is_section) and (is_old_boolean(value) or value.lower() in ("true", "false")):
            return "Write null to switch it off" if is_section else "Write true/false"
        if kind in ("int_type", "float_type"):
            return _number_fix(path, value)
        if kind == "tuple_type":
            return f"Write {path.rsplit('.', 1)[-1]}: [{value}]"
    if is_section and value is False and info is not None and "None" in str(info.annotation):
        return "Write null to switch it off"
    if is_section and value is None:
        return "Write its keys below it, indented, or remove the key"
    if kind == "int_type" and isinstance(value, float) and value == value // 1:
        return f"Write {path.rsplit('.', 1)[-1]}: {value:.0f}"
    return example(path)


def _number_fix(path: str, text: str) -> str:
    plain = text.strip().replace("_", "")
    if isinstance(resolve(plain), int | float) and not isinstance(resolve(plain), bool):
        return f"Write it without quotes{'' if plain == text else ' and underscores'}: {plain}"
    if text.endswith("%") and isinstance(percent := resolve(text[:-1].strip()), int | float):
        return f"Write it as a fraction: {percent / 100:g}"
    return example(path)
