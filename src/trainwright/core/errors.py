"""Every way a command can fail, one class per exit code (DESIGN, section 3)."""

from collections.abc import Sequence
from typing import ClassVar

from trainwright.core.findings import Finding

EXIT_DONE = 0
EXIT_STOPPED_RESUMABLE = 75
EXIT_INTERRUPTED = 130


class TrainwrightError(Exception):
    """An error a user can act on.

    The message says what was required, the fact that broke it, and what to do. ``findings`` carries
    the single problems when there are several, so that a caller can list them all at once.
    """

    exit_code: int = 5
    kind: ClassVar[str] = "error"

    def __init__(self, message: str, *, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.findings = tuple(findings)


class SpecError(TrainwrightError):
    """The spec or the command line is wrong.

    ``places`` pairs dotted paths of the spec with what is wrong there, for a caller that can tell line and column.
    """

    exit_code = 2
    kind = "spec"

    def __init__(
        self, message: str, *, findings: Sequence[Finding] = (), places: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(message, findings=findings)
        self.places = tuple(places)


class CannotExport(SpecError):
    """A model cannot be written in an export format; the message says why, and what to take instead."""


class DataRefused(TrainwrightError):
    """A data guardrail says no: a leak, a broken target, too few rows."""

    exit_code = 3
    kind = "data"


class ChecksFailed(TrainwrightError):
    """The model did not pass the sanity checks that come before training."""

    exit_code = 4
    kind = "checks"


class TrainingFailed(TrainwrightError):
    """Training broke and no repair helped."""

    exit_code = 5
    kind = "training"


class VerificationFailed(TrainwrightError):
    """A hash, a repeated run or an export does not match."""

    exit_code = 6
    kind = "verification"


class ArtifactRefused(TrainwrightError):
    """An artifact is untrusted, damaged or from another version."""

    exit_code = 7
    kind = "artifact"


class ResourceMissing(TrainwrightError):
    """Disk, memory, a device, an optional package, or a run that another process holds."""

    exit_code = 8
    kind = "resource"


class Stopped(TrainwrightError):
    """The run was asked to stop and can be resumed.

    ``exit_code`` is 130 when the user pressed Ctrl-C and 75 for every other signal.
    """

    kind = "stopped"

    def __init__(self, message: str, *, by_user: bool, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message, findings=findings)
        self.by_user = by_user
        self.exit_code = EXIT_INTERRUPTED if by_user else EXIT_STOPPED_RESUMABLE


def missing_extra(module: str, extra: str) -> ResourceMissing:
    """Explain that an optional package is needed and give the exact command."""
    return ResourceMissing(f"{module} is not installed. Install it with: pip install 'trainwright[{extra}]'")
