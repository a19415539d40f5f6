"""A Finding: one thing somebody should know, with its evidence and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from trainwright.core.jsonable import JsonValue, to_json


class Severity(StrEnum):
    """How much a finding matters. An ``ERROR`` stops the stage that found it."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found, where, why it matters, and the fix.

    ``code`` is stable and lower-case with dots (``leak.target_copy``); ``where`` names a column, a file
    position or a stage; ``evidence`` holds the numbers behind the sentence.
    """

    code: str
    severity: Severity
    where: str
    what: str
    why: str = ""
    fix: str = ""
    evidence: Mapping[str, JsonValue] = field(default_factory=dict)

    def to_json(self) -> dict[str, JsonValue]:
        """The finding as JSON values."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "where": self.where,
            "what": self.what,
            "why": self.why,
            "fix": self.fix,
            "evidence": to_json(self.evidence),
        }

    def sentence(self) -> str:
        """One line for people: where, what, why, fix."""
        first = f"{self.where}: {self.what}" if self.where else self.what
        parts = [first, *(text[:1].upper() + text[1:] for text in (self.why, self.fix))]
        return " ".join(p if p.endswith((".", "!", "?", ":")) else f"{p}." for p in parts if p)


def finding_from_json(value: Mapping[str, JsonValue]) -> Finding:
    """Read back what `Finding.to_json` wrote."""
    evidence = value.get("evidence")
    return Finding(
        code=str(value["code"]),
        severity=Severity(str(value["severity"])),
        where=str(value.get("where", "")),
        what=str(value.get("what", "")),
        why=str(value.get("why", "")),
        fix=str(value.get("fix", "")),
        evidence=evidence if isinstance(evidence, Mapping) else {},
    )
