"""`-o a.b.c=value`: one value from the command line, put into the tree as if the file had it."""

from collections.abc import Iterator, Sequence

from trainwright.core.secrets import hidden
from trainwright.spec.mistakes import Mistake, Place, shown
from trainwright.spec.syntax import Unreadable
from trainwright.spec.tree import Value, read_document

_FIX = "Write for example -o training.time_budget=2m"


def apply_overrides(tree: dict[str, Value], places: dict[str, Place], overrides: Sequence[str]) -> Iterator[Mistake]:
    """Change the tree and the places in the order given; yield what could not be done."""
    seen: set[str] = set()
    for text in overrides:
        place = Place(f"-o {hidden(text, {})}", "override")
        path, equals, raw = text.partition("=")
        path = path.strip()
        parts = path.split(".")
        if not equals or not all(parts):
            yield Mistake(path="", what="an override is a dotted path, =, and a value", fix=_FIX, place=place)
            continue
        if path in seen:
            yield Mistake(path=path, what="this override is given twice", fix="Keep one of them", place=place)
            continue
        seen.add(path)
        try:
            value, nested = _parse(raw.strip())
        except Unreadable as error:
            yield Mistake(path=path, what=error.what, fix=error.fix, place=place, code="override")
            continue
        problem = _put(tree, places, parts, value, place)
        if problem:
            fix = "Set values that are there, or add to a list's end"
            yield Mistake(path=path, what=problem, fix=fix, place=place, code="override")
            continue
        places.update({f"{path}.{inner}" if inner else path: place for inner in nested})


def _parse(raw: str) -> tuple[Value, tuple[str, ...]]:
    """The value and the dotted paths inside it. Only flow collections and quotes are structure; the rest is text."""
    structured = raw[:1] in ("[", "{", '"', "'")
    try:
        document = read_document(raw)
    except Unreadable:
        if structured:
            raise
        return raw, ("",)
    if document is None:
        return None, ("",)
    if document.troubles:
        raise Unreadable(0, 0, document.troubles[0].what, document.troubles[0].fix)
    if isinstance(document.value, dict | list) and not structured:
        return raw, ("",)
    return document.value, tuple(document.places)


def _put(
    tree: dict[str, Value], places: dict[str, Place], parts: Sequence[str], value: Value, place: Place
) -> str | None:
    """Set the value; a sentence where there is no such place."""
    node: dict[str, Value] | list[Value] = tree
    for depth, part in enumerate(parts[:-1]):
        where = ".".join(parts[: depth + 1])
        inner = _step(node, part)
        if inner is None and isinstance(node, dict):
            inner = node[part] = {}
            places[where] = place
        if not isinstance(inner, dict | list):
            return f"{where} is {'missing' if inner is None else shown(inner)}, nothing can be set inside it"
        node = inner
    last, path = parts[-1], ".".join(parts)
    for stale in [p for p in places if p == path or p.startswith(f"{path}.")]:
        del places[stale]
    if isinstance(node, dict):
        node[last] = value
        return None
    index = _index(last)
    if index is None or index > len(node):
        return f"the list has items 0 to {len(node) - 1}, and {shown(last)} is none of them or the next"
    node[index : index + 1] = [value]
    return None


def _step(node: dict[str, Value] | list[Value], part: str) -> Value:
    if isinstance(node, dict):
        return node.get(part)
    index = _index(part)
    return node[index] if index is not None and index < len(node) else None


def _index(part: str) -> int | None:
    return int(part) if part.isascii() and part.isdigit() and len(part) < 7 else None
