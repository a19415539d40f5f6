"""From a plan to an estimator: the class, every parameter, and how it is trained."""

import importlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from trainwright.core.errors import SpecError
from trainwright.core.plan import ModelPlan
from trainwright.engines.contract import Job

Estimator: TypeAlias = Any
"""A scikit-learn estimator: the framework has no types for it."""


class Style(StrEnum):
    """How an estimator is trained."""

    FIT = "fit"  # one call of fit
    FOREST = "forest"  # blocks of trees by warm_start
    HIST_BOOSTING = "hist_boosting"  # blocks of rounds by warm_start, on rows that were binned once
    BOOSTING = "boosting"  # GradientBoosting: blocks of rounds by warm_start
    EPOCHS = "epochs"  # an epoch by partial_fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What `make` needs to know about an estimator class: its training style and the parameter that counts rounds."""

    cls: type
    style: Style
    rounds_name: str


def recipe(plan: ModelPlan) -> Recipe:
    """Look the estimator of a plan up.

    Raises:
        SpecError: the path is outside scikit-learn or names nothing.
    """
    cls = estimator_class(plan.estimator)
    if plan.unit == "fit":
        return Recipe(cls=cls, style=Style.FIT, rounds_name="")
    if plan.unit == "epoch":
        return Recipe(cls=cls, style=Style.EPOCHS, rounds_name="")
    if cls.__name__.startswith("HistGradientBoosting"):
        return Recipe(cls=cls, style=Style.HIST_BOOSTING, rounds_name="max_iter")
    return Recipe(cls=cls, style=Style.FOREST if plan.unit == "tree" else Style.BOOSTING, rounds_name="n_estimators")


def estimator_class(path: str) -> type:
    """Import ``sklearn.ensemble.RandomForestClassifier``.

    Raises:
        SpecError: the path is outside scikit-learn or names nothing.
    """
    module, _, name = path.rpartition(".")
    if module != "sklearn" and not module.startswith("sklearn."):
        raise SpecError(
            f"the sklearn engine trains estimators of scikit-learn, got {path!r}. Give sklearn.<module>.<Class>."
        )
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        found = None
    if not isinstance(found, type):
        raise SpecError(f"scikit-learn has no {path!r}. Look its import path up in the scikit-learn documentation.")
    return found


def make(job: Job) -> Estimator:
    """The unfitted estimator of a job: the plan's parameters, our seed, warm start where rounds come in blocks."""
    import inspect

    found = recipe(job.plan)
    known = inspect.signature(found.cls).parameters
    params: dict[str, object] = dict(job.plan.params)
    if "random_state" in known:
        params["random_state"] = job.seeds.integer("sklearn")
    if found.style in (Style.FOREST, Style.HIST_BOOSTING, Style.BOOSTING):
        params["warm_start"] = True
    if found.style is Style.HIST_BOOSTING:
        params["early_stopping"] = False
        params["categorical_features"] = _native_categories(job, params.get("max_bins", 255))
    if found.style is Style.EPOCHS and "shuffle" in known:
        params["shuffle"] = False  # the session permutes rows: the order is a function of (seed, epoch)
    if found.style is Style.EPOCHS and "early_stopping" in known:
        params["early_stopping"] = False
    estimator = found.cls(**params)
    return _calibrated(estimator, job) if job.plan.options.get("calibrate") else estimator


def set_threads(estimator: Estimator, threads: int | None) -> None:
    """Set n_jobs where it has an effect; LogisticRegression warns that it has none any more."""
    names = estimator.get_params(deep=False)
    if "n_jobs" in names and type(estimator).__name__ != "LogisticRegression":
        estimator.set_params(n_jobs=threads)


def _native_categories(job: Job, max_bins: object) -> list[int] | None:
    """Category columns that fit in the bins; the others stay numbers (codes by frequency)."""
    limit = max_bins if isinstance(max_bins, int) else 255
    small = [c for c, size in zip(job.categorical, job.category_sizes, strict=True) if size <= limit]
    return small or None


def _calibrated(estimator: Estimator, job: Job) -> Estimator:
    """A classifier with a decision function only, and a sigmoid fitted on cross-validated decisions (Platt)."""
    import numpy as np
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import StratifiedKFold

    counts = np.bincount(job.train.y, minlength=job.num_classes)
    rarest = int(counts[counts > 0].min())
    # 5 folds: the default of CalibratedClassifierCV. Fewer where the rarest class has fewer rows.
    folds = StratifiedKFold(max(2, min(5, rarest)), shuffle=True, random_state=job.seeds.integer("calibration"))
    return CalibratedClassifierCV(estimator, method="sigmoid", cv=folds, ensemble=False)
