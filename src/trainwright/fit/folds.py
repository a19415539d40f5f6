"""Cross-validation: the same driver on every fold, out-of-fold predictions kept."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.jsonable import JsonValue
from trainwright.core.metrics import compute, compute_all
from trainwright.core.seeds import Seeds
from trainwright.doctor.remedies import Policy
from trainwright.fit.artifact import load_scorer, write_model
from trainwright.fit.driver import fit
from trainwright.fit.evaluate import write_predictions
from trainwright.fit.jobs import open_session, prepare_job, take
from trainwright.fit.plan import Plan
from trainwright.fit.recorder import Recorder
from trainwright.fit.rules import Rules
from trainwright.fit.stop import StopRequest
from trainwright.run.files import read_json, write_json
from trainwright.run.folder import RunFolder

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.dataset import Dataset, Part
    from trainwright.data.pipelines import FeaturePipeline
    from trainwright.spec.models import Columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A trained fold: its metrics on its own held-out rows, its selected round, and where its model lies."""

    number: int
    rounds: int
    stopped_by: str
    rows: int
    metrics: Mapping[str, float]
    model: Path


def train_folds(
    dataset: "Dataset",
    plan: Plan,
    *,
    folds: int,
    strategy: str,
    columns: "Columns",
    folder: RunFolder,
    inputs: str,
    seeds: Seeds,
    recorder: Recorder,
    stop: StopRequest,
    pipeline: "FeaturePipeline | None",
    share_of_time: Callable[[float], float | None],
    repairs: Policy | None = None,
) -> list[Fold]:
    """Train a model for every fold of the training rows; a fold that an earlier session finished is not trained again.

    Writes ``cross_validation.json`` and ``predictions/oof.parquet``. With time-ordered folds the first rows are never
    held out and have no out-of-fold prediction.
    """
    import numpy as np

    from trainwright.data.folds import make_folds

    pairs = make_folds(dataset.train, dataset.target, folds=folds, strategy=strategy, columns=columns, seeds=seeds)
    trained: list[Fold] = []
    held_out: list[np.ndarray] = []
    predicted: list[np.ndarray] = []
    for number, (train_at, val_at) in enumerate(pairs):
        target = folder.path / "folds" / str(number)
        val = take(dataset.train, val_at, "val")
        if not _is_done(target, inputs):
            _train_fold(
                dataset,
                plan,
                take(dataset.train, train_at, "train"),
                val,
                target,
                scratch=folder.scratch / f"fold-{number}",
                number=number,
                inputs=inputs,
                seeds=seeds,
                recorder=recorder,
                stop=stop,
                pipeline=pipeline,
                deadline_s=share_of_time(1 / (len(pairs) - number + 1)),
                repairs=repairs,
            )
        stop.raise_if_requested()
        predictions = load_scorer(target / "model", trust_code=plan.model.holds_code).predict(val.frame)
        facts = read_json(target / "fold.json")
        metrics = compute_all(dataset.target.task, val.y, predictions, weight=val.weight)
        metrics.setdefault(plan.primary.name, compute(plan.primary, val.y, predictions, weight=val.weight))
        trained.append(
            Fold(
                number=number,
                rounds=int(str(facts["rounds"])),
                stopped_by=str(facts["stopped_by"]),
                rows=len(val),
                metrics=metrics,
                model=target / "model",
            )
        )
        held_out.append(val_at)
        predicted.append(predictions)
    _write_out_of_fold(dataset, np.concatenate(held_out), np.concatenate(predicted), folder)
    write_json(folder.path / "cross_validation.json", summary(trained, plan.primary.name, strategy))
    return trained


def summary(folds: list[Fold], primary: str, strategy: str) -> dict[str, JsonValue]:
    """Mean and standard deviation over folds (with n - 1) of every metric."""
    import statistics

    names = sorted(set.intersection(*(set(f.metrics) for f in folds)))
    values = {name: [f.metrics[name] for f in folds] for name in names}
    return {
        "primary": primary,
        "strategy": strategy,
        "folds": [{"fold": f.number, "rows": f.rows, "rounds": f.rounds, "metrics": dict(f.metrics)} for f in folds],
        "mean": {name: statistics.fmean(v) for name, v in values.items()},
        "std": {name: statistics.stdev(v) if len(v) > 1 else 0.0 for name, v in values.items()},
    }


def _train_fold(
    dataset: "Dataset",
    plan: Plan,
    train: "Part",
    val: "Part",
    target: Path,
    *,
    scratch: Path,
    number: int,
    inputs: str,
    seeds: Seeds,
    recorder: Recorder,
    stop: StopRequest,
    pipeline: "FeaturePipeline | None",
    deadline_s: float | None,
    repairs: Policy | None,
) -> None:
    prepared = prepare_job(
        dataset,
        train,
        val,
        plan.model,
        seeds=seeds.child(number),
        threads=plan.threads,
        device=plan.device,
        class_weight=plan.class_weight,
        workdir=scratch,
        pipeline=pipeline,
    )
    rules = Rules(
        watch=plan.watch,
        primary=plan.primary,
        patience=plan.patience,
        min_delta=plan.min_delta,
        deadline_s=deadline_s,
        repairs=repairs,
    )
    session = open_session(prepared.job)
    try:
        fitted = fit(
            session,
            prepared.job,
            rules,
            stage=f"fold:{number}",
            recorder=recorder,
            stop=stop,
            checkpoints=prepared.job.workdir / "checkpoints",
            resumable=False,
            anew=open_session,
        )
        write_model(target / "model", plan.model, [(fitted, prepared.features)])
    finally:
        session.close()
    facts = {"rounds": fitted.rounds, "stopped_by": fitted.progress.reason, "inputs": inputs}
    write_json(target / "fold.json", facts)


def _is_done(target: Path, inputs: str) -> bool:
    try:
        return bool(json.loads((target / "fold.json").read_text()).get("inputs") == inputs)
    except (OSError, json.JSONDecodeError):
        return False


def _write_out_of_fold(dataset: "Dataset", positions: "np.ndarray", predicted: "np.ndarray", folder: RunFolder) -> None:
    order = positions.argsort(kind="stable")
    part = take(dataset.train, positions[order], "oof")
    write_predictions(folder.predictions / "oof.parquet", part, dataset.target, predicted[order])
