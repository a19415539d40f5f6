"""Values that were never filled in, and things that do not belong in a spec: templates, brackets, secrets."""

import re
from collections.abc import Iterator

from trainwright.spec.tree import Value
from trainwright.spec.vocabulary import example, fields

_TEMPLATE = re.compile(r"\$\{|\{\{|\{%")
_BRACKETS = re.compile(r"\[[^\[\]]*\]|<[A-Za-z][A-Za-z _/-]*>")
_SECRET = re.compile(
    r"(^|[_-])(password|passwd|pwd|secret|api_?key|access_?key|private_?key|auth_?token|access_?token|credentials?)"
    r"($|[_-])|^token$",
    re.IGNORECASE,
)
# These hold what people call things: a column may well be named "[x]".
_FREE = ("data.columns.", "data.missing_values", "data.target", "architecture.architecture_spec.", "handoff.")

_LISTS = ("tracking",)  # a mapping that may be written as a list


def find_traps(value: Value, path: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Every trap in a tree of plain values: (dotted path, what, fix, code)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            where = f"{path}.{key}" if path else key
            if _SECRET.search(key):
                what = "this looks like a secret, and a spec is copied into every run folder"
                yield where, what, "Remove it here and from the file's history; no spec needs one", "secret"
            else:
                yield from find_traps(inner, where)
        return
    if isinstance(value, list):
        if unfilled := _unquoted_brackets(value, path):
            yield unfilled
            return
        for index, item in enumerate(value):
            yield from find_traps(item, f"{path}.{index}")
    elif isinstance(value, str):
        yield from _text_traps(value, path)


def _text_traps(text: str, path: str) -> Iterator[tuple[str, str, str, str]]:
    if _TEMPLATE.search(text):
        what = f"a template that was not filled in: {text!r:.60}"
        yield path, what, "Write the value itself; specs are not expanded", "template"
    elif _is_unfilled(text, path):
        what = f"still the form's own text {text!r:.60}"
        yield path, what, example(path) or "Fill it in or remove the key", "placeholder"


def _is_unfilled(text: str, path: str) -> bool:
    if path == "data.target":
        return text.startswith("[") and " " in text and bool(_BRACKETS.fullmatch(text))
    return bool(_BRACKETS.fullmatch(text.strip())) and not path.startswith(_FREE)


def _unquoted_brackets(value: list[Value], path: str) -> tuple[str, str, str, str] | None:
    """``model_type: [Model family]``: YAML reads a list with one text."""
    info = fields().get(path)
    takes_lists = info is None or "tuple" in str(info.annotation) or path in _LISTS
    if takes_lists or not (len(value) == 1 and isinstance(value[0], str)):
        return None
    what = f"still the form's own text '[{value[0]:.60}]', or a list where one value is needed"
    return path, what, example(path) or "Fill it in or remove the key", "placeholder"
