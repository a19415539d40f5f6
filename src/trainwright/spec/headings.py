"""Fenced blocks of a Markdown text, each with the headings it stands under."""

import re
from dataclasses import dataclass

_LONGEST_LINE = 500  # characters; longer lines are no headings (assumption), and cost the patterns below time
_FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)")
_NUMBERED = re.compile(r" {0,3}(?P<marks>#{1,6})[ \t]+(?P<title>.+)")
_UNDERLINE = re.compile(r" {0,3}(?P<mark>=+|--+)[ \t]*")
_LABEL = re.compile(
    r"[ \t]*(?:[-*+][ \t]+|\d{1,3}[.)][ \t]+)?(?P<mark>\*\*|__)(?P<title>[^*_]+)(?P=mark)[ \t]*:?[ \t]*"
)
_PLAIN_LABEL = re.compile(r"[ \t]*(?P<title>[A-Za-z][A-Za-z ,'&-]*):[ \t]*")
_LABEL_LEVEL, _PLAIN_LEVEL = 7, 8  # below every heading of Markdown


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, or a bold or plain label that takes its place. ``level`` 1 is the highest."""

    level: int
    title: str
    line: int


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: ``line`` is that of its first line of content, from 1; ``headings`` the nearest first."""

    language: str
    text: str
    line: int
    indent: int
    headings: tuple[Heading, ...]
    closed: bool


def find_blocks(text: str) -> tuple[list[Block], list[Heading]]:
    """All fenced blocks and all headings, in order.

    The fences are those of CommonMark, at any indentation. What an HTML comment hides from readers, and a block of
    ``---`` at the very top, is left out.
    """
    lines = text.splitlines()
    blocks: list[Block] = []
    headings: list[Heading] = []
    above: list[Heading] = []
    at, previous, last, hidden = _behind_front_matter(lines), "", "", False
    while at < len(lines):
        line = lines[at]
        if hidden:
            hidden = "-->" not in line
        elif (fence := _FENCE.fullmatch(line)) is not None:
            label = _plain_label(last, at)
            block = _block(lines, at, fence, tuple(reversed([*above, *([label] if label else [])])))
            blocks.append(block)
            at, previous, last = block.line - 1 + len(block.text.splitlines()) + int(block.closed), "", ""
            continue
        elif "<!--" in line:
            hidden = "-->" not in line.split("<!--", 1)[1]
        elif (heading := _heading(line, previous, at)) is not None:
            headings.append(heading)
            above = [*(one for one in above if one.level < heading.level), heading]
        previous, last = line, line if line.strip() else last
        at += 1
    return blocks, headings


def _behind_front_matter(lines: list[str]) -> int:
    if not lines or lines[0].strip() != "---":
        return 0
    return next((at + 1 for at, line in enumerate(lines[1:], start=1) if line.strip() in ("---", "...")), 0)


def _block(lines: list[str], at: int, fence: "re.Match[str]", headings: tuple[Heading, ...]) -> Block:
    mark, indent = fence["mark"], len(fence["indent"])
    closing = re.compile(rf"[ \t]*{re.escape(mark[0])}{{{len(mark)},}}[ \t]*")
    end = next((n for n in range(at + 1, len(lines)) if closing.fullmatch(lines[n])), None)
    content = [_without_indent(line, indent) for line in lines[at + 1 : end]]
    words = fence["info"].strip().strip("{}.").split()
    language = words[0].lower() if words else ""
    return Block(language, "\n".join(content) + "\n" * bool(content), at + 2, indent, headings, end is not None)


def _without_indent(line: str, indent: int) -> str:
    spaces = len(line) - len(line.lstrip(" \t"))
    return line[min(spaces, indent) :]


def _heading(line: str, above: str, at: int) -> Heading | None:
    if len(line) > _LONGEST_LINE:
        return None
    if (found := _NUMBERED.fullmatch(line)) is not None:
        return Heading(len(found["marks"]), found["title"].strip().rstrip("#").strip(), at + 1)
    if (found := _UNDERLINE.fullmatch(line)) is not None and above.strip() and not above.lstrip().startswith("|"):
        return Heading(1 if found["mark"][0] == "=" else 2, above.strip(), at)
    if (found := _LABEL.fullmatch(line)) is not None:
        return Heading(_LABEL_LEVEL, found["title"].strip(" :"), at + 1)
    return None


def _plain_label(last: str, at: int) -> Heading | None:
    """``Baselines:`` alone on the last line of text before a block."""
    found = _PLAIN_LABEL.fullmatch(last) if len(last) <= _LONGEST_LINE else None
    return Heading(_PLAIN_LEVEL, found["title"].strip(), at) if found else None
