"""Everything a document may say about a run, read from its folder and from nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainwright.core.findings import Finding, finding_from_json
from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import Task
from trainwright.report.curves import TrainingLog, read_log
from trainwright.report.predictions import Predictions, read_predictions
from trainwright.report.reading import (
    finite,
    items,
    json_lines,
    mapping,
    number,
    numbers,
    objects,
    optional_json,
    text,
    whole,
)
from trainwright.report.trials import SearchFact, read_search
from trainwright.run.files import read_json
from trainwright.run.folder import open_run

PARTS = ("train", "val", "test")
PART_NAMES = {"train": "Training", "val": "Validation", "test": "Test", "oof": "Out of fold"}

_SOURCES = {
    "record": "run.json",
    "model": "run.json (model)",
    "metrics": "run.json (metrics), computed from predictions/*.parquet",
    "intervals": "run.json (intervals)",
    "prediction_intervals": "run.json (prediction_intervals), data/prediction_intervals.json",
    "gap": "run.json (gap)",
    "repairs": "run.json (repairs)",
    "data": "run.json (data), data/schema.json",
    "columns": "data/schema.json",
    "seconds": "run.json (seconds)",
    "digests": "run.json (digests)",
    "determinism": "run.json (determinism)",
    "test_openings": "run.json (test_openings)",
    "params": "run.json (best_params, model.params)",
    "search": "search/summary.json, search/trials.jsonl",
    "log": "training_log.jsonl",
    "checks": "checks.json",
    "baselines": "run.json (baselines), baselines.json",
    "cross_validation": "cross_validation.json, predictions/oof.parquet",
    "environment": "environment.json",
    "predictions": "predictions/*.parquet",
    "findings": "run.json (findings)",
    "profile": "data/profile.json",
    "files": "the folder's own listing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFact:
    """One entry of ``checks.json``."""

    name: str
    group: str
    verdict: str
    saw: str
    seconds: float | None
    lifted: bool
    findings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineFact:
    """A baseline's primary metric on validation and, where there is one, test rows; ``beaten`` None when unknown."""

    name: str
    rows: int | None
    val: float | None
    test: float | None
    beaten: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldFact:
    """One fold of the cross-validation."""

    number: int
    rows: int | None
    rounds: int | None
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidationFact:
    """The cross-validation: folds, and mean and standard deviation (n - 1) of every metric."""

    strategy: str
    folds: tuple[FoldFact, ...]
    mean: Mapping[str, float]
    std: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFact:
    """One column of the data as ``data/schema.json`` describes it."""

    name: str
    kind: str
    role: str
    missing: int | None
    distinct: int | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFact:
    """Primary metric on training and validation rows, the difference, the verdict and its rule."""

    metric: str
    train: float | None
    val: float | None
    gap: float | None
    verdict: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFact:
    """A file of the run: path relative to the run folder, and its size."""

    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """A run, as its folder tells it. ``record`` is ``run.json``; what has its own field is read through that."""

    run: Path
    record: Mapping[str, JsonValue]
    environment: Mapping[str, JsonValue]
    task: Task
    classes: tuple[str, ...]
    metrics: Mapping[str, Mapping[str, float]]
    checks: tuple[CheckFact, ...]
    baselines: tuple[BaselineFact, ...]
    cross_validation: CrossValidationFact | None
    columns: tuple[ColumnFact, ...]
    gap: GapFact | None
    log: TrainingLog
    predictions: Mapping[str, Predictions]
    files: tuple[FileFact, ...]
    findings: tuple[Finding, ...]
    search: SearchFact | None = None
    profile: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The run's name as the spec gave it."""
        return text(self.record.get("name"), self.run.name)

    @property
    def model(self) -> Mapping[str, JsonValue]:
        """The ``model`` entry of the record."""
        return mapping(self.record.get("model"))

    @property
    def primary(self) -> str:
        """Name of the primary metric; empty when the run did not come that far."""
        return text(mapping(self.record.get("primary")).get("name"))

    @property
    def higher_is_better(self) -> bool:
        """Direction of the primary metric."""
        return text(mapping(self.record.get("primary")).get("direction")) != "minimize"

    @property
    def target(self) -> str:
        """What is predicted, as the user wrote it."""
        target = mapping(self.record.get("target"))
        return text(target.get("expression")) or text(target.get("name"), "unknown")

    def rows(self, part: str) -> int | None:
        """Rows of a part."""
        return whole(mapping(mapping(self.record.get("data")).get("rows")).get(part))

    def metric(self, part: str, name: str | None = None) -> float | None:
        """A metric of a part (default: the primary one)."""
        return self.metrics.get(part, {}).get(name or self.primary)

    def interval(self, part: str) -> tuple[float, float, float] | None:
        """Low, high and level of the primary metric's bootstrap interval."""
        found = mapping(mapping(self.record.get("intervals")).get(part))
        low, high, level = finite(found.get("low")), finite(found.get("high")), finite(found.get("level"))
        return None if low is None or high is None else (low, high, level or 0.95)

    @property
    def fit_stage(self) -> str:
        """The stage that trained the delivered model."""
        return _fit_stage(self.record)

    def seconds(self, stage: str) -> float | None:
        """Seconds of a stage, or ``total``."""
        return finite(mapping(self.record.get("seconds")).get(stage))

    def stage_seconds(self) -> dict[str, float]:
        """Seconds of every stage before the documents, in the order in which they ran."""
        spent = numbers(self.record.get("seconds"))
        order = [text(stage.get("name")) for stage in objects(self.record.get("stages"))]
        names = [*(n for n in order if n in spent), *(n for n in spent if n not in order)]
        return {n: spent[n] for n in names if n not in ("total", "report")}

    def source(self, path: str) -> str:
        """The file that holds a number: ``source("metrics.val.roc_auc")``.

        Raises:
            KeyError: no document may use a number of that name.
        """
        return _SOURCES[path.split(".", 1)[0]]

    def held_out(self) -> Predictions | None:
        """Predictions on rows the model was not fitted on: test rows, else validation rows."""
        return self.predictions.get("test") or self.predictions.get("val")

    @property
    def losing(self) -> tuple[BaselineFact, ...]:
        """Baselines the model does not beat on validation rows."""
        return tuple(b for b in self.baselines if b.beaten is False)


def gather(run: Path) -> Facts:
    """Read a run folder. Files a run did not get to are taken as absent; damaged ones are refused.

    Raises:
        ArtifactRefused: there is no run in the folder, or a file of it is damaged.
    """
    record = read_json(open_run(run).record)
    target = mapping(record.get("target"))
    classes = tuple(text(c) for c in items(target.get("classes")))
    found = {part: read_predictions(run / "predictions", part, classes) for part in (*PARTS, "oof")}
    return Facts(
        run=run,
        record=record,
        environment=optional_json(run / "environment.json"),
        task=_task(record, classes),
        classes=classes,
        metrics={part: numbers(values) for part, values in mapping(record.get("metrics")).items()},
        checks=_checks(optional_json(run / "checks.json")),
        baselines=_baselines(record, optional_json(run / "baselines.json")),
        cross_validation=_cross_validation(optional_json(run / "cross_validation.json")),
        columns=_columns(optional_json(run / "data" / "schema.json")),
        gap=_gap(mapping(record.get("gap"))),
        log=read_log(json_lines(run / "training_log.jsonl"), stage=_fit_stage(record)),
        predictions={part: p for part, p in found.items() if p is not None},
        files=list_files(run),
        findings=tuple(finding_from_json(f) for f in objects(record.get("findings"))),
        search=read_search(run),
        profile=optional_json(run / "data" / "profile.json"),
    )


def _fit_stage(record: Mapping[str, JsonValue]) -> str:
    """The stage that trained the delivered model: ``fit``, or another where a simpler family was chosen after it."""
    return text(mapping(record.get("model")).get("stage")) or "fit"


def list_files(run: Path) -> tuple[FileFact, ...]:
    """All files of a run, sorted; hidden ones (locks, temporary files, scratch) are left out."""
    found = []
    for path in sorted(run.rglob("*")):
        relative = path.relative_to(run)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            found.append(FileFact(path=relative.as_posix(), size=path.stat().st_size))
    return tuple(found)


def _task(record: Mapping[str, JsonValue], classes: tuple[str, ...]) -> Task:
    named = text(record.get("task"))
    if named in {task.value for task in Task}:
        return Task(named)
    return Task.REGRESSION if not classes else Task.BINARY if len(classes) == 2 else Task.MULTICLASS


def _checks(stored: Mapping[str, JsonValue]) -> tuple[CheckFact, ...]:
    return tuple(
        CheckFact(
            name=text(c.get("name")),
            group=text(c.get("group")),
            verdict=text(c.get("verdict")),
            saw=text(c.get("saw")),
            seconds=finite(c.get("seconds")),
            lifted=c.get("lifted") is True,
            findings=len(items(c.get("findings"))),
        )
        for c in objects(stored.get("checks"))
    )


def _baselines(record: Mapping[str, JsonValue], stored: Mapping[str, JsonValue]) -> tuple[BaselineFact, ...]:
    """The record's list has test scores and verdicts; ``baselines.json`` stands in for runs that ended before."""
    listed = objects(record.get("baselines")) or objects(stored.get("baselines"))
    return tuple(
        BaselineFact(
            name=text(b.get("name")),
            rows=whole(b.get("rows")),
            val=number(b.get("val")),
            test=number(b.get("test")),
            beaten=beaten if isinstance(beaten := b.get("beaten"), bool) else None,
        )
        for b in listed
    )


def _cross_validation(stored: Mapping[str, JsonValue]) -> CrossValidationFact | None:
    if not stored:
        return None
    folds = tuple(
        FoldFact(
            number=whole(f.get("fold")) or 0,
            rows=whole(f.get("rows")),
            rounds=whole(f.get("rounds")),
            metrics=numbers(f.get("metrics")),
        )
        for f in objects(stored.get("folds"))
    )
    return CrossValidationFact(
        strategy=text(stored.get("strategy")),
        folds=folds,
        mean=numbers(stored.get("mean")),
        std=numbers(stored.get("std")),
    )


def _columns(stored: Mapping[str, JsonValue]) -> tuple[ColumnFact, ...]:
    return tuple(
        ColumnFact(
            name=text(c.get("name")),
            kind=text(c.get("kind")),
            role=text(c.get("role")),
            missing=whole(c.get("missing")),
            distinct=whole(c.get("distinct")),
            why=text(c.get("why")),
        )
        for c in objects(stored.get("columns"))
    )


def _gap(stored: Mapping[str, JsonValue]) -> GapFact | None:
    if not stored:
        return None
    return GapFact(
        metric=text(stored.get("metric")),
        train=finite(stored.get("train")),
        val=finite(stored.get("val")),
        gap=finite(stored.get("gap")),
        verdict=text(stored.get("verdict")),
        rule=text(stored.get("rule")),
    )
