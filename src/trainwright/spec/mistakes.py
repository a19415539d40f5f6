"""A mistake in a spec, where it stands, and the one error that lists them all."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from trainwright.core.errors import SpecError
from trainwright.core.findings import Finding, Severity

Origin: TypeAlias = Literal["given", "override", "document"]

_ORDER: tuple[Origin, ...] = ("given", "document", "override")
# More than a person reads at once; a broken generator can make a hundred thousand (assumption).
_MOST_LISTED = 100
_LONGEST_PATH = 200  # characters of a dotted path in a message (assumption, as above)
_LONGEST_SHOWN = 60  # characters of a value in a message (assumption: one line stays readable)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written: ``spec.yaml:3:5``, the override ``-o seed=1``, or ``document.md:41:3``."""

    where: str
    origin: Origin = "given"
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing to correct: the dotted path, what is wrong with it, and how to write it.

    ``code`` ends the finding's code ``spec.<code>``.
    """

    path: str
    what: str
    fix: str = ""
    place: Place
    code: str = "value"

    def line(self) -> str:
        """``spec.yaml:3:5: training.rounds: what. Fix.``"""
        return f"{self.place.where}: {self.sentence()}"

    def sentence(self) -> str:
        """The path, what is wrong and the fix, without the place."""
        parts = [self._where_and_what(), self.fix]
        return " ".join(p if p.endswith((".", "!", "?")) else f"{p}." for p in parts if p)

    def finding(self) -> Finding:
        """The mistake for lists and JSON."""
        return Finding(
            code=f"spec.{self.code}",
            severity=Severity.ERROR,
            where=self.place.where,
            what=self._where_and_what(),
            fix=self.fix,
            evidence={"path": self._short_path()},
        )

    def _where_and_what(self) -> str:
        return f"{self._short_path()}: {self.what}" if self.path else self.what

    def _short_path(self) -> str:
        one_line = self.path if self.path.isprintable() else repr(self.path)[1:-1]
        return one_line if len(one_line) <= _LONGEST_PATH else f"{one_line[: _LONGEST_PATH - 3]}..."


def spec_error(mistakes: Iterable[Mistake]) -> SpecError:
    """One error for all mistakes, in the order of the file, then of the document, overrides last."""
    unique = list(dict.fromkeys(mistakes))
    ordered = sorted(unique, key=lambda m: (_ORDER.index(m.place.origin), m.place.line, m.place.column))
    lines = [m.line() for m in ordered[:_MOST_LISTED]]
    if len(ordered) > _MOST_LISTED:
        lines.append(f"... and {len(ordered) - _MOST_LISTED} more mistakes.")
    return SpecError("\n".join(lines), findings=[m.finding() for m in ordered[:_MOST_LISTED]])


def shown(value: object) -> str:
    """A value in one short line, as YAML spells it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value) if isinstance(value, int | float) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like this one, if any is like it."""
    if len(name) > _LONGEST_SHOWN:
        return None
    names = list(known)
    lowered = {n.lower(): n for n in names}
    found = difflib.get_close_matches(name.lower(), lowered, n=1)
    return lowered[found[0]] if found else None
