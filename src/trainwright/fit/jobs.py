"""From parts of a data set to a job an engine can train."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainwright.core import registry
from trainwright.core.errors import SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import ModelPlan
from trainwright.core.seeds import Seeds
from trainwright.engines.contract import Job, Session, Table

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.dataset import Dataset, Part
    from trainwright.data.features import Features
    from trainwright.data.pipelines import FeaturePipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A job and the features that were fitted for it, on its training rows only."""

    job: Job
    features: "Features"


def prepare_job(
    dataset: "Dataset",
    train: "Part",
    val: "Part | None",
    model: ModelPlan,
    *,
    seeds: Seeds,
    threads: int,
    device: str,
    class_weight: str,
    workdir: Path,
    pipeline: "FeaturePipeline | None" = None,
) -> Prepared:
    """Fit the features on ``train`` and turn both parts into tables.

    Raises:
        SpecError: weights are asked for and the model cannot use them.
    """
    from trainwright.data.features import fit_features

    features, X = fit_features(
        train,
        dataset.schema,
        dataset.target,
        style=model.features,
        accepts_sparse=model.accepts_sparse,
        seeds=seeds.child("features"),
        pipeline=pipeline,
        options=cast("Mapping[str, JsonValue]", model.options.get("features", {})),
    )
    weight = row_weights(train, dataset.target.num_classes, class_weight)
    if weight is not None and not model.accepts_weights:
        raise SpecError(
            f"{model.family} ({model.estimator}) cannot use row weights. "
            "Remove data.columns.weight and training.class_weight, or choose another family."
        )
    workdir.mkdir(parents=True, exist_ok=True)
    job = Job(
        task=dataset.target.task,
        num_classes=dataset.target.num_classes,
        plan=model,
        train=Table(X=X, y=train.y, weight=weight),
        val=None if val is None else Table(X=features.transform(val.frame), y=val.y, weight=val.weight),
        feature_names=features.names,
        categorical=features.categorical,
        category_sizes=features.category_sizes,
        seeds=seeds,
        threads=threads,
        device=device,
        workdir=workdir,
        vocabulary=features.vocabulary,
    )
    return Prepared(job=job, features=features)


def open_session(job: Job) -> Session:
    """Start the engine on a job."""
    return cast(Session, registry.load("engines", job.plan.engine).open(job))


def weighed(prepared: Prepared, part: "Part", class_weight: str) -> Prepared:
    """The same prepared rows under other weights of classes; ``part`` are the training rows as they were read.

    Raises:
        SpecError: there are row weights that the model cannot use.
    """
    job = prepared.job
    weight = row_weights(part, job.num_classes, class_weight)
    if weight is not None and not job.plan.accepts_weights:
        raise SpecError(f"{job.plan.family} ({job.plan.estimator}) cannot use row weights with these parameters")
    return replace(prepared, job=replace(job, train=replace(job.train, weight=weight)))


def row_weights(part: "Part", num_classes: int, class_weight: str) -> "np.ndarray | None":
    """Weights of training rows: the file's, times rows / (classes * rows of the class) when balanced, or the square
    root of that."""
    import numpy as np

    if class_weight == "none" or num_classes == 0:
        return part.weight
    counts = np.bincount(part.y, minlength=num_classes)
    per_class = len(part) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    per_class = np.sqrt(per_class) if class_weight == "sqrt" else per_class
    balanced: np.ndarray = per_class[part.y]
    return balanced if part.weight is None else balanced * part.weight


def take(part: "Part", positions: "np.ndarray", name: str) -> "Part":
    """The rows of a part at the given positions."""
    from trainwright.data.dataset import Part

    return Part(
        name=name,
        rows=part.rows[positions],
        frame=part.frame.iloc[positions].reset_index(drop=True),
        y=part.y[positions],
        weight=None if part.weight is None else part.weight[positions],
    )
