"""Plain values as block YAML, with an optional comment behind each line."""

from collections.abc import Callable, Mapping

from trainwright.spec.models import Scalar
from trainwright.spec.scalars import write

_WIDTH = 110  # characters a flow list may take before it becomes a block (assumption: it fits an editor)


def emit(value: Mapping[str, object], comment: Callable[[str], str] = lambda path: "") -> str:
    """A mapping as YAML. ``comment`` gives the text behind the line of a dotted path, or nothing."""
    return "".join(f"{line}\n" for line in _mapping(value, "", 0, comment)) or "{}\n"


def _mapping(value: Mapping[str, object], path: str, indent: int, comment: Callable[[str], str]) -> list[str]:
    lines: list[str] = []
    for key, inner in value.items():
        where = f"{path}.{key}" if path else key
        lines += _entry(" " * indent + write(key) + ":", inner, where, indent, comment)
    return lines


def _entry(head: str, value: object, path: str, indent: int, comment: Callable[[str], str]) -> list[str]:
    if isinstance(value, Mapping) and value:
        return [head, *_mapping(value, path, indent + 2, comment)]
    note = comment(path)
    tail = f"  # {note}" if note else ""
    flat = inline(value)
    if isinstance(value, list | tuple) and value and len(head) + len(flat) > _WIDTH:
        return [head + tail, *(f"{' ' * (indent + 2)}- {inline(item)}" for item in value)]
    return [f"{head} {flat}{tail}"]


def inline(value: object) -> str:
    """A value on one line, in flow style where it is a list or a mapping."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{write(str(k))}: {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(inline(v) for v in value) + "]"
    return write(_scalar(value))


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"no YAML form for {type(value).__name__}")
