"""Baselines: simple models on the same split, so that a score has something to beat."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import SpecError, TrainingFailed
from trainwright.core.findings import Finding, Severity
from trainwright.core.metrics import Metric, compute
from trainwright.core.seeds import Seeds
from trainwright.fit.artifact import write_model
from trainwright.fit.driver import fit
from trainwright.fit.jobs import open_session, prepare_job, take
from trainwright.fit.plan import Plan, plan_model
from trainwright.fit.recorder import Recorder
from trainwright.fit.rules import Rules
from trainwright.fit.stop import StopRequest

if TYPE_CHECKING:
    from trainwright.data.dataset import Dataset, Part

MAX_ROWS = 100_000  # assumption: a baseline sets a mark; more rows move it little and would cost minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A trained baseline: its family, the rows it saw, and the primary metric on validation rows."""

    name: str
    rows: int
    val: float


def train_baseline(
    name: str,
    dataset: "Dataset",
    plan: Plan,
    folder: Path,
    *,
    scratch: Path,
    seeds: Seeds,
    recorder: Recorder,
    stop: StopRequest,
    deadline_s: float | None,
) -> Baseline | Finding:
    """Train a family with its defaults and write the model to ``folder``; a Finding when the task has none such."""
    try:
        model = plan_model(name, {}, dataset)
    except SpecError as error:
        return Finding(
            code="baseline.not_possible", severity=Severity.WARNING, where=f"baselines: {name}", what=error.message
        )
    train = _sample(dataset.train, seeds)
    prepared = prepare_job(
        dataset,
        train,
        dataset.val,
        model,
        seeds=seeds.child(name),
        threads=plan.threads,
        device="cpu",
        class_weight="none",
        workdir=scratch,
    )
    session = open_session(prepared.job)
    rules = Rules(watch=plan.watch, primary=plan.primary, patience=model.patience, deadline_s=deadline_s)
    try:
        fitted = fit(
            session,
            prepared.job,
            rules,
            stage=f"baseline:{name}",
            recorder=recorder,
            stop=stop,
            checkpoints=prepared.job.workdir / "checkpoints",
            resumable=False,
        )
        assert prepared.job.val is not None
        val = compute(plan.primary, dataset.val.y, fitted.predict(prepared.job.val.X), weight=dataset.val.weight)
        write_model(folder, model, [(fitted, prepared.features)])
    except TrainingFailed as error:
        return Finding(
            code="baseline.failed",
            severity=Severity.WARNING,
            where=f"baselines: {name}",
            what=error.message,
            why="the model has one comparison less",
        )
    finally:
        session.close()
    return Baseline(name=name, rows=len(train), val=val)


def beats(metric: Metric, model: float, baseline: float) -> bool:
    """Whether the model is strictly better than the baseline."""
    return model > baseline if metric.higher_is_better else model < baseline


def _sample(part: "Part", seeds: Seeds) -> "Part":
    if len(part) <= MAX_ROWS:
        return part
    picked = seeds.generator("baseline rows").choice(len(part), MAX_ROWS, replace=False)
    return take(part, picked, part.name)
