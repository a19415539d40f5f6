"""What is computed from stored predictions for page and figures: by class, the worst rows, what is merged."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from trainwright.report import classes, learning, tables
from trainwright.report.facts import Facts, gather


def test_scores_by_class_are_those_of_scikit_learn(originals: dict[str, Path]) -> None:
    facts = gather(originals["multiclass"])
    stored = pd.read_parquet(originals["multiclass"] / "predictions" / "test.parquet")
    names = list(facts.classes)
    precision, recall, f1, rows = metrics.precision_recall_fscore_support(
        stored["target"], stored["prediction"], labels=names
    )
    found = classes.class_scores(facts)
    assert [s.name for s in found] == names
    assert [s.rows for s in found] == rows.tolist()
    assert [s.precision for s in found] == pytest.approx(precision)
    assert [s.recall for s in found] == pytest.approx(recall)
    assert [s.f1 for s in found] == pytest.approx(f1)
    for score in found:
        wrong = stored[(stored["target"] == score.name) & (stored["prediction"] != score.name)]["prediction"]
        counts = wrong.value_counts()
        assert score.taken == (counts.max() if len(counts) else 0)
        assert score.taken_for in ([""] if counts.empty else counts[counts == counts.max()].index.tolist())


def test_a_class_nobody_predicts_or_holds_has_no_score(originals: dict[str, Path]) -> None:
    facts = gather(originals["multiclass"])
    held = facts.predictions["test"]
    never = replace(held, predicted=np.zeros_like(held.predicted), y=np.minimum(held.y, 1))
    scores = classes.class_scores(replace(facts, predictions={"test": never}))
    assert scores[1].precision is None
    assert scores[1].recall == 0.0
    assert scores[2].recall is scores[2].precision is scores[2].f1 is None
    assert scores[2].rows == 0


def test_the_surest_mistakes_come_first_and_are_mistakes(originals: dict[str, Path]) -> None:
    facts = gather(originals["binary"])
    stored = pd.read_parquet(originals["binary"] / "predictions" / "test.parquet").set_index("row")
    found = tables.mistakes_table(facts, most=5)
    assert found is not None
    wrong = stored[stored["target"] != stored["prediction"]]
    claimed = np.where(wrong["prediction"] == "Yes", wrong["proba_Yes"], wrong["proba_No"])
    assert [row[3] for row in found.rows] == [f"{c:.1%}" for c in sorted(claimed, reverse=True)[:5]]
    for row in found.rows:
        assert (row[1], row[2]) == tuple(stored.loc[int(row[0]), ["target", "prediction"]])


def test_the_largest_errors_come_first(originals: dict[str, Path]) -> None:
    stored = pd.read_parquet(originals["regression"] / "predictions" / "test.parquet")
    found = tables.mistakes_table(gather(originals["regression"]), most=3)
    assert found is not None
    worst = (stored["prediction"] - stored["target"]).abs().sort_values(ascending=False, kind="stable").index[:3]
    assert [int(row[0]) for row in found.rows] == stored.loc[worst, "row"].tolist()


def test_the_rarest_of_too_many_classes_are_put_together(originals: dict[str, Path]) -> None:
    facts = gather(originals["multiclass"])
    held = facts.predictions["test"]
    rng = np.random.default_rng(0)
    size, rows = 40, 2000
    names = tuple(f"k{i}" for i in range(size))
    y = np.minimum(rng.geometric(0.1, rows) - 1, size - 1)
    guess = rng.permutation(y)
    many = replace(held, rows=np.arange(rows), y=y, predicted=guess, probability=np.zeros((rows, size)), classes=names)
    found = classes.confusion(replace(facts, classes=names, predictions={"test": many}))
    assert found is not None
    assert len(found.names) == classes.MOST_CLASSES
    assert found.names[-1] == "16 others"
    kept = [int(n[1:]) for n in found.names[:-1]]
    for place, code in enumerate(kept):
        assert found.counts[place].sum() == (y == code).sum()
        assert found.counts[place, place] == ((y == code) & (guess == code)).sum()
    assert found.counts.sum() == rows
    assert min((y == k).sum() for k in kept) >= max((y == k).sum() for k in range(size) if k not in kept)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_model_stands_among_its_baselines_by_the_metrics_direction(originals: dict[str, Path], task: str) -> None:
    facts = gather(originals[task])
    found = learning.standing(facts)
    assert found is not None
    scores = [score for _, score, _ in found.rows]
    assert scores == sorted(scores, reverse=not facts.higher_is_better), "the worst first"
    assert [score for _, score, ours in found.rows if ours] == [facts.metric("val")]


def test_curves_of_few_classes_are_all_named_and_of_many_the_three_weakest(
    copied: Callable[[str], Path], originals: dict[str, Path]
) -> None:
    facts: Facts = gather(originals["multiclass"])
    few = classes.curves(facts, precision_recall=False)
    assert few is not None
    assert [line.named for line in few.lines] == [True, True, True]
    held = facts.predictions["test"]
    rng = np.random.default_rng(1)
    names = tuple(f"k{i}" for i in range(9))
    y = rng.integers(0, 9, 400)
    probability = rng.random((400, 9)) + np.eye(9)[y] * np.linspace(0, 2, 9)
    many = replace(held, rows=np.arange(400), y=y, predicted=y, probability=probability, classes=names)
    found = classes.curves(replace(facts, classes=names, predictions={"test": many}), precision_recall=True)
    assert found is not None
    weakest = sorted(found.lines, key=lambda line: line.area)[:3]
    assert [line for line in found.lines if line.named] == sorted(weakest, key=found.lines.index)
    assert weakest[0].label in found.title
