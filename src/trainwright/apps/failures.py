"""Every way a command ends badly, in one shape: for people on standard error, or as one JSON object."""

import errno
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainwright.apps.screen import Screen
from trainwright.core.errors import EXIT_INTERRUPTED, Stopped, TrainwrightError
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue

_SHOWN = 20  # assumption: a screenful; every finding is in the JSON
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # the disk, a quota, or a limit on files is reached
_MARKS = {Severity.ERROR: ("✗ ", "bold red"), Severity.WARNING: ("! ", "yellow"), Severity.INFO: ("· ", "dim")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong, ready to be told. ``status`` is ``error``, or ``stopped`` when the run can be resumed."""

    kind: str
    message: str
    exit_code: int
    findings: tuple[Finding, ...] = ()
    status: str = "error"

    def to_json(self) -> Mapping[str, JsonValue]:
        """The object that ``--json`` prints in place of a result."""
        error: dict[str, JsonValue] = {
            "kind": self.kind,
            "message": self.message,
            "findings": [f.to_json() for f in self.findings],
        }
        return {"status": self.status, "exit_code": self.exit_code, "error": error}

    def render(self, screen: Screen) -> None:
        """The same for people."""
        style = "bold yellow" if self.status == "stopped" else "bold red"
        screen.say((f"{self.status}: ", style), self.message)
        told = [f for f in self.findings if f.sentence() not in self.message and f.what not in self.message]
        say_findings(screen, told, limit=_SHOWN)


def say_findings(screen: Screen, findings: Sequence[Finding], *, limit: int) -> None:
    """Findings a line each, worst first; those beyond the limit are counted."""
    order = (Severity.ERROR, Severity.WARNING, Severity.INFO)
    ranked = sorted(findings, key=lambda f: order.index(f.severity))
    for finding in ranked[:limit]:
        screen.say("  ", _MARKS[finding.severity], finding.sentence(), (f"  [{finding.code}]", "dim"))
    if len(ranked) > limit:
        screen.say((f"  … and {len(ranked) - limit} more, in the report and with --json", "dim"))


def from_error(error: TrainwrightError) -> Failure:
    """An error that a user can act on."""
    return Failure(
        kind=error.kind,
        message=error.message,
        exit_code=error.exit_code,
        findings=error.findings,
        status="stopped" if isinstance(error, Stopped) else "error",
    )


def usage(message: str) -> Failure:
    """The command line itself is wrong."""
    return Failure(kind="usage", message=message, exit_code=2)


def interrupted() -> Failure:
    """Ctrl-C before there was a run to keep."""
    return Failure(
        kind="stopped",
        message="interrupted before a run existed; nothing was written, start again when you like",
        exit_code=EXIT_INTERRUPTED,
        status="stopped",
    )


def unexpected(error: Exception) -> Failure:
    """Anything nobody foresaw: a full disk and missing memory by name, the rest as a bug of ours."""
    if isinstance(error, MemoryError):
        return Failure(
            kind="resource",
            message="out of memory. Free some, or train on fewer rows or columns (data.columns.ignore).",
            exit_code=8,
        )
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        where = f" while writing {error.filename}" if error.filename else ""
        return Failure(kind="resource", message=f"no space left on the disk{where}. Free some and resume.", exit_code=8)
    return Failure(kind="internal", message=_bug(error), exit_code=5)


def _bug(error: Exception) -> str:
    said = f"internal error: {type(error).__name__}: {error}. This is a bug in Trainwright; please report it"
    text = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="trainwright-error-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)
    except OSError:
        return f"{said}. Its traceback could not be saved; `trainwright --debug ...` shows it."
    return f"{said} with {file.name}, or run again with `trainwright --debug ...` to see the traceback."
