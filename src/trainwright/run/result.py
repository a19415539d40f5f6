"""What a run came to: the value every command returns and ``--json`` prints."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainwright.core.findings import Finding, Severity, finding_from_json
from trainwright.core.jsonable import JsonValue
from trainwright.run.files import read_json
from trainwright.run.folder import open_run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The headline of a run, read from its ``run.json``."""

    status: str
    run: Path
    metrics: Mapping[str, Mapping[str, float]]
    primary: Mapping[str, JsonValue]
    best_params: Mapping[str, JsonValue]
    findings: tuple[Finding, ...]
    artifacts: Mapping[str, str]
    seconds: Mapping[str, float]
    record: Mapping[str, JsonValue]

    def to_json(self) -> dict[str, JsonValue]:
        """Exactly the object that ``--json`` prints."""
        return {
            "status": self.status,
            "run": str(self.run),
            "metrics": {part: dict(values) for part, values in self.metrics.items()},
            "primary": dict(self.primary),
            "best_params": dict(self.best_params),
            "findings": [f.to_json() for f in self.findings],
            "artifacts": dict(self.artifacts),
            "seconds": dict(self.seconds),
        }


def read_result(run: Path) -> RunResult:
    """Read the result of a run from its folder.

    Raises:
        ArtifactRefused: the folder holds no run, or its record is damaged.
    """
    record = read_json(open_run(run).record)
    metrics = _mapping(record.get("metrics"))
    return RunResult(
        status=str(record.get("status", "running")),
        run=run,
        metrics={p: {k: _number(v) for k, v in _mapping(m).items()} for p, m in metrics.items()},
        primary=_mapping(record.get("primary")),
        best_params=_mapping(record.get("best_params")),
        findings=tuple(finding_from_json(_mapping(f)) for f in _sequence(record.get("findings"))),
        artifacts={k: str(v) for k, v in _mapping(record.get("artifacts")).items()},
        seconds={k: _number(v) for k, v in _mapping(record.get("seconds")).items()},
        record=record,
    )


def damaged_result(run: Path, why: str) -> RunResult:
    """What can be said of a run whose record cannot be read."""
    finding = Finding(code="run.damaged", severity=Severity.ERROR, where=str(run), what=why)
    return RunResult(
        status="damaged",
        run=run,
        metrics={},
        primary={},
        best_params={},
        findings=(finding,),
        artifacts={},
        seconds={},
        record={},
    )


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: JsonValue) -> list[JsonValue]:
    return list(value) if isinstance(value, list) else []


def _number(value: JsonValue) -> float:
    return float(value) if isinstance(value, int | float | str) else float("nan")
