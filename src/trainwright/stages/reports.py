"""What commands return: small frozen values with ``to_json``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue
from trainwright.run.result import RunResult

if TYPE_CHECKING:
    import pandas as pd

    from trainwright.checks.contract import CheckResult
    from trainwright.fit.exports.make import Made
    from trainwright.fit.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """All checks of a spec and its data, none of which blocks."""

    checks: "tuple[CheckResult, ...]"
    findings: tuple[Finding, ...]
    plan: "Plan"

    @property
    def forecast_s(self) -> float | None:
        """The estimated seconds of training, where the cost check made an estimate."""
        for finding in self.findings:
            value = finding.evidence.get("forecast_s")
            if isinstance(value, int | float):
                return float(value)
        return None

    def to_json(self) -> dict[str, JsonValue]:
        """What ``trainwright check --json`` prints."""
        return {
            "status": "ok",
            "checks": [c.to_json() for c in self.checks],
            "findings": [f.to_json() for f in self.findings],
            "forecast_s": self.forecast_s,
            "model": {
                "family": self.plan.model.family,
                "engine": self.plan.model.engine,
                "params": dict(self.plan.model.params),
                "metric": self.plan.primary.name,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class InitResult:
    """A spec that was written for a data file."""

    path: Path
    text: str
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """What ``trainwright init --json`` prints."""
        return {
            "status": "ok",
            "spec": str(self.path),
            "text": self.text,
            "findings": [f.to_json() for f in self.findings],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictResult:
    """Predictions for a table: one row per input row, in input order."""

    frame: "pd.DataFrame"
    path: Path | None
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """What ``trainwright predict --json`` prints."""
        return {
            "status": "ok",
            "rows": len(self.frame),
            "columns": [str(c) for c in self.frame.columns],
            "path": None if self.path is None else str(self.path),
            "findings": [f.to_json() for f in self.findings],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """Exports of a run that were made and proved; ``artifacts`` lists all that the run has."""

    run: Path
    made: "tuple[Made, ...]"
    artifacts: Mapping[str, str]

    def to_json(self) -> dict[str, JsonValue]:
        """What ``trainwright export --json`` prints."""
        return {
            "status": "ok",
            "run": str(self.run),
            "exports": {one.name: dict(one.entry) for one in self.made},
            "artifacts": dict(self.artifacts),
            "findings": [f.to_json() for one in self.made for f in one.findings],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportResult:
    """Documents that were written."""

    paths: tuple[Path, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """What ``trainwright report --json`` prints."""
        return {
            "status": "ok",
            "paths": [str(p) for p in self.paths],
            "findings": [f.to_json() for f in self.findings],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchWorkerResult:
    """What a worker of a shared search did: trials by how they ended."""

    run: Path
    states: Mapping[str, int]

    def to_json(self) -> dict[str, JsonValue]:
        """What ``trainwright search-worker --json`` prints."""
        return {"status": "ok", "run": str(self.run), "trials": sum(self.states.values()), "states": dict(self.states)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsList:
    """Runs below a folder, newest first."""

    rows: tuple[RunResult, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """What ``trainwright runs --json`` prints."""
        return {"status": "ok", "runs": [_headline(r) for r in self.rows]}


def _headline(result: RunResult) -> dict[str, JsonValue]:
    model = result.record.get("model")
    return {
        "run": str(result.run),
        "name": str(result.record.get("name", "")),
        "status": result.status,
        "created": result.record.get("created"),
        "family": model.get("family") if isinstance(model, Mapping) else None,
        "primary": dict(result.primary),
        "seconds": result.seconds.get("total"),
    }
