"""`trainwright diagnose`: a log in, what is wrong with the training out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.doctor.examine import examine
from trainwright.doctor.history import Series, higher_is_better
from trainwright.doctor.logs.open import Log, open_log


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a log says of its training: the ``log`` as read, and ``findings``, the worst first.

    ``findings`` are of the training; ``log.notes`` are of the reading (what was left out, what stands for what).
    """

    log: Log
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """What ``trainwright diagnose --json`` prints."""
        return {
            "status": "ok",
            "log": str(self.log.path),
            "format": self.log.format,
            "axis": self.log.axis,
            "curves": {name: self._curve(name, series) for name, series in sorted(self.log.history.series.items())},
            "findings": [f.to_json() for f in self.findings],
            "notes": [f.to_json() for f in self.log.notes],
        }

    def _curve(self, name: str, series: Series) -> Mapping[str, JsonValue]:
        finite = [(v, s) for s, v in zip(series.steps, series.values, strict=True) if math.isfinite(v)]
        pick = max if higher_is_better(name.rsplit(".", 1)[-1]) else min
        best = pick(finite, key=lambda pair: pair[0], default=None)
        return {
            "name_in_log": self.log.names.get(name, name),
            "points": len(series.values),
            "non_finite": len(series.values) - len(finite),
            "first_step": series.steps[0] if series.steps else None,
            "last_step": series.steps[-1] if series.steps else None,
            "first": to_json(series.values[0]) if series.values else None,
            "last": to_json(series.values[-1]) if series.values else None,
            "best": None if best is None else best[0],
            "best_step": None if best is None else best[1],
        }


def diagnose_log(source: str | Path, *, run: str = "") -> Diagnosis:
    """Read a log and ask every symptom.

    Raises:
        SpecError, ArtifactRefused, ResourceMissing: as `trainwright.doctor.logs.open.open_log`.
    """
    log = open_log(source, run=run)
    return Diagnosis(log=log, findings=tuple(examine(log.history)))
