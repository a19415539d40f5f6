"""resolved.yaml as lines: what was set, and where each value came from."""

from dataclasses import dataclass
from pathlib import Path

_ORIGIN = "  # "


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the resolved spec without its comment; ``origin`` is empty for lines that open a section."""

    text: str
    origin: str

    @property
    def chosen(self) -> bool:
        """Whether somebody or something set the value: it is no default."""
        return bool(self.origin) and not self.origin.endswith("default")


def configuration(run: Path) -> tuple[Line, ...]:
    """The lines of ``resolved.yaml``; none where the run has no such file."""
    path = run / "resolved.yaml"
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(_line(line) for line in lines if line.strip() and not line.startswith("#"))


def _line(line: str) -> Line:
    value, mark, origin = line.rpartition(_ORIGIN)
    return Line(value, origin) if mark else Line(line, "")
