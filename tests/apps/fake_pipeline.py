"""A small honest pipeline for the tests of the command line: it answers as the real one does, and trains nothing."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from trainwright.core.events import Evaluated, Event, Finished, Found, Started
from trainwright.core.findings import Finding, Severity
from trainwright.run.result import RunResult

if TYPE_CHECKING:
    import pandas as pd

WARNING = Finding(
    code="data.identifier",
    severity=Severity.WARNING,
    where="data.columns.id",
    what="'id' is different in every row",
    why="A model can only memorise it",
    fix="It was left out",
)
NOTE = Finding(code="task.inferred", severity=Severity.INFO, where="task", what="the target has 2 classes: binary")
LEAK = Finding(code="leak.copy", severity=Severity.ERROR, where="column y2", what="y2 is a copy of the target")


def record(*, beaten: bool = True) -> dict[str, object]:
    """A ``run.json`` as docs/run-folder.md has it, as far as the command line reads it."""
    return {
        "name": "churn",
        "status": "done",
        "task": "binary",
        "created": "2026-11-23T07:12:00Z",
        "model": {"family": "lightgbm"},
        "primary": {"name": "roc_auc", "value": 0.85, "direction": "maximize", "part": "val"},
        "intervals": {"val": {"low": 0.83, "high": 0.87, "level": 0.95}, "test": {"low": 0.8, "high": 0.86}},
        "gap": {"metric": "roc_auc", "train": 0.9, "val": 0.85, "gap": 0.05, "verdict": "Acceptable", "rule": "..."},
        "cross_validation": {"mean": {"roc_auc": 0.8456}, "std": {"roc_auc": 0.0123}},
        "baselines": [
            {"name": "dummy", "family": "dummy", "val": 0.5, "test": 0.5, "beaten": True},
            {"name": "linear", "family": "linear", "val": 0.84, "test": 0.84, "beaten": beaten},
        ],
    }


def result(
    run: Path, *, status: str = "done", beaten: bool = True, findings: Sequence[Finding] = (NOTE, WARNING)
) -> RunResult:
    """What a run came to."""
    known = record(beaten=beaten)
    return RunResult(
        status=status,
        run=run,
        metrics={"train": {"roc_auc": 0.9}, "val": {"roc_auc": 0.85}, "test": {"roc_auc": 0.8312}},
        primary={"name": "roc_auc", "value": 0.85, "direction": "maximize"},
        best_params={},
        findings=tuple(findings),
        artifacts={"model": "model/native", "report": "report.md"},
        seconds={"fit": 2.0, "total": 4.2},
        record=known,  # type: ignore[arg-type]
    )


def events() -> list[Event]:
    """A short training, as its listener hears it."""
    started = Started(stage="fit", facts={"family": "lightgbm", "rounds_limit": 200, "watch": "log_loss", "rows": 600})
    evaluated = [
        Event(step, 1.0 + step, Evaluated(metrics={"val": {"log_loss": loss}}, best=step != 20, seconds=0.01))
        for step, loss in [*((step, 1 / step) for step in range(1, 20)), (20, 0.5)]
    ]
    return [
        Event(0, 1.0, started),
        Event(0, 1.0, Found(finding=WARNING)),
        Event(0, 1.0, Found(finding=NOTE)),
        *evaluated,
        Event(20, 22.0, Finished(stage="fit", reason="early_stopping", facts={"rounds": 20, "selected": 19})),
    ]


class FakePipeline(ModuleType):
    """``trainwright.pipeline`` for a test; ``on_train`` is what training does, ``calls`` what was asked."""

    def __init__(self, on_train: Callable[[], RunResult]) -> None:
        super().__init__("trainwright.pipeline")
        self.on_train = on_train
        self.calls: list[tuple[str, Mapping[str, object]]] = []

    def train(
        self,
        spec: Path,
        *,
        overrides: Sequence[str] = (),
        out: Path | None = None,
        trust_code: bool = False,
        listener: Callable[[Event], None] | None = None,
    ) -> RunResult:
        """Tell the events, then do what the test wants."""
        self.calls.append(("train", {"spec": spec, "overrides": overrides, "out": out, "trust_code": trust_code}))
        for event in events() if listener else ():
            listener(event)
        return self.on_train()

    def schema(self) -> dict[str, object]:
        """A JSON Schema."""
        return {"type": "object", "title": "Spec – a run"}

    def families(self) -> list[dict[str, object]]:
        """One family."""
        return [{"name": "lightgbm", "summary": "boosted trees", "tasks": ["binary"], "engines": ["lightgbm"]}]

    def predict(
        self,
        run: Path,
        data: str,
        *,
        out: Path | None = None,
        interval: float | None = None,
        trust_code: bool = False,
        listener: Callable[[Event], None] | None = None,
    ) -> "PredictAnswer":
        """Three predictions."""
        import pandas as pd

        for event in events() if listener else ():
            listener(event)

        return PredictAnswer(pd.DataFrame({"prediction": [1.5, 2.5, 3.5]}), out)


class PredictAnswer:
    """What ``predict`` returns."""

    findings = ()

    def __init__(self, frame: "pd.DataFrame", path: Path | None) -> None:
        self.frame = frame
        self.rows = len(frame)
        self.path = path

    def to_json(self) -> dict[str, object]:
        """What ``--json`` prints."""
        return {"status": "ok", "rows": len(self.frame), "path": None if self.path is None else str(self.path)}
