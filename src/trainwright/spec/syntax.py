"""What is wrong with a text that is no YAML, said so that a person can mend it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ruamel.yaml.error import YAMLError


class Unreadable(Exception):
    """The text cannot be read at all. ``line`` and ``column`` count from 1; line 0 means the file as a whole."""

    def __init__(self, line: int, column: int, what: str, fix: str = "", code: str = "syntax") -> None:
        super().__init__(what)
        self.line = line
        self.column = column
        self.what = what
        self.fix = fix
        self.code = code


# Part of ruamel's problem -> (what, fix, whether the error began at the context's mark).
_KNOWN = (
    ("'\\t' that cannot start", "a tab stands where YAML wants spaces", "Indent with spaces", False),
    (
        "mapping values are not allowed",
        "a ': ' that cannot stand here: a second one in the value, or the indentation changed",
        "Put the value in quotes, or indent the keys of a section alike",
        False,
    ),
    (
        "expected <block end>",
        "this line does not fit the lines above",
        "Indent the keys of one section alike, and do not mix keys with list items",
        False,
    ),
    ("unexpected end of stream", "a quote is not closed", "Close the quote that begins here", True),
    ("expected ',' or ']'", "a bracket [ is not closed, or a comma is missing", "Close it with ]", True),
    ("expected ',' or '}'", "a brace { is not closed, or a comma is missing", "Close it with }", True),
    ("unknown escape character", "an escape (\\) that YAML does not know", "Use single quotes: '...'", False),
    (
        "could not find expected ':'",
        "this is neither `key: value` nor a list item",
        "Write a colon and a space after the key",
        True,
    ),
    ("incompatible YAML document", "specs are YAML 1.2", "Remove the %YAML directive", False),
    ("expected the node content", "a value is missing", "Close every bracket, and write a value or null", False),
    ("document start", "text after the end of the document", "Keep one mapping in the file", False),
)


def explain_syntax(error: "YAMLError", text: str) -> Unreadable:
    """ruamel's error in plain words, with the position where the mistake begins."""
    position = getattr(error, "position", None)
    if isinstance(position, int):  # ReaderError: a character YAML does not allow
        line = text.count("\n", 0, position) + 1
        code = ord(text[position]) if position < len(text) else 0
        return Unreadable(
            line,
            position - text.rfind("\n", 0, position),
            f"the character U+{code:04X} is not allowed in YAML",
            "Remove it, or write it as an escape in double quotes",
        )
    problem = str(getattr(error, "problem", None) or "no YAML")
    mark = getattr(error, "problem_mark", None)
    context_mark = getattr(error, "context_mark", None)
    for part, what, fix, at_context in _KNOWN:
        if part in problem:
            return _at(context_mark if at_context and context_mark is not None else mark, what, fix)
    if "cannot start any token" in problem:
        return _at(mark, f"a value cannot start like this: {problem}", "Put the value in quotes")
    return _at(mark, f"no valid YAML: {problem}", "Put texts with special characters in quotes")


def _at(mark: object, what: str, fix: str) -> Unreadable:
    line, column = getattr(mark, "line", None), getattr(mark, "column", None)
    if isinstance(line, int) and isinstance(column, int):
        return Unreadable(line + 1, column + 1, what, fix)
    return Unreadable(1, 1, what, fix)
