"""What was noticed in rows that came block by block, as if they had come at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from trainwright.core.drift import FEW_ROWS, LARGE, MODERATE, compare_counts
from trainwright.core.findings import Finding, Severity
from trainwright.data.conform import UNSEEN, unseen_finding
from trainwright.data.profile import Profile

if TYPE_CHECKING:
    import pandas as pd

_MOST_EXAMPLES = 20


@dataclass(slots=True)
class Noticed:
    """Findings of all blocks, and counts for drift where there is a profile of the training rows."""

    profile: Profile | None
    rows: int = 0
    _first: dict[tuple[str, str], Finding] = field(default_factory=dict)
    _repeats: dict[tuple[str, str], int] = field(default_factory=dict)
    _unseen: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    _counts: list[list[int]] = field(default_factory=list)

    def take(self, frame: "pd.DataFrame", findings: Iterable[Finding]) -> None:
        """A block of canonical rows, and what reading and conforming said of it."""
        self.rows += len(frame)
        self.hear(findings)
        if self.profile is not None:
            counted = [c.tolist() for c in self.profile.count(frame)]
            before = self._counts or [[0] * len(one) for one in counted]
            self._counts = [[a + b for a, b in zip(x, y, strict=True)] for x, y in zip(before, counted, strict=True)]

    def hear(self, findings: Iterable[Finding]) -> None:
        """What was said of a block, each thing once."""
        for finding in findings:
            key = (finding.code, finding.where)
            if finding.code == UNSEEN:
                self._take_unseen(finding)
            elif key in self._first:
                self._repeats[key] = self._repeats.get(key, 0) + 1
            else:
                self._first[key] = finding

    def _take_unseen(self, finding: Finding) -> None:
        count, examples = self._unseen.get(finding.where, (0, []))
        more, values = finding.evidence.get("examples"), finding.evidence.get("values")
        new = [str(e) for e in more if str(e) not in examples] if isinstance(more, list) else []
        self._unseen[finding.where] = (count + int(str(values)), [*examples, *new][:_MOST_EXAMPLES])

    def findings(self) -> tuple[Finding, ...]:
        """Everything, each once."""
        found = []
        for key, finding in self._first.items():
            again = self._repeats.get(key, 0)
            more = f" (the first of {again + 1} blocks of rows with it)" if again else ""
            found.append(replace(finding, what=finding.what + more))
        found += [unseen_finding(name, n, self.rows, examples) for name, (n, examples) in self._unseen.items()]
        return (*found, *self._drift())

    def _drift(self) -> list[Finding]:
        if self.profile is None or not self._counts:
            return []
        expected = self.profile.counts.get("train", ())
        if self.rows < FEW_ROWS or not expected:
            what = f"{self.rows} rows are too few to compare with training"
            return [_note("drift.not_checked", what, f"Fewer than {FEW_ROWS} are not compared.")]
        return _moved(self.profile, expected, self._counts)


def _moved(profile: Profile, expected: Sequence[Sequence[int]], counts: Sequence[Sequence[int]]) -> list[Finding]:
    found = []
    for column, before, now in zip(profile.columns, expected, counts, strict=True):
        drift = compare_counts(before, now, columns=len(profile.columns))
        if drift.verdict not in ("moderate", "large"):
            continue
        found.append(
            Finding(
                code="drift.column",
                severity=Severity.WARNING if drift.verdict == "large" else Severity.INFO,
                where=column.name,
                what=f"distributed otherwise than in training: PSI {drift.psi:.3f} ({drift.verdict})",
                why=f"Above {MODERATE} is moderate, above {LARGE} large; chance alone reaches {drift.limit:.3f} here.",
                fix="Look whether the column still means the same, and whether the scores still hold",
                evidence={"psi": drift.psi, "limit": drift.limit, "rows": drift.rows, "bins": list(now)},
            )
        )
    return found


def _note(code: str, what: str, why: str) -> Finding:
    return Finding(code=code, severity=Severity.INFO, where="rows", what=what, why=why)
