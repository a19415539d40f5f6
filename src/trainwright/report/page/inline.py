"""The report's sentences, which are Markdown, as HTML. Only this module and Jinja's autoescape make markup of text."""

import html
import re

from markupsafe import Markup, escape

_MARKS = re.compile(r"\\([\\`*_~#+.)-])|(\*\*)|(`)")


def inline(sentence: str) -> Markup:
    """A sentence with ``**bold**``, `` `code` `` and what `markdown.escape` wrote; everything else is plain text.

    >>> inline("**lost** to a&lt;b \\\\*not bold\\\\*")
    Markup('<strong>lost</strong> to a&lt;b *not bold*')
    """
    found: list[str] = []
    opened: list[str] = []
    at = 0
    for mark in _MARKS.finditer(sentence):
        found.append(_plain(sentence[at : mark.start()]))
        at = mark.end()
        if mark[1]:
            found.append(str(escape(mark[1])))
        else:
            found.append(_toggle("strong" if mark[2] else "code", opened))
    found.append(_plain(sentence[at:]))
    found += [f"</{name}>" for name in reversed(opened)]
    return Markup("".join(found))


def _plain(text: str) -> str:
    return str(escape(html.unescape(text)))


def _toggle(name: str, opened: list[str]) -> str:
    """Open or close an element; one that is not the innermost is closed together with what it holds."""
    if name not in opened:
        opened.append(name)
        return f"<{name}>"
    closing = []
    while opened:
        closing.append(opened.pop())
        if closing[-1] == name:
            break
    return "".join(f"</{c}>" for c in closing)
