"""Jobs for the model checks, on scikit-learn's own engine."""

from pathlib import Path

import numpy as np

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import ModelPlan
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.engines.contract import Job, Table

BOOSTING = "sklearn.ensemble.HistGradientBoosting"


def plan(
    estimator: str, *, rounds: int = 100, unit: str = "round", engine: str = "sklearn", **params: JsonValue
) -> ModelPlan:
    return ModelPlan(
        family=estimator.rpartition(".")[2].lower(),
        engine=engine,
        estimator=estimator,
        params=params,
        rounds=rounds,
        patience=20 if unit != "fit" else 0,
        features="ordinal",
        loss="",
        unit=unit,  # type: ignore[arg-type]  # tests name it plainly
    )


def job(tmp_path: Path, task: Task, model: ModelPlan, *, rows: int = 600, seed: int = 0) -> Job:
    """A job with a target that follows the first two of five columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 5))
    signal = X[:, 0] + 0.5 * X[:, 1] ** 2
    if task is Task.REGRESSION:
        y = signal + 0.1 * rng.normal(size=rows)
    else:
        classes = 2 if task is Task.BINARY else 3
        y = np.searchsorted(np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1]), signal).astype(np.int64)
    cut = rows * 3 // 4
    return Job(
        task=task,
        num_classes=0 if task is Task.REGRESSION else int(y.max()) + 1,
        plan=model,
        train=Table(X=X[:cut], y=y[:cut]),
        val=Table(X=X[cut:], y=y[cut:]),
        feature_names=tuple(f"x{i}" for i in range(5)),
        categorical=(),
        category_sizes=(),
        seeds=Seeds(1),
        threads=1,
        device="cpu",
        workdir=tmp_path,
    )
