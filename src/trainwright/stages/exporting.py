"""Exports in other formats than the native one, each with its proof: in a run, and after the fact."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainwright.core import registry
from trainwright.core.errors import CannotExport, ResourceMissing, SpecError, VerificationFailed
from trainwright.core.findings import Finding, Severity, finding_from_json
from trainwright.core.jsonable import JsonValue
from trainwright.data.typed import MISSING_SPELLINGS
from trainwright.fit.artifact import load_scorer
from trainwright.fit.exports.golden import keep_golden, read_golden
from trainwright.fit.exports.make import PARITY, Made, delivered_model, make_export, write_parity
from trainwright.fit.exports.proof import LIMIT_S
from trainwright.fit.formats.contract import Format
from trainwright.fit.plan import Plan
from trainwright.run.files import read_json, recover_folder, write_json
from trainwright.run.folder import RunFolder, open_run, unfinished
from trainwright.run.hashes import verify_sealed
from trainwright.run.lock import locked
from trainwright.stages.reports import ExportResult
from trainwright.stages.work import Work

if TYPE_CHECKING:
    from trainwright.data.dataset import Dataset

_REST_S = 8.0  # evaluation and report: measured at 3 to 6 s on 2 cores (`stages.work`)
_LEAST_S = 5.0  # assumption: below this no proof can start its process and end


def export_formats(work: Work, dataset: "Dataset", plan: Plan) -> None:
    """Keep golden rows, then make what the spec lists under ``export``. No export costs the run."""
    golden, parity = _golden(work.folder), _model(work.folder) / PARITY
    wanted = [name for name in work.loaded.spec.export if name != "native"]
    if work.is_done("exports", golden, *([parity] if wanted else [])):
        return
    with work.stage("exports", announced=bool(wanted)):
        scorer = load_scorer(work.folder.model, trust_code=plan.model.holds_code)
        recover_folder(golden)
        keep_golden(golden, dataset.val, dataset.schema, scorer)
        if not wanted:
            return
        rows = read_golden(golden, scorer)
        model = delivered_model(work.folder.model, scorer, rows, dataset.target, _missing(work.record))
        made: dict[str, Mapping[str, JsonValue]] = {}
        for name in wanted:  # left by this stage when it was killed, and not in its record
            shutil.rmtree(_model(work.folder) / name, ignore_errors=True)
        for name in wanted:
            work.stop.raise_if_requested()
            left = _time_left(work)
            if left < _LEAST_S:
                work.add([_no_time(name)])
                continue
            one = make_export(name, model, rows, _model(work.folder) / name, limit_s=min(left, LIMIT_S))
            made[name] = one.entry
            work.add(one.findings)
            write_parity(parity, verify_sealed(work.folder.model), made)


def export_run(run: Path, formats: Sequence[str], *, trust_code: bool) -> ExportResult:
    """Make exports of a finished run, prove them, and write its documents again.

    Raises:
        SpecError: a name is no format, or no format for models of this engine.
        CannotExport: this model cannot be held in a format.
        VerificationFailed: an export predicts otherwise than the model; it was removed.
        ResourceMissing: a package is missing; the run stays as it was in what concerns that format.
        ArtifactRefused: the run is not finished, or damaged.
    """
    from trainwright.data.store import load_schema
    from trainwright.report.documents import write_documents

    folder = open_run(run)
    with locked(folder.path):
        record = read_json(folder.record)
        if record.get("status") != "done":
            raise unfinished(run, record)
        digest = verify_sealed(folder.model)
        _refuse_impossible(formats, str(read_json(folder.model / "scorer.json")["engine"]))
        scorer = load_scorer(folder.model, trust_code=trust_code)
        rows = read_golden(_golden(folder), scorer)
        _, target = load_schema(folder.data / "schema.json")
        model = delivered_model(folder.model, scorer, rows, target, _missing(record))
        made: list[Made] = []
        try:
            made += (make_export(name, model, rows, _model(folder) / name) for name in formats)
        finally:  # what was made before an interruption is written down
            tried = [one for one in made if one.status != "missing"]  # of the others the run knows what it knew
            if tried:
                _note(folder, record, digest, tried)
                write_documents(folder.path)
    _raise_worst(made)
    return ExportResult(run=folder.path, made=tuple(made), artifacts=export_artifacts(folder))


def _note(folder: RunFolder, record: dict[str, JsonValue], digest: str, made: Sequence[Made]) -> None:
    """Write into ``parity.json`` and ``run.json`` what became of these formats."""
    write_parity(_model(folder) / PARITY, digest, {**_known(folder, digest), **{m.name: m.entry for m in made}})
    others = {k: v for k, v in _mapping(record.get("artifacts")).items() if k not in {m.name for m in made}}
    record["artifacts"] = {**others, **export_artifacts(folder)}
    record["findings"] = _findings(record, made)
    write_json(folder.record, record)


def export_artifacts(folder: RunFolder) -> dict[str, str]:
    """Where the proved exports lie, and the proof, relative to the run; nothing where there are none."""
    path = _model(folder) / PARITY
    if not path.is_file():
        return {}
    entries = _mapping(read_json(path).get("exports"))
    passed = [name for name, entry in entries.items() if _mapping(entry).get("status") == "passed"]
    return {**{name: f"model/{name}" for name in passed}, "parity": f"model/{PARITY}"}


def _known(folder: RunFolder, digest: str) -> dict[str, Mapping[str, JsonValue]]:
    """What is written down of earlier exports of the same model."""
    path = _model(folder) / PARITY
    if not path.is_file():
        return {}
    before = read_json(path)
    entries = _mapping(before.get("exports")) if before.get("model") == digest else {}
    return {name: _mapping(entry) for name, entry in entries.items()}


def _refuse_impossible(formats: Sequence[str], engine: str) -> None:
    if not formats:
        raise SpecError(f"at least one format is required. Known: {', '.join(registry.names('exports'))}.")
    for name in formats:
        if name == "native":
            raise SpecError(
                "the native model is always there: it lies in model/native, and `trainwright predict` uses it."
            )
        chosen = cast(Format, registry.load("exports", name))
        if engine not in chosen.engines():
            possible = [n for n in registry.names("exports") if engine in registry.load("exports", n).engines()]
            raise CannotExport(
                f"{name} holds models of {', '.join(chosen.engines())}, and this one is of {engine}. "
                f"Possible here: {', '.join(possible) or 'native alone'}."
            )


def _raise_worst(made: Sequence[Made]) -> None:
    """One error for all that could not be had: a failed proof counts most."""
    found = [finding for one in made for finding in one.findings]
    for status, error in (("failed", VerificationFailed), ("missing", ResourceMissing), ("refused", CannotExport)):
        wrong = [one for one in made if one.status == status]
        if wrong:
            said = "; ".join(f"{one.name}: {str(one.entry['why']).rstrip('.')}" for one in wrong)
            good = [one.name for one in made if one.status == "passed"]
            kept = f" Made and proved: {', '.join(good)}." if good else ""
            raise error(f"{said}.{kept}", findings=found)


def _findings(record: Mapping[str, JsonValue], made: Sequence[Made]) -> list[JsonValue]:
    """The run's findings, those of earlier tries of the same formats replaced."""
    given = record.get("findings")
    before = [finding_from_json(f) for f in given if isinstance(f, Mapping)] if isinstance(given, list) else []
    again = {f"export: {one.name}" for one in made}
    kept = [f for f in before if not (f.code.startswith("export.") and f.where in again)]
    return [f.to_json() for f in (*kept, *(f for one in made for f in one.findings))]


def _time_left(work: Work) -> float:
    """Seconds that exports may still take; what comes after them is set aside."""
    budget = work.loaded.spec.training.time_budget
    return float("inf") if budget is None else budget.seconds - work.elapsed_s - _REST_S


def _no_time(name: str) -> Finding:
    return Finding(
        code="export.no_time",
        severity=Severity.WARNING,
        where=f"export: {name}",
        what="not made: the time budget is used up",
        why="what is left of it is set aside for the report",
        fix=f"Run `trainwright export RUN --to {name}`, or raise training.time_budget",
    )


def _missing(record: Mapping[str, JsonValue]) -> list[str]:
    """Texts that meant missing in the data of a run."""
    given = record.get("missing_values")
    return [str(text) for text in given] if isinstance(given, list | tuple) else list(MISSING_SPELLINGS)


def _golden(folder: RunFolder) -> Path:
    return folder.data / "golden"


def _model(folder: RunFolder) -> Path:
    return folder.path / "model"


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}
