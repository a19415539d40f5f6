"""What a check leaves: a verdict, what it looked at and saw, and its findings."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from trainwright.core.errors import ChecksFailed, DataRefused, ResourceMissing, TrainwrightError
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue

Group: TypeAlias = Literal["data", "model", "plan", "environment"]


class Verdict(StrEnum):
    """How a check ended. A leak check ends in `LEAK`, `CLEAN`, `WARNING` (a suspicion) or `NOT_CHECKED`."""

    OK = "ok"
    CLEAN = "clean"
    LEAK = "leak"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check.

    ``saw`` says what was looked at and seen, with numbers; for `Verdict.NOT_CHECKED` it says why. ``lifted`` means that
    the spec lifted the check: it ran, and its errors block nothing.
    """

    name: str
    group: Group
    verdict: Verdict
    saw: str
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    lifted: bool = False

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop the run; none when the check was lifted."""
        return () if self.lifted else tuple(f for f in self.findings if f.severity is Severity.ERROR)

    def to_json(self) -> dict[str, JsonValue]:
        """One entry of ``checks.json``."""
        return {
            "name": self.name,
            "group": self.group,
            "verdict": self.verdict.value,
            "saw": self.saw,
            "findings": [f.to_json() for f in self.findings],
            "seconds": round(self.seconds, 3),
            "lifted": self.lifted,
        }


def leak_result(name: str, saw: str, findings: Iterable[Finding]) -> CheckResult:
    """The result of a leak check: an error is a leak, a warning a suspicion, anything less is clean."""
    return _result(name, "data", saw, tuple(findings), good=Verdict.CLEAN, bad=Verdict.LEAK)


def plain_result(name: str, group: Group, saw: str, findings: Iterable[Finding] = ()) -> CheckResult:
    """The result of any other check: an error is a failure."""
    return _result(name, group, saw, tuple(findings), good=Verdict.OK, bad=Verdict.FAILED)


def not_checked(name: str, group: Group, why: str) -> CheckResult:
    """A check that could not look, and why: never to be read as clean."""
    return CheckResult(name=name, group=group, verdict=Verdict.NOT_CHECKED, saw=why)


def raise_if_blocked(results: Iterable[CheckResult]) -> None:
    """Stop when a check that was not lifted found an error.

    Raises:
        DataRefused: a data check found one; it wins over the others.
        ResourceMissing: an environment check found one.
        ChecksFailed: a model or plan check found one.
    """
    blocked = [(r.group, f) for r in results for f in r.errors]
    order: tuple[tuple[set[str], type[TrainwrightError], str], ...] = (
        ({"data"}, DataRefused, "the data was refused"),
        ({"environment"}, ResourceMissing, "a resource is missing"),
        ({"model", "plan"}, ChecksFailed, "the checks before training failed"),
    )
    for groups, error, headline in order:
        findings = [f for group, f in blocked if group in groups]
        if findings:
            lines = "\n".join(f"- {f.sentence()}" for f in findings)
            raise error(f"{headline}:\n{lines}", findings=findings)


def _result(
    name: str, group: Group, saw: str, findings: tuple[Finding, ...], *, good: Verdict, bad: Verdict
) -> CheckResult:
    severities = {f.severity for f in findings}
    verdict = bad if Severity.ERROR in severities else Verdict.WARNING if Severity.WARNING in severities else good
    return CheckResult(name=name, group=group, verdict=verdict, saw=saw, findings=findings)
