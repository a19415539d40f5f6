"""Where words for people go: styled on a terminal, plain in a pipe, and never in the way of the work."""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Span: TypeAlias = str | tuple[str, str]
"""Some text, or a text and its Rich style: ``("done", "bold green")``."""


class Screen:
    """Writes lines for people to one stream.

    A reader that goes away (``| head``) ends the writing and not the run. Styles appear only on a terminal, and not
    when the environment has ``NO_COLOR``.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._closed = False
        self.is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # an ASCII-only or broken locale never stops a run

    def say(self, *spans: Span) -> None:
        """Write one line."""
        if self._closed:
            return
        try:
            if self.is_terminal:
                self.console.print(_styled(spans), soft_wrap=True)
            else:
                print(plain(spans), file=self._stream, flush=True)
        except BrokenPipeError:
            self._close()

    def raw(self, text: str) -> None:
        """Write text as it is, such as CSV or a JSON Schema."""
        if self._closed:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            self._close()

    def can_write(self, text: str) -> bool:
        """Whether the stream's encoding has these characters."""
        try:
            text.encode(getattr(self._stream, "encoding", None) or "utf-8")
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    @functools.cached_property
    def console(self) -> "Console":
        """Rich's console on the same stream; lines said while it draws something live appear above that."""
        from rich.console import Console

        return Console(file=self._stream, highlight=False)

    def _close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError, ValueError):  # a stream without a file has nothing to protect
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, self._stream.fileno())  # so that the flush at exit stays quiet
            os.close(devnull)


def plain(spans: tuple[Span, ...]) -> str:
    """The words without their styles."""
    return "".join(s if isinstance(s, str) else s[0] for s in spans).rstrip()


def _styled(spans: tuple[Span, ...]) -> "Text":
    from rich.text import Text

    return Text.assemble(*spans)


@contextlib.contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """While this holds, whatever prints to standard output, native libraries included, writes to standard error.

    It keeps the promise of ``--json``: standard output is one JSON object and nothing else.
    """
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
