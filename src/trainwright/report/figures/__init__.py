"""Figures of a run. A figure that fails costs a Finding, never the document."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from trainwright.core.findings import Finding, Severity
from trainwright.report.facts import Facts
from trainwright.report.figures import classes, learning, numbers, search, style
from trainwright.run.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw: TypeAlias = "Callable[[Facts], Figure | None]"

FIGURES: dict[str, tuple[Draw, str]] = {
    "learning_curves": (learning.learning_curves, "Learning curves"),
    "baselines": (learning.baselines, "Model and baselines"),
    "search_history": (search.search_history, "Search history"),
    "search_importance": (search.search_importance, "Importance of parameters in the search"),
    "confusion_matrix": (classes.confusion_matrix, "Confusion matrix"),
    "roc_curve": (classes.roc_curve, "ROC curve"),
    "pr_curve": (classes.pr_curve, "Precision and recall"),
    "calibration": (classes.calibration, "Calibration"),
    "predicted_vs_actual": (numbers.predicted_vs_actual, "Predicted against actual"),
    "residuals": (numbers.residuals, "Residuals"),
    "feature_importance": (learning.feature_importance, "Feature importance"),
    "class_shares": (classes.class_shares, "Classes by part of the split"),
    "target_distribution": (numbers.target_distribution, "Target by part of the split"),
}
"""Every figure by file name, in the order of the report: how it is drawn, and its caption."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Figures that were written: (name, path) in the order of `FIGURES`, and what went wrong with others."""

    figures: tuple[tuple[str, Path], ...]
    findings: tuple[Finding, ...]


def draw(facts: Facts, folder: Path) -> Drawn:
    """Write every figure that fits the run to ``folder/<name>.png``; a figure that does not fit is removed there."""
    drawn: list[tuple[str, Path]] = []
    findings: list[Finding] = []
    with style.look():
        for name, (make, _) in FIGURES.items():
            path = folder / f"{name}.png"
            try:
                figure = make(facts)
                if figure is None:
                    path.unlink(missing_ok=True)
                    continue
                write_bytes(path, style.png(figure))
            except Exception as error:  # noqa: BLE001 - a plot of odd data must not cost the report; it becomes a finding
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
                findings.append(_failed(name, error))
                continue
            drawn.append((name, path))
    return Drawn(figures=tuple(drawn), findings=tuple(findings))


def _failed(name: str, error: Exception) -> Finding:
    return Finding(
        code="report.figure_failed",
        severity=Severity.WARNING,
        where=f"plots/{name}.png",
        what=f"the figure could not be drawn: {type(error).__name__}: {error}",
        why="the report is complete without it",
        fix="Free disk space if that is the cause, then run `trainwright report` again; otherwise please report it",
    )
