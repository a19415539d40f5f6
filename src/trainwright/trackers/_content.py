"""What trackers are told beside points: read from the run folder alone."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainwright.core.secrets import hidden
from trainwright.run.files import read_json
from trainwright.run.folder import RunFolder
from trainwright.spec.tree import read_document
from trainwright.trackers._points import Points, final_metrics
from trainwright.trackers.contract import DataFacts, Description, Package, Point, TrackedRun, TrialRun

_USES = {"train": "training", "val": "validation", "test": "test"}
_DOCUMENTS = ("report.md", "report.html", "model_card.md", "run.json", "checks.json", "resolved.yaml", "spec.yaml")
_DOCUMENTS_MORE = ("environment.json", "training_log.jsonl", "cross_validation.json", "search/summary.json")
_OF_MODEL = ("run.json", "data/schema.json")
_LONGEST_VALUE = 6000  # characters of a parameter: MLflow's limit, the lowest of the three


def tracked_run(folder: Path) -> TrackedRun:
    """The run in a folder, as trackers know it."""
    record = read_json(folder / "run.json")
    created = datetime.strptime(str(record["created"]), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    launch = record.get("launch")
    base = Path(str(launch["base"])) if isinstance(launch, Mapping) else folder.parent
    return TrackedRun(folder=folder, name=str(record["name"]), created_s=created.timestamp(), base=base)


def describe(folder: Path) -> Description:
    """Parameters from ``resolved.yaml``, tags from ``run.json``, the data from its fingerprint."""
    record: Mapping[str, Any] = read_json(folder / "run.json")
    resolved = folder / "resolved.yaml"
    document = read_document(resolved.read_text(encoding="utf-8")) if resolved.is_file() else None
    params = dict(_leaves(document.value if document is not None else {}, ""))
    return Description(params=_told(params), tags=_told(_tags(folder, record)), data=tuple(_data(folder, record)))


def package(folder: Path) -> Package:
    """Documents, plots, numbers and the model of a finished run."""
    record: Mapping[str, Any] = read_json(folder / "run.json")
    native = RunFolder(folder).model
    size = sum(path.stat().st_size for path in native.rglob("*") if path.is_file())
    files = [folder / name for name in (*_DOCUMENTS, *_DOCUMENTS_MORE)]
    handed = sorted((folder / "handoff").glob("*"))
    return Package(
        metrics=final_metrics(record, size),
        tags=_told(_tags(folder, record)),
        documents=tuple(path for path in (*files, *handed) if path.is_file()),
        plots=tuple(sorted((folder / "plots").glob("*.png"))),
        model=native,
        sample=_sample(folder),
        requirements=_requirements(folder, record),
    )


def model_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """What `trainwright.pipeline.predict` needs of a run: places inside it, and the files."""
    native = RunFolder(folder).model
    for path in (*(folder / name for name in _OF_MODEL), *sorted(native.rglob("*"))):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def trial_run(folder: Path, event: Mapping[str, Any], began_s: float) -> TrialRun:
    """A trial from its line in the log, with the points of its own log."""
    path = folder / "search" / "trials" / f"{event['number']}.jsonl"
    points: list[Point] = []
    mapping = Points(began_s=began_s)
    if path.is_file():  # another worker's trial has its log there
        for line in path.read_text(encoding="utf-8").splitlines():
            points += mapping.of(json.loads(line))
    return TrialRun(
        number=int(event["number"]),
        params=_told(dict(_leaves(event["params"], ""))),
        state=str(event["state"]),
        metric=str(event["metric"]),
        value=float(event["value"]) if isinstance(event["value"], int | float) else None,
        reason=str(event["reason"]),
        seconds=float(event["seconds"]),
        points=tuple(points),
    )


def _told(values: Mapping[str, object]) -> dict[str, str]:
    """Texts without secrets and not too long."""
    return {name: hidden(str(value))[:_LONGEST_VALUE] for name, value in values.items()}


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Dotted paths of everything that is set."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        if value:
            yield path, json.dumps(value, default=str)
    elif value is not None:
        yield path, value


def _tags(folder: Path, record: Mapping[str, Any]) -> dict[str, object]:
    model, primary, digests = (record.get(name) or {} for name in ("model", "primary", "digests"))
    environment: Mapping[str, Any] = {}
    if (folder / "environment.json").is_file():
        environment = read_json(folder / "environment.json")
    git = environment.get("git")
    tags = {
        "trainwright.version": record.get("version"),
        "trainwright.run": record.get("run"),
        "trainwright.status": record.get("status"),
        "trainwright.task": record.get("task"),
        "trainwright.family": model.get("family"),
        "trainwright.engine": model.get("engine_version"),
        "trainwright.device": model.get("device"),
        "trainwright.primary": primary.get("name"),
        "trainwright.determinism": (record.get("determinism") or {}).get("level"),
        "trainwright.python": environment.get("python"),
        "trainwright.commit": git.get("commit") if isinstance(git, Mapping) else None,
        "trainwright.findings": ", ".join(sorted({f["code"] for f in record.get("findings") or []})),
        **{f"trainwright.digest.{name}": value for name, value in digests.items()},
    }
    return {name: value for name, value in tags.items() if value not in (None, "")}


def _data(folder: Path, record: Mapping[str, Any]) -> Iterator[DataFacts]:
    """The parts of the data: each with the digest of its own files, or of all where it was cut out of them."""
    path = folder / "data" / "fingerprint.json"
    if not path.is_file():
        return
    fingerprint: Mapping[str, Any] = read_json(path)
    for part, rows in ((record.get("data") or {}).get("rows") or {}).items():
        files: Sequence[Mapping[str, Any]] = fingerprint.get("files", {}).get(part) or ()
        whole = files or fingerprint.get("files", {}).get("train") or ()
        names = ", ".join(os.path.basename(str(f.get("file", ""))) for f in whole)  # noqa: PTH119 - a name, no path
        digest = str(files[0]["sha256"]) if len(files) == 1 and "sha256" in files[0] else str(fingerprint["digest"])
        yield DataFacts(name=part, digest=digest, source=names, rows=int(rows), use=_USES.get(part, part))


def _sample(folder: Path) -> tuple[Any, Any] | None:
    """Rows as they go into ``predict``, and what the delivered model predicted for them."""
    path = folder / "data" / "sample.parquet"
    if not path.is_file() or path.with_suffix(".zip").is_file():
        return None
    import pandas as pd

    rows = pd.read_parquet(path)
    parts = [folder / "predictions" / f"{part}.parquet" for part in ("test", "val")]
    predicted = pd.read_parquet(next(p for p in parts if p.is_file()))
    outputs = predicted.set_index("row").reindex(rows["row"]).reset_index(drop=True)
    columns = [c for c in outputs.columns if c == "prediction" or str(c).startswith("proba_")]
    if outputs[columns].isna().any(axis=None) or len(columns) == 0:
        return None
    return rows.drop(columns="row"), outputs[columns]


def _requirements(folder: Path, record: Mapping[str, Any]) -> tuple[str, ...]:
    """Packages that predicting needs, as they were when it was trained."""
    if not (folder / "environment.json").is_file():
        return ()
    packages: Mapping[str, Any] = read_json(folder / "environment.json").get("packages") or {}  # type: ignore[assignment]  # as `describe_environment` writes it
    engine = str((record.get("model") or {}).get("engine_version", "")).split(" ")[0]
    wanted = {"numpy", "pandas", "scikit-learn", "skops", engine, f"{engine}-cpu"}
    known = [f"{name}=={str(v).partition('+')[0]}" for name, v in sorted(packages.items()) if name in wanted]
    return (f"trainwright=={record['version']}", *known)
