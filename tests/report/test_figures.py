"""Figures: the right ones for the task, the same bytes twice, and never the cause of a failure."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.report.folder import edit
from trainwright.report import figures
from trainwright.report.facts import gather
from trainwright.report.figures import classes, draw, style
from trainwright.report.predictions import Predictions
from trainwright.report.reliability import reliability

PNG = b"\x89PNG\r\n\x1a\n"
CLASSES = {
    "learning_curves",
    "baselines",
    "confusion_matrix",
    "roc_curve",
    "pr_curve",
    "feature_importance",
    "class_shares",
}
EXPECTED = {
    "binary": CLASSES | {"calibration"},
    "multiclass": CLASSES,  # 36 held-out rows are too few for a calibration curve
    "regression": {
        "learning_curves",
        "baselines",
        "feature_importance",
        "predicted_vs_actual",
        "residuals",
        "target_distribution",
    },
}


@pytest.mark.parametrize("task", sorted(EXPECTED))
def test_each_task_gets_its_figures(originals: dict[str, Path], tmp_path: Path, task: str) -> None:
    drawn = draw(gather(originals[task]), tmp_path)
    assert drawn.findings == ()
    assert {name for name, _ in drawn.figures} == EXPECTED[task]
    for name, path in drawn.figures:
        content = path.read_bytes()
        assert content.startswith(PNG)
        assert b"Software" not in content
        assert content == (originals[task] / "plots" / f"{name}.png").read_bytes()


def test_a_figure_that_breaks_is_a_finding_and_the_others_are_drawn(
    originals: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(facts: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setitem(figures.FIGURES, "roc_curve", (broken, "ROC"))
    (tmp_path / "roc_curve.png").write_bytes(b"of an earlier run")
    drawn = draw(gather(originals["binary"]), tmp_path)
    assert [f.code for f in drawn.findings] == ["report.figure_failed"]
    assert "no ink" in drawn.findings[0].what
    assert "roc_curve" not in dict(drawn.figures)
    assert not (tmp_path / "roc_curve.png").exists()
    assert (tmp_path / "pr_curve.png").exists()


def test_the_users_matplotlib_settings_neither_matter_nor_change(originals: dict[str, Path], tmp_path: Path) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 33.0, "axes.grid": True}):
        draw(gather(originals["regression"]), tmp_path)
        assert mpl.rcParams["font.size"] == 33.0
    assert (tmp_path / "residuals.png").read_bytes() == (
        originals["regression"] / "plots" / "residuals.png"
    ).read_bytes()


def test_one_fit_has_no_learning_curve(copied: Callable[[str], Path], tmp_path: Path) -> None:
    run = copied("binary")
    (run / "training_log.jsonl").write_text("")
    edit(run / "run.json", lambda r: r["model"].update(importance={}))
    assert {"learning_curves", "feature_importance"}.isdisjoint(dict(draw(gather(run), tmp_path).figures))


@pytest.mark.parametrize("count", [2, 9, 25, 60])
def test_any_number_of_classes_can_be_drawn(originals: dict[str, Path], count: int) -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"$class_{i}^" for i in range(count))
    y = rng.integers(0, count, 4000) if count > 2 else rng.integers(0, 2, 4000)
    probability = rng.dirichlet(np.ones(count), 4000)
    held = Predictions(
        part="test",
        rows=np.arange(4000),
        y=y,
        predicted=probability.argmax(axis=1),
        probability=probability,
        classes=names,
    )
    facts = replace(gather(originals["multiclass"]), classes=names, predictions={"test": held})
    with style.look():
        for make in (
            classes.confusion_matrix,
            classes.roc_curve,
            classes.pr_curve,
            classes.calibration,
            classes.class_shares,
        ):
            made = make(facts)
            assert made is not None
            assert style.png(made).startswith(PNG)


def test_reliability_measures_the_distance_from_the_truth() -> None:
    rng = np.random.default_rng(1)
    claimed = rng.uniform(0.2, 0.8, 20_000)
    honest = (rng.uniform(size=20_000) < claimed).astype(float)
    assert reliability(claimed, honest)[1] < 0.02
    points, error = reliability(claimed + 0.15, honest)
    assert error == pytest.approx(0.15, abs=0.01)
    assert len(points) == 10
