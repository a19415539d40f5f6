"""What commands return: small frozen values with ``to_json``."""

import json
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
    """Predictions for a table: one row per input row, in input order.

    ``largest_block`` is the most rows that were held at once; ``kept`` the predictions, where no file was asked for.
    """

    rows: int
    columns: tuple[str, ...]
    path: Path | None
    findings: tuple[Finding, ...]
    largest_block: int
    kept: "pd.DataFrame | None" = None

    @property
    def frame(self) -> "pd.DataFrame":
        """The predictions; where they were written to a file, as that file reads now."""
        if self.kept is not None:
            return self.kept
        import pandas as pd

        assert self.path is not None
        if self.path.suffix == ".parquet":
            return pd.read_parquet(self.path)
        if self.path.suffix == ".jsonl":
            with self.path.open(encoding="utf-8") as lines:
                return pd.DataFrame([json.loads(line) for line in lines])
        return pd.read_csv(self.path)

    def to_json(self) -> dict[str, JsonValue]:
        """What ``trainwright predict --json`` prints."""
        return {
            "status": "ok",
            "rows": self.rows,
            "columns": list(self.columns),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """A training that gave the same bytes again. ``run`` is its folder where it was kept."""

    run: Path | None
    files: int
    level: str
    notes: str

    def to_json(self) -> dict[str, JsonValue]:
        """The ``retrain`` entry of ``trainwright verify --json``."""
        kept = None if self.run is None else str(self.run)
        return {"run": kept, "files": self.files, "level": self.level, "notes": self.notes}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """A folder whose files are what was recorded.

    ``kind`` is ``run`` or ``handoff``; ``elsewhere`` counts files of the run that a hand-off alone does not hold;
    ``signed_by`` is the public key (hex) whose signature was checked; ``signed_with`` the one it was signed with now.
    """

    folder: Path
    kind: str
    files: int
    bytes: int
    elsewhere: int
    signed_by: str | None
    findings: tuple[Finding, ...]
    signed_with: str | None = None
    retrain: Repetition | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """What ``trainwright verify --json`` prints."""
        return {
            "status": "verified",
            "folder": str(self.folder),
            "kind": self.kind,
            "files": self.files,
            "bytes": self.bytes,
            "elsewhere": self.elsewhere,
            "signed_by": self.signed_by,
            "signed_with": self.signed_with,
            "retrain": None if self.retrain is None else self.retrain.to_json(),
            "findings": [f.to_json() for f in self.findings],
        }
