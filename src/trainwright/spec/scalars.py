"""YAML 1.2 core schema scalars, both ways: ``1e-3`` is a number, ``no`` is a string, ``010`` is ten."""

import json
import math
import re

from trainwright.spec.models import Scalar

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NAN = re.compile(r"\.(nan|NaN|NAN)")
# Texts that read back as themselves without quotes, whatever stands around them.
_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./ ()+*=-]*(?<! )|[1-9][0-9]* ?[a-z]+([0-9]+[a-z]+)*")
_OLD_BOOLEANS = frozenset({"y", "n", "yes", "no", "on", "off"})
_LONGEST_NUMBER = 300  # characters; below 10**308 every whole number is also a float
_LONGEST_BASED = 40  # characters of 0x... and 0o... numbers, 128 bits and more


def resolve(text: str) -> Scalar:
    """The value of a plain (unquoted) scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _LONGEST_NUMBER or not (text[0].isascii() and (text[0].isdigit() or text[0] in "+-.")):
        return text
    if _DECIMAL.fullmatch(text):
        return int(text)
    if len(text) <= _LONGEST_BASED and _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    return math.nan if _NAN.fullmatch(text) else text


def is_old_boolean(text: str) -> bool:
    """Whether YAML 1.1 read this word as true or false."""
    return text.lower() in _OLD_BOOLEANS


def write(value: Scalar) -> str:
    """A scalar as YAML that `resolve` (or a YAML 1.1 reader) reads back to the same value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else (".inf" if value > 0 else "-.inf")
    if isinstance(value, int | float):
        return repr(value)
    plain = _PLAIN.fullmatch(value) and resolve(value) == value and not is_old_boolean(value)
    return value if plain else _quoted(value)


def _quoted(text: str) -> str:
    """Double quotes, with every character escaped that YAML does not allow or that breaks lines."""
    body = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(c) for c in body)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
