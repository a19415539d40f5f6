"""`trainwright diagnose`: a log in, what is wrong with the training out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainwright.core.errors import SpecError
from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.doctor.examine import examine
from trainwright.doctor.gradients import Gradients
from trainwright.doctor.history import Series, higher_is_better
from trainwright.doctor.logs.open import Log, open_log


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a log says of its training: the ``log`` as read, and ``findings``, the worst first.

    ``findings`` are of the training; ``log.notes`` are of the reading (what was left out, what stands for what).
    ``gradients`` are those of one batch, where they were asked for, and ``plot`` is the figure of them.
    """

    log: Log
    findings: tuple[Finding, ...]
    gradients: Gradients | None = None
    plot: Path | None = None

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
            **({} if self.gradients is None else {"gradients": self.gradients.to_json(), "plot": str(self.plot)}),
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


def diagnose_log(source: str | Path, *, run: str = "", gradients: bool = False, trust_code: bool = False) -> Diagnosis:
    """Read a log and ask every symptom; with ``gradients`` look at those of the run's network too.

    Raises:
        TrainwrightError: as `trainwright.doctor.logs.open.open_log`, and as
            `trainwright.stages.gradients.gradients_of_run`.
    """
    if gradients and not (Path(source) / "run.json").is_file():
        raise SpecError(f"gradients need a run folder of ours, with its network, and {source} is none.")
    log = open_log(source, run=run)
    findings = tuple(examine(log.history))
    if not gradients:
        return Diagnosis(log=log, findings=findings)
    from trainwright.stages.gradients import gradients_of_run

    found, plot = gradients_of_run(Path(source), trust_code=trust_code)
    return Diagnosis(log=log, findings=(*findings, *found.findings()), gradients=found, plot=plot)
