"""The stage of cross-validation: one model a fold, where the spec asks for it."""

from dataclasses import replace
from typing import TYPE_CHECKING

from trainwright.core.findings import Finding, Severity
from trainwright.fit.folds import Fold, train_folds
from trainwright.fit.plan import Plan
from trainwright.stages.training import policy_of
from trainwright.stages.work import Work

if TYPE_CHECKING:
    from trainwright.data.dataset import Dataset


def cross_validate(work: Work, dataset: "Dataset", plan: Plan) -> list[Fold]:
    """Train one model a fold when the spec asks for it; results go to ``cross_validation.json``."""
    wanted = work.loaded.spec.cross_validation
    if wanted is None:
        return []
    with work.stage("cross_validation"):
        folds = train_folds(
            dataset,
            plan,
            folds=wanted.folds,
            strategy=wanted.strategy,
            columns=work.loaded.spec.data.columns,
            folder=work.folder,
            inputs=work.inputs(),
            seeds=work.seeds.child("cross-validation"),
            recorder=work.recorder,
            stop=work.stop,
            pipeline=work.pipeline,
            share_of_time=work.share_of_time,
            repairs=replace(policy_of(work.loaded.spec.training.repairs), repeat=()),
        )
        work.add(_cut_folds(folds))
    return folds


def _cut_folds(folds: list[Fold]) -> list[Finding]:
    """Say that the time budget ended folds early: their scores are those of shorter trainings."""
    cut = [fold.number for fold in folds if fold.stopped_by == "time_budget"]
    if not cut:
        return []
    return [
        Finding(
            code="budget.folds_cut",
            severity=Severity.WARNING,
            where="cross_validation",
            what=f"the time budget ended {len(cut)} of {len(folds)} folds before they were done",
            why="their scores are those of shorter trainings",
            fix="Raise training.time_budget, or use fewer folds",
            evidence={"folds": cut},
        )
    ]
