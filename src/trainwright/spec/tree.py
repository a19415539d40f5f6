"""YAML text to plain values with the place of each, within fixed limits of size and depth.

ruamel.yaml gives parse events with positions; the tree is built here, so that nothing is ever constructed from a
tag, duplicate keys are seen, and neither nesting nor aliases can exhaust memory or the stack.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from trainwright.spec.models import Scalar
from trainwright.spec.scalars import resolve
from trainwright.spec.syntax import Unreadable, explain_syntax

MAX_NODES = 100_000  # 1 MB of YAML written by a person has fewer; an alias bomb passes it at once
MAX_DEPTH = 50  # the language needs 6; free mappings get the rest
# ruamel's scanner takes time quadratic in the length of a tag (900 kB: 9 s measured); real tags are short.
_LONG_TAG = re.compile(r"![^\s]{1000}")

_Event: TypeAlias = Any  # ruamel's events; which attributes there are depends on the class
Value: TypeAlias = "Scalar | list[Value] | dict[str, Value]"
Children: TypeAlias = "Scalar | list[Node] | list[tuple[Node, Node]]"


@dataclass(slots=True)
class Node:
    """One node of the document. ``size`` and ``height`` count what aliases expand to."""

    kind: str  # "scalar", "list" or "mapping"
    line: int
    column: int
    content: Children = None
    tag: str = ""
    quoted: bool = False
    anchor: str | None = None
    size: int = 1
    height: int = 1
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in the document that cannot stand, at a dotted path; reading can go on."""

    path: str
    line: int
    column: int
    what: str
    fix: str
    code: str


@dataclass(slots=True)
class Document:
    """Plain values, the line and column (from 1) of every dotted path, and the troubles met on the way.

    ``places`` are those of values that begin on their key's line, else of the key; ``keys`` those of keys.
    """

    value: Value
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)


def read_document(text: str) -> Document | None:
    """The only document of a text; None where there is nothing but white space and comments.

    Raises:
        Unreadable: the text is no YAML, or too large, too deep, or several documents.
    """
    if found := _LONG_TAG.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise Unreadable(line, found.start() - text.rfind("\n", 0, found.start()), "a tag (!) this long", "Remove it")
    root = _compose(text)
    if root is None or (root.kind == "scalar" and root.content is None and not root.quoted):
        return None
    document = Document(value=None)
    document.value = _flatten(root, "", document)
    return document


def _compose(text: str) -> Node | None:
    builder = _Builder()
    for event in _events(text):
        builder.take(event)
    return builder.root


def _events(text: str) -> Iterator[_Event]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except YAMLError as error:
        raise explain_syntax(error, text) from error
    except (ValueError, IndexError, AttributeError, AssertionError, OverflowError, TypeError, KeyError) as error:
        # ruamel's scanner meets some broken texts with these (found by fuzzing) instead of a YAMLError
        raise Unreadable(1, 1, f"this is no YAML ({type(error).__name__})", "Compare with the examples") from error


class _Builder:
    """Builds the node tree from events, one at a time."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._keys: list[Node | None] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._nodes = 0

    def take(self, event: _Event) -> None:
        """Grow the tree by one event."""
        kind = type(event).__name__
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if kind == "DocumentStartEvent":
            self._document(event, line, column)
        elif kind == "ScalarEvent":
            self._add(_scalar(event, line, column), close=True)
        elif kind == "AliasEvent":
            self._alias(str(event.anchor), line, column)
        elif kind in ("SequenceStartEvent", "MappingStartEvent"):
            name = "list" if kind == "SequenceStartEvent" else "mapping"
            node = Node(name, line, column, [], str(event.tag or ""), anchor=event.anchor)
            self._add(node, close=False)
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            self._close()

    def _document(self, event: _Event, line: int, column: int) -> None:
        self._documents += 1
        if self._documents > 1:
            raise Unreadable(line, column, "a second document begins here (---)", "Keep one spec in a file")
        version = event.version
        if version is not None and tuple(version) < (1, 2):
            what = f"the directive %YAML {version[0]}.{version[1]}: specs are YAML 1.2"
            raise Unreadable(max(line - 1, 1), 1, what, "Remove the directive; `no` is a text, `1e-3` a number")

    def _alias(self, name: str, line: int, column: int) -> None:
        target = self._anchors.get(name)
        if target is None:
            raise Unreadable(
                line, column, f"*{name} refers to nothing", f"Define &{name} above, or quote the value: '*{name}'"
            )
        if not target.closed:
            raise Unreadable(line, column, f"*{name} stands inside what it refers to", "Write the value out")
        self._attach(target, line, column)

    def _add(self, node: Node, *, close: bool) -> None:
        if node.anchor is not None:
            self._anchors[node.anchor] = node
        if close:
            node.closed = True
            self._attach(node, node.line, node.column)
            return
        self._open.append(node)
        self._keys.append(None)
        self._limit_depth(len(self._open), node.line, node.column)

    def _close(self) -> None:
        node = self._open.pop()
        self._keys.pop()
        node.closed = True
        self._attach(node, node.line, node.column)

    def _attach(self, node: Node, line: int, column: int) -> None:
        self._nodes += 1
        self._limit_depth(len(self._open) + node.height, line, column)
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)
        if max(parent.size, self._nodes) > MAX_NODES:
            raise Unreadable(
                line, column, f"more than {MAX_NODES} values, aliases counted as written out", "Shorten the spec"
            )
        content = parent.content
        assert isinstance(content, list)
        if parent.kind == "list":
            content.append(node)  # type: ignore[arg-type]  # a list node holds nodes
            return
        key, self._keys[-1] = self._keys[-1], None
        if key is None:
            self._keys[-1] = node
        else:
            content.append((key, node))  # type: ignore[arg-type]  # a mapping node holds pairs

    def _limit_depth(self, depth: int, line: int, column: int) -> None:
        if depth > MAX_DEPTH + 1:
            raise Unreadable(line, column, f"nested more than {MAX_DEPTH} levels deep", "Flatten the spec")


def _scalar(event: _Event, line: int, column: int) -> Node:
    quoted = event.style is not None and event.style != ""
    text = _joined_surrogates(event.value)
    value = text if quoted else resolve(text)
    return Node("scalar", line, column, value, str(event.tag or ""), quoted, event.anchor)


def _joined_surrogates(text: str) -> str:
    """JSON writes characters beyond 16 bits as two escapes; YAML reads them as two halves."""
    if not any("\ud800" <= c <= "\udfff" for c in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _flatten(node: Node, path: str, document: Document) -> Value:
    """The plain value under a node; its places and troubles go to the document."""
    document.places.setdefault(path, (node.line, node.column))
    if node.tag:
        what = f"the tag {node.tag[:60]!r}: a spec is plain data"
        document.troubles.append(Trouble(path, node.line, node.column, what, "Remove the tag", "tag"))
    content = node.content
    if not isinstance(content, list):
        return content
    if node.kind == "list":
        return [_flatten(c, _under(path, i), document) for i, c in enumerate(content) if isinstance(c, Node)]
    result: dict[str, Value] = {}
    first: dict[str, int] = {}
    for pair in content:
        assert isinstance(pair, tuple)
        _flatten_pair(pair[0], pair[1], path, result, first, document)
    return result


def _flatten_pair(
    key: Node, value: Node, path: str, result: dict[str, Value], first: dict[str, int], document: Document
) -> None:
    name = key.content
    if not isinstance(name, str):
        document.troubles.append(_bad_key(key, path))
        return
    where = _under(path, name)
    if name == "<<" and not key.quoted:
        what = "merge keys (<<) are not part of YAML 1.2"
        document.troubles.append(Trouble(where, key.line, key.column, what, "Write the keys out", "syntax"))
        return
    if name in result:
        what = f"the key is written twice, here and on line {first[name]}"
        document.troubles.append(Trouble(where, key.line, key.column, what, "Keep one of them", "duplicate"))
        return
    first[name] = key.line
    document.places[where] = (key.line, key.column)
    result[name] = _flatten(value, where, document)
    document.keys[where] = (key.line, key.column)
    if value.line == key.line:
        document.places[where] = (value.line, value.column)


def _bad_key(key: Node, path: str) -> Trouble:
    if key.kind == "mapping":
        what, fix = "a mapping as a key, or a template {{...}} that was not filled in", "Write the value itself"
        return Trouble(path, key.line, key.column, what, fix, "template")
    if key.kind == "list":
        return Trouble(path, key.line, key.column, "a list as a key", "Quote the key if the brackets are text", "key")
    fix = "Write a name, in quotes if it looks like a number"
    return Trouble(path, key.line, key.column, f"a key must be a text, got {key.content!r:.60}", fix, "key")


def _under(path: str, name: str | int) -> str:
    return f"{path}.{name}" if path else str(name)
