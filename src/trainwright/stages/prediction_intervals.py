"""What a run keeps so that its predictions can have intervals, and how those held on its test rows."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.core.tasks import Task
from trainwright.fit.conformal import LEVEL, Coverage, Residuals, residuals_of, rows_needed
from trainwright.fit.folds import Fold
from trainwright.run.files import write_json
from trainwright.stages.work import Work

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.dataset import Dataset, Part

_FEW = 100
"""Validation rows, as their weights count them, below which out-of-fold rows are taken where there are more of those:
assumption. Given n rows, the coverage of all later rows varies by sqrt(level (1 - level) / (n + 2)), 3% here."""

_CHANCE = 3.0
"""Standard deviations by which the coverage may fall short before it is a finding: assumption, one run in 700."""


def keep_intervals(
    work: Work, dataset: "Dataset", folds: Sequence[Fold], scored: "Mapping[str, tuple[Part, np.ndarray]]"
) -> None:
    """Write ``data/prediction_intervals.json``, and note in ``run.json`` how intervals hold on test rows.

    ``scored``: the parts, ``test`` among them where there is one, and what the delivered model predicts for them.
    """
    if dataset.target.task is not Task.REGRESSION:
        return
    residuals = _residuals(work, dataset, folds, *scored["val"])
    if residuals is None:
        return
    write_json(work.folder.data / "prediction_intervals.json", residuals.to_json())
    possible = residuals.effective_rows >= rows_needed(LEVEL)
    held = None
    if possible and "test" in scored:
        part, predicted = scored["test"]
        held = residuals.coverage(LEVEL, part="test", y=part.y, predicted=predicted, weight=part.weight)
        work.add(_falls_short(held, residuals))
    noted: dict[str, JsonValue] = {
        "source": residuals.source,
        "rows": residuals.rows,
        "level": LEVEL,
        "rows_needed": rows_needed(LEVEL),
        "possible": possible,
        "coverage": to_json(held),
        "unlike": _unlike(work, dataset),
    }
    work.record["prediction_intervals"] = noted


def _residuals(
    work: Work, dataset: "Dataset", folds: Sequence[Fold], val: "Part", predicted: "np.ndarray"
) -> Residuals | None:
    """Those of validation rows: no delivered model was fitted on them. Out-of-fold rows are predicted by the models of
    the folds, so they stand in only where validation rows are few."""
    found = residuals_of(val.y, predicted, val.weight, source="val")
    if not folds or (found is not None and found.effective_rows >= _FEW):
        return found
    others = _out_of_fold(work, dataset)
    if others is None or (found is not None and found.effective_rows >= others.effective_rows):
        return found
    return others


def _out_of_fold(work: Work, dataset: "Dataset") -> Residuals | None:
    import numpy as np
    import pandas as pd

    stored = pd.read_parquet(work.folder.predictions / "oof.parquet", columns=["row", "target", "prediction"])
    weight = None
    if dataset.train.weight is not None:
        weight = dataset.train.weight[np.searchsorted(dataset.train.rows, stored["row"].to_numpy())]
    return residuals_of(stored["target"].to_numpy(), stored["prediction"].to_numpy(), weight, source="oof")


def _unlike(work: Work, dataset: "Dataset") -> str:
    """Why test rows may differ from those that intervals were made of; empty where both were drawn from one file."""
    data = work.loaded.spec.data
    given = data.test_path is not None or "test" in (work.frames or {})
    words = {
        "time": "the split is by time, so later rows may differ from those that the intervals were made of",
        "group": "the split is by groups, and the rows of one group err alike",
        "given": "the parts were given, and nothing says that they were drawn alike",
    }
    return words.get(dataset.split.strategy, words["given"] if given else "")


def _falls_short(held: Coverage, residuals: Residuals) -> list[Finding]:
    variance = held.level * (1 - held.level)
    spread = math.sqrt(variance / held.rows + variance / (residuals.effective_rows + 2))
    if held.share >= held.level - _CHANCE * spread:
        return []
    return [
        Finding(
            code="intervals.coverage",
            severity=Severity.WARNING,
            where="prediction intervals",
            what=f"{held.level:.0%} intervals hold {held.share:.1%} of {held.rows:,} {held.part} rows",
            why="that is less than chance explains: these rows differ from those that the intervals were made of",
            fix="Split the data as it will be used, or do not rely on the intervals",
            evidence={"level": held.level, "coverage": held.share, "rows": held.rows, "chance": _CHANCE * spread},
        )
    ]
