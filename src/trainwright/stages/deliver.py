"""The stages after training: the delivered model, its numbers, the one opening of the test rows, the documents."""

from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.amounts import amount
from trainwright.core.errors import VerificationFailed
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.core.metrics import Interval, Metric, compute, overfit_gap
from trainwright.core.tasks import Task
from trainwright.data.profile import make_profile
from trainwright.fit.artifact import load_scorer, write_model
from trainwright.fit.baselines import Baseline, beats
from trainwright.fit.driver import Fitted
from trainwright.fit.evaluate import digest_of, measure, write_predictions, write_sample
from trainwright.fit.folds import Fold
from trainwright.fit.jobs import Prepared
from trainwright.fit.plan import Plan
from trainwright.fit.samples import PROMPT, write_samples
from trainwright.run.files import read_json, write_json, write_text
from trainwright.run.hashes import sha256_value
from trainwright.run.manifest import FACTS
from trainwright.stages.baselines import baseline_findings
from trainwright.stages.exporting import export_artifacts
from trainwright.stages.prediction_intervals import keep_intervals
from trainwright.stages.prepare import best_params
from trainwright.stages.work import Work

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.dataset import Dataset, Part


def export_native(work: Work, dataset: "Dataset", plan: Plan, prepared: Prepared, fitted: Fitted) -> None:
    """Write the model and its features, read them back, and compare predictions on validation rows.

    Raises:
        VerificationFailed: the delivered model predicts something else than the trained one.
    """
    with work.stage("export"):
        digest = write_model(work.folder.model, plan.model, [(fitted, prepared.features)])
        assert prepared.job.val is not None
        trained = fitted.predict(prepared.job.val.X)
        delivered = load_scorer(work.folder.model, trust_code=plan.model.holds_code).predict(dataset.val.frame)
        largest = float(abs(trained - delivered).max())
        if largest > 0.0:
            raise VerificationFailed(
                f"the delivered model differs from the trained one by up to {largest:g} on {len(dataset.val)} "
                "validation rows. Nothing was delivered as good; please report this with the spec."
            )
        _note_model(work, digest)


def export_ensemble(work: Work, plan: Plan, folds: list[Fold]) -> None:
    """Deliver the models of all folds as one: predictions are averaged."""
    from trainwright.fit.artifact import gather_members

    with work.stage("export"):
        _note_model(work, gather_members(work.folder.model, plan.model, [f.model for f in folds]))
        work.add(
            [
                Finding(
                    code="model.ensemble",
                    severity=Severity.INFO,
                    where="cross_validation.final",
                    what=f"the delivered model is the mean of the {len(folds)} fold models",
                    why="rounds, parameters, importance and curves in the report are those of the one model that was "
                    "trained on all training rows beside them",
                )
            ]
        )


def evaluate(work: Work, dataset: "Dataset", plan: Plan, baselines: list[Baseline], folds: list[Fold]) -> None:
    """Score the delivered model on train, validation and (now, once) test rows; everything goes to ``run.json``."""
    with work.stage("evaluate"):
        scorer = load_scorer(work.folder.model, trust_code=plan.model.holds_code)
        metrics: dict[str, JsonValue] = {}
        intervals: dict[str, JsonValue] = {}
        digests: dict[str, str] = {}
        numbers: dict[str, tuple[float, Interval]] = {}
        scored: dict[str, tuple[Part, np.ndarray]] = {}
        parts = [dataset.train, dataset.val]
        test = _open_test(work, dataset)
        if test is not None:
            parts.append(test)
        for part in parts:
            predicted = scorer.predict(part.frame)
            values, interval = measure(part, dataset.target, predicted, plan.primary, work.seeds.child("bootstrap"))
            write_predictions(work.folder.predictions / f"{part.name}.parquet", part, dataset.target, predicted)
            metrics[part.name], intervals[part.name] = dict(values), to_json(interval)
            numbers[part.name] = values[plan.primary.name], interval
            digests[part.name] = digest_of(predicted)
            scored[part.name] = part, predicted
        write_sample(work.folder.data / "sample.parquet", parts[-1])
        if dataset.target.task is not Task.LANGUAGE:
            profile = make_profile({part.name: part.frame for part in parts}, dataset.schema)
            write_json(work.folder.data / "profile.json", profile.to_json())
        if dataset.target.task is Task.LANGUAGE:
            beginning = "".join(dataset.val.frame["text"].head(PROMPT).tolist())
            write_text(work.folder.path / "samples.txt", write_samples(scorer, beginning, work.seeds))
        work.record |= {"metrics": metrics, "intervals": intervals}
        keep_intervals(work, dataset, folds, scored)
        _note_primary(work, plan.primary, numbers)
        _note_baselines(work, plan, baselines, numbers["val"][0], test)
        work.record["best_params"] = best_params(work, dataset, plan)
        path = work.folder.path / "cross_validation.json"
        work.record["cross_validation"] = read_json(path) if folds else None
        recorded = work.record["digests"]
        assert isinstance(recorded, dict)
        recorded["predictions"] = sha256_value(digests)
        recorded["facts"] = sha256_value(_facts(work))


def write_report(work: Work) -> None:
    """Write report, model card, plots and hand-off from the folder alone."""
    from trainwright.report.documents import write_documents

    work.record["artifacts"] = {
        "model": "model/native",
        "report": "report.md",
        "report_html": "report.html",
        "model_card": "model_card.md",
        "handoff": "handoff",
        "log": "training_log.jsonl",
        "predictions": "predictions",
        **export_artifacts(work.folder),
    }
    work.record["status"] = "done"
    work.save()
    with work.stage("report"):
        work.add(write_documents(work.folder.path))


def _note_model(work: Work, digest: str) -> None:
    recorded = work.record["digests"]
    assert isinstance(recorded, dict)
    recorded["model"] = digest


def _open_test(work: Work, dataset: "Dataset") -> "Part | None":
    """The test rows. The opening is counted on disk before it happens."""
    if dataset.test is None:
        return None
    openings = work.record["test_openings"]
    assert isinstance(openings, list)
    openings.append("final evaluation")
    work.save()
    return dataset.test.open("final evaluation")


_SAID_BY_THE_DOCTOR = ("doctor.overfitting", "doctor.learned_by_heart")
"""Findings of the training that tell of the gap, and why it is there; the gap itself is in the record either way."""


def _note_primary(work: Work, primary: Metric, numbers: dict[str, tuple[float, Interval]]) -> None:
    val, interval = numbers["val"]
    gap = overfit_gap(primary, numbers["train"][0], val, interval)
    work.record["primary"] = {"name": primary.name, "value": val, "direction": primary.direction, "part": "val"}
    work.record["gap"] = to_json(gap)
    if gap.verdict == "Concerning" and not any(f.code in _SAID_BY_THE_DOCTOR for f in work.findings):
        work.add(
            [
                Finding(
                    code="fit.overfit",
                    severity=Severity.WARNING,
                    where=primary.name,
                    what=f"better on training rows ({amount(gap.train)}) than on validation rows ({amount(gap.val)})",
                    why=gap.rule,
                    fix="Use more rows, stronger regularisation, or fewer rounds",
                    evidence={"train": gap.train, "val": gap.val, "gap": gap.gap},
                )
            ]
        )


def _note_baselines(work: Work, plan: Plan, baselines: list[Baseline], val: float, test: "Part | None") -> None:
    rows: list[JsonValue] = []
    for baseline in baselines:
        row: dict[str, JsonValue] = {
            "name": baseline.name,
            "family": baseline.name,
            "rows": baseline.rows,
            "val": baseline.val,
            "beaten": beats(plan.primary, val, baseline.val),
        }
        if test is not None:
            predicted = load_scorer(_baseline_folder(work, baseline)).predict(test.frame)
            row["test"] = compute(plan.primary, test.y, predicted, weight=test.weight)
        rows.append(row)
    work.record["baselines"] = rows
    work.add(baseline_findings(plan, val, baselines))


def _baseline_folder(work: Work, baseline: Baseline) -> Path:
    return work.folder.path / "baselines" / baseline.name


def _facts(work: Work) -> dict[str, JsonValue]:
    """Every number of the report that does not depend on time or place."""
    return {name: work.record.get(name) for name in FACTS}
