"""The table of contents: every command is one function here, and reads as the list of its stages."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from trainwright.core import registry
from trainwright.core.errors import ArtifactRefused, ResourceMissing, SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.engines.contract import Capabilities
from trainwright.families._spelled import FAMILIES, SPELLINGS
from trainwright.families.contract import Family
from trainwright.fit.recorder import Listener
from trainwright.run.files import read_json, write_text
from trainwright.run.folder import open_run, unfinished
from trainwright.run.lock import locked
from trainwright.run.result import RunResult, damaged_result, read_result
from trainwright.stages import deliver, exporting, launch, prepare, searching, training
from trainwright.stages.baselines import simpler_family, train_baselines
from trainwright.stages.cross_validation import cross_validate
from trainwright.stages.reports import (
    CheckReport,
    ExportResult,
    InitResult,
    PredictResult,
    ReportResult,
    RunsList,
    SearchWorkerResult,
    VerifyResult,
)
from trainwright.stages.tracking import tracked
from trainwright.stages.work import Work

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

    from trainwright.doctor.gradients import Gradients
    from trainwright.report.compare import Comparison
    from trainwright.stages.diagnosing import Diagnosis
    from trainwright.stages.scoring import OpenModel

Loss: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
SpecSource: TypeAlias = str | Path | Mapping[str, object]


def train(
    spec: SpecSource,
    *,
    overrides: Sequence[str] = (),
    out: Path | None = None,
    trust_code: bool = False,
    listener: Listener | None = None,
    train: "pd.DataFrame | None" = None,
    val: "pd.DataFrame | None" = None,
    test: "pd.DataFrame | None" = None,
) -> RunResult:
    """The main job: all stages. ``spec`` is a file or a mapping; data may be given as frames.

    ``out`` is the folder that run folders are made in (default ``runs``).

    Raises:
        TrainwrightError: with the exit code of the command as ``exit_code``.
    """
    frames = _frames(train, val, test)
    root = out or Path("runs")
    with (
        launch.new_run(
            spec, overrides=overrides, root=root, frames=frames, trust_code=trust_code, listener=listener
        ) as work,
        tracked(work),
    ):
        run_stages(work)
    return read_result(work.folder.path)


def resume(
    run: str | Path, *, processes: int | None = None, trust_code: bool = False, listener: Listener | None = None
) -> RunResult:
    """Go on with a stopped or killed run; a finished one is returned as it is.

    ``processes`` replaces the spec's ``training.distributed.processes`` from here on.

    Raises:
        TrainwrightError: as `train`; ArtifactRefused when there is no run, or one of another version.
    """
    found = read_result(Path(run))
    if found.status == "done" and found.record.get("finished"):  # without its end it was killed over its documents
        return found
    with (
        launch.old_run(Path(run), trust_code=trust_code, listener=listener, processes=processes) as work,
        tracked(work),
    ):
        run_stages(work)
    return read_result(Path(run))


def search_worker(run: str | Path, *, threads: int | None = None, trust_code: bool = False) -> SearchWorkerResult:
    """Train trials of a run whose search is shared over a database, until that search is over.

    Raises:
        ArtifactRefused: there is no run, or the data here is not the data it began with.
        SpecError: the run's spec shares no search.
        ResourceMissing: the database is not there, or holds no search of this run yet.
        Stopped: a signal came in; the trial at work is left to another worker.
    """
    from trainwright.stages.helping import help_search

    return help_search(Path(run), threads=threads, trust_code=trust_code)


def run_stages(work: Work) -> None:
    """Every stage of a run, in order; finished ones are not done again."""
    dataset = prepare.read_data(work)
    plan = prepare.plan_training(work, dataset)
    prepare.check_data(work, dataset)
    prepared = prepare.prepare_training(work, dataset, plan)
    plan, prepared = prepare.choose_threads(work, dataset, plan, prepared)
    prepare.check_model(work, dataset, prepared)
    baselines = train_baselines(work, dataset, plan)
    found = searching.search(work, dataset, plan, prepared)
    plan, prepared = found.plan, found.prepared
    folds = cross_validate(work, dataset, plan)
    fitted = training.train_final(work, prepared, plan, kept=found.kept)
    if fitted.repairs:
        prepare.write_resolved(work, dataset, plan)
    simpler = simpler_family(work, dataset, prepared, plan, fitted, baselines)
    if simpler is not None:
        fitted.session.close()
        plan = prepare.plan_training(work, dataset, simpler=simpler)
        prepared = prepare.prepare_training(work, dataset, plan)
        fitted = training.train_final(work, prepared, plan, stage="fit_simpler")
        baselines = [b for b in baselines if b.name != simpler]
    if folds and work.keeps_folds:
        deliver.export_ensemble(work, plan, folds)
    else:
        deliver.export_native(work, dataset, plan, prepared, fitted)
    fitted.session.close()
    exporting.export_formats(work, dataset, plan)
    deliver.evaluate(work, dataset, plan, baselines, folds)
    deliver.write_report(work)


def check(
    spec: SpecSource,
    *,
    overrides: Sequence[str] = (),
    trust_code: bool = False,
    listener: Listener | None = None,
    train: "pd.DataFrame | None" = None,
    val: "pd.DataFrame | None" = None,
    test: "pd.DataFrame | None" = None,
) -> CheckReport:
    """Everything that can be known before training. Leaves no run folder.

    Raises:
        TrainwrightError: something blocks; ``findings`` says what.
    """
    frames = _frames(train, val, test)
    with (
        tempfile.TemporaryDirectory(prefix="trainwright-check-") as folder,
        launch.new_run(
            spec,
            overrides=overrides,
            root=Path(folder),
            frames=frames,
            trust_code=trust_code,
            listener=listener,
        ) as work,
    ):
        dataset = prepare.read_data(work)
        plan = prepare.plan_training(work, dataset)
        results = prepare.check_data(work, dataset)
        prepared = prepare.prepare_training(work, dataset, plan)
        plan, prepared = prepare.choose_threads(work, dataset, plan, prepared)
        results = [*results, *prepare.check_model(work, dataset, prepared)]
        return CheckReport(checks=tuple(results), findings=tuple(work.findings), plan=plan)


def init(data: str | Path, *, target: str | None = None, out: Path | None = None, force: bool = False) -> InitResult:
    """Look at data and write a commented spec for it (default ``NAME.yaml`` in the present folder).

    A table needs its target named; images have their ``label``.

    Raises:
        DataRefused: the data or the target cannot be used.
        SpecError: a table without a target.
        ResourceMissing: the spec file exists and ``force`` is not set.
    """
    from trainwright.stages.drafting import draft_spec

    return draft_spec(Path(data), target=target, out=out, force=force)


def predict(
    run: str | Path,
    data: "str | Path | pd.DataFrame",
    *,
    out: Path | None = None,
    interval: float | None = None,
    trust_code: bool = False,
    listener: Listener | None = None,
) -> PredictResult:
    """Score rows with the delivered model of a run or a hand-off alone: columns checked, one row out per row in.

    ``interval`` is the level of prediction intervals of a regression, such as 0.9: columns ``lower`` and ``upper``.

    Raises:
        ArtifactRefused: the model is damaged or not finished, or an own model's code is not trusted.
        DataRefused: columns are missing.
        SpecError: the model has no intervals, or its run had too few held-out rows for that level.
    """
    from trainwright.stages.scoring import score_rows

    return score_rows(Path(run), data, out=out, interval=interval, trust_code=trust_code)


def open_model(run: str | Path, *, trust_code: bool = False) -> "OpenModel":
    """Load the delivered model of a run or a hand-off alone, to score frames with ``predict(frame)``.

    Raises:
        ArtifactRefused: the model is damaged or not finished, or an own model's code is not trusted.
    """
    from trainwright.stages.scoring import open_model as load

    return load(Path(run), trust_code=trust_code)


def verify(
    run: str | Path,
    *,
    retrain: bool = False,
    out: Path | None = None,
    key: Path | None = None,
    sign: Path | None = None,
    trust_code: bool = False,
    listener: Listener | None = None,
) -> VerifyResult:
    """Check every hash of a run folder, or of a hand-off folder alone; with ``retrain`` also train again and compare.

    The repetition is trained from ``resolved.yaml`` in a folder of its own, kept below ``out`` if given. ``key``
    is a public key that must have signed the manifest; ``sign`` a private key to sign it with, once all is well.

    Raises:
        VerificationFailed: files or results differ; ``findings`` names each.
        ArtifactRefused: there is nothing to verify, a record is damaged, or a signature does not hold.
    """
    from trainwright.run.manifest import manifest_folder
    from trainwright.run.signing import sign as sign_manifest
    from trainwright.stages import verifying

    folder = Path(run)
    result = verifying.verify_folder(folder, key=key)
    if retrain:
        with tempfile.TemporaryDirectory(prefix="trainwright-verify-") as scratch:
            root = out or Path(scratch)
            with verifying.repeating(folder, root=root, trust_code=trust_code, listener=listener) as work:
                run_stages(work)
            again = verifying.compare(folder, work.folder.path, kept=out is not None)
        result = replace(result, retrain=again)
    if sign is not None:
        result = replace(result, signed_with=sign_manifest(manifest_folder(folder), sign))
    return result


def export(run: str | Path, formats: Sequence[str], *, trust_code: bool = False) -> ExportResult:
    """Export a finished run's model in other formats, each proved to predict the same, as ``export:`` in a spec does.

    Raises:
        SpecError: a name is no format, or one that cannot hold this model.
        VerificationFailed: an export predicts otherwise than the model; it was removed.
        ResourceMissing: a package is missing.
        ArtifactRefused: the run is not finished or damaged, or an own model's code is not trusted.
    """
    return exporting.export_run(Path(run), formats, trust_code=trust_code)


def diagnose(log: str | Path, *, run: str = "", gradients: bool = False, trust_code: bool = False) -> "Diagnosis":
    """What is wrong with a training, from its log: a run of ours, or a log that another program wrote.

    ``log`` is a file, a folder, or ``sqlite:///PATH`` of a store of MLflow, in which ``run`` names one (id or name).
    The formats are in docs/diagnose.md. Nothing is trained. With ``gradients``, ``log`` is a finished run of a network:
    those of one batch of its training rows are looked at, and drawn into its ``plots/gradients.png``.

    Raises:
        SpecError: there is no such log, or several are meant; or gradients are asked of what has none.
        DataRefused: the data of the run is not there any more, or was changed.
        ArtifactRefused: it is damaged, too large, or of no known format.
        ResourceMissing: it may not be read.
    """
    from trainwright.stages.diagnosing import diagnose_log

    return diagnose_log(log, run=run, gradients=gradients, trust_code=trust_code)


def check_gradients(
    model: "nn.Module", inputs: "Tensor | tuple[Tensor, ...]", targets: "Tensor", loss: "Loss"
) -> "Gradients":
    """The gradients of one batch in a network of your own, layer by layer, with a verdict on each. Trains nothing.

    ``model(inputs)`` (a tuple is passed as several arguments) and ``targets`` go to ``loss(scores, targets)``, which
    gives one number. The model is used in the mode it is in; its weights, gradients and buffers are afterwards as they
    were. A layer is a module that owns parameters; its gradient is taken as one vector::

        found = trainwright.check_gradients(net, x, y, torch.nn.functional.cross_entropy)
        for layer in found.layers:
            print(layer.layer, layer.mean, layer.std, layer.min, layer.max, layer.norm, layer.verdict)
        print([finding.sentence() for finding in found.findings()])

    Raises:
        SpecError: ``model`` is no ``torch.nn.Module``, or the loss no single number.
        ResourceMissing: torch is not installed.
    """
    from trainwright.engines import torch as engine

    return engine.gradients_of_module(model, inputs, targets, loss)


def report(run: str | Path) -> ReportResult:
    """Write the documents of a run again, from its folder alone."""
    from trainwright.report.documents import write_documents

    folder = Path(run)
    record = read_json(open_run(folder).record)
    if record.get("status") != "done":
        raise unfinished(folder, record)
    with locked(folder):
        findings = write_documents(folder)
    return ReportResult(
        paths=tuple(folder / name for name in ("report.md", "report.html", "model_card.md", "handoff", "plots")),
        findings=findings,
    )


def compare(runs: Sequence[str | Path], *, html: str | Path | None = None) -> "Comparison":
    """Several runs side by side; ``html`` names a file to write the comparison to as one page.

    Raises:
        ArtifactRefused: a folder holds no finished run.
        ResourceMissing: the page cannot be written.
    """
    from trainwright.report.compare import compare as compare_facts
    from trainwright.report.facts import gather

    unfinished = [str(run) for run in runs if read_result(Path(run)).status != "done"]
    if unfinished:
        raise ArtifactRefused(f"not finished, so not comparable: {', '.join(unfinished)}")
    found = compare_facts([gather(Path(run)) for run in runs])
    if html is not None:
        from trainwright.report.page.comparison import render

        write_text(Path(html), render(found))
    return found


def runs(root: Path = Path("runs")) -> RunsList:
    """The runs below a folder, newest first."""
    if not root.is_dir():
        return RunsList(rows=())
    found = [_result_or_damaged(path.parent) for path in root.glob("*/run.json")]
    return RunsList(rows=tuple(sorted(found, key=lambda r: str(r.record.get("created")), reverse=True)))


def schema() -> dict[str, JsonValue]:
    """The JSON Schema of the spec."""
    from trainwright.spec.schema import json_schema

    return json_schema()


def families() -> list[dict[str, JsonValue]]:
    """What can be written as ``architecture.model_type``."""
    loaded = {name: cast(Family, registry.load("families", name)) for name in registry.names("families")}
    loaded |= {SPELLINGS[name]: family for name, family in FAMILIES.items()}
    return [
        {
            "name": name,
            "summary": family.SUMMARY,
            "tasks": sorted(t.value for t in family.TASKS),
            "engines": list(family.ENGINES),
            "source": family.SOURCE,
        }
        for name, family in loaded.items()
    ]


def engines() -> list[dict[str, JsonValue]]:
    """The engines, what they can do, and whether their framework is installed."""
    rows: list[dict[str, JsonValue]] = []
    for name in registry.names("engines"):
        engine = registry.load("engines", name)
        capabilities = cast(Capabilities, engine.CAPABILITIES)
        try:
            version, available = str(engine.version()), True
        except ResourceMissing as error:
            version, available = error.message, False
        rows.append(
            {
                "name": name,
                "available": available,
                "version": version,
                "tasks": sorted(t.value for t in capabilities.tasks),
                "devices": list(capabilities.devices),
                "exports": list(capabilities.exports),
                "extra": capabilities.extra,
            }
        )
    return rows


def _result_or_damaged(run: Path) -> RunResult:
    """One unreadable record must not hide the other runs."""
    try:
        return read_result(run)
    except ArtifactRefused as error:
        return damaged_result(run, error.message)


def _frames(
    train: "pd.DataFrame | None", val: "pd.DataFrame | None", test: "pd.DataFrame | None"
) -> "dict[str, pd.DataFrame]":
    given = {"train": train, "val": val, "test": test}
    frames = {name: frame for name, frame in given.items() if frame is not None}
    if frames and train is None:
        raise SpecError("a val or test frame needs a train frame beside it. Pass train=...")
    return frames
