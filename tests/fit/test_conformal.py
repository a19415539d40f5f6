"""Prediction intervals: the rule of split conformal prediction, what it promises, and when it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.fit.conformal import Offsets, Residuals, read_residuals, residuals_of, rows_needed


def made(residuals: "np.ndarray | list[float]", weight: "np.ndarray | None" = None) -> Residuals:
    """Of rows whose prediction is 0."""
    y = np.asarray(residuals, dtype=np.float64)
    found = residuals_of(y, np.zeros(len(y)), weight, source="val")
    assert found is not None
    return found


def test_the_promise_holds_on_each_side_whatever_the_distribution() -> None:
    """39 rows at 90%: ranks 2 and 38 of 40, so a new row lies on each side with a probability of 2 / 40 exactly."""
    draw, tries = np.random.default_rng(3), 4_000
    rows = draw.exponential(size=(tries, 40)) ** 2  # skewed
    ends = [made(one[:39]).offsets(0.9) for one in rows]
    below = np.mean([one[39] < end.lower for one, end in zip(rows, ends, strict=True)])
    above = np.mean([one[39] > end.upper for one, end in zip(rows, ends, strict=True)])
    spread = np.sqrt(0.05 * 0.95 / tries)
    assert abs(below - 0.05) < 4 * spread
    assert abs(above - 0.05) < 4 * spread


def test_ends_are_those_of_the_rule() -> None:
    assert made(np.arange(1.0, 20.0)).offsets(0.9) == Offsets(1.0, 19.0)
    assert made(np.arange(1.0, 40.0)).offsets(0.9) == Offsets(2.0, 38.0)
    assert made(np.arange(1.0, 4.0)).offsets(0.5) == Offsets(1.0, 3.0)


@pytest.mark.parametrize(
    ("level", "rows"), [(0.5, 3), (0.8, 9), (0.9, 19), (0.95, 39), (0.99, 199), (0.999, 1999), (0.9999, 19999)]
)
def test_one_row_too_few_is_refused_with_the_number_it_takes(level: float, rows: int) -> None:
    assert rows_needed(level) == rows
    made(np.arange(float(rows))).offsets(level)
    with pytest.raises(SpecError, match=f"needs {rows:,} rows, and this run has {rows - 1:,} validation rows"):
        made(np.arange(rows - 1.0)).offsets(level)


def test_a_refusal_names_the_largest_level_there_is() -> None:
    few = made(np.arange(30.0))
    with pytest.raises(SpecError, match=r"Ask for 0\.93 at most, or train with more"):
        few.offsets(0.95)
    few.offsets(0.93)
    with pytest.raises(SpecError, match=r"has 1 validation row\. Train with more"):
        made([1.0]).offsets(0.5)


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5, -0.1, 90.0, float("nan"), float("inf")])
def test_what_is_no_level_is_refused(level: float) -> None:
    with pytest.raises(SpecError, match="above 0 and below 1"):
        made(np.arange(100.0)).offsets(level)


def test_equal_weights_are_none() -> None:
    draw = np.random.default_rng(0).normal(size=57)
    assert made(draw, np.full(57, 0.3)).offsets(0.9) == made(draw).offsets(0.9)
    assert made(draw, np.full(57, 0.3)).effective_rows == pytest.approx(57)


@pytest.mark.parametrize("rows", [19, 39, 59, 199, 999])
@pytest.mark.parametrize("weight", [0.1, 0.3, 0.7, 3.0])
def test_ranks_do_not_depend_on_how_sums_of_weights_are_rounded(rows: int, weight: float) -> None:
    """At 90%, 20 k - 1 rows have their ends at the ranks k and 19 k exactly."""
    ends = made(np.arange(1.0, rows + 1), np.full(rows, weight)).offsets(0.9)
    assert ends == Offsets((rows + 1) // 20, 19 * (rows + 1) // 20)


def test_heavy_rows_count_more_and_leave_fewer() -> None:
    draw = np.sort(np.random.default_rng(0).normal(size=200))
    heavy = np.where(np.arange(200) >= 180, 4.0, 1.0)  # the largest residuals
    assert made(draw, heavy).offsets(0.8).upper > made(draw).offsets(0.8).upper
    assert made(draw, heavy).offsets(0.8).lower < made(draw).offsets(0.8).lower + 0.5
    assert made(draw, heavy).effective_rows == pytest.approx(260 / 4)
    with pytest.raises(SpecError, match=r"needs 199 rows.*200 validation rows, which their weights make 65"):
        made(draw, heavy).offsets(0.99)


def test_rows_without_weight_do_not_count() -> None:
    found = made(np.arange(40.0), np.where(np.arange(40) < 20, 1.0, 0.0))
    assert (found.rows, found.offsets(0.9).upper) == (20, 19.0)
    assert residuals_of(np.ones(3), np.zeros(3), np.zeros(3), source="val") is None


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_prediction_that_is_no_number_leaves_no_intervals(wrong: float) -> None:
    assert residuals_of(np.ones(3), np.array([0.0, wrong, 0.0]), None, source="val") is None


def test_coverage_is_counted_by_side_and_weight() -> None:
    found = made(np.arange(-9.0, 10.0))
    y = np.array([-10.0, 0.0, 9.0, 20.0])
    plain = found.coverage(0.9, part="test", y=y, predicted=np.zeros(4), weight=None)
    assert (plain.share, plain.below, plain.above, plain.width, plain.rows) == (0.5, 0.25, 0.25, 18.0, 4)
    weighed = found.coverage(0.9, part="test", y=y, predicted=np.zeros(4), weight=np.array([1.0, 6.0, 2.0, 1.0]))
    assert weighed.share == pytest.approx(0.8)


@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_stored_of_many_rows_is_never_narrower(weighted: bool, tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    y, weight = draw.standard_t(3, size=50_000), draw.uniform(1, 2, 50_000) if weighted else None
    found = made(y, weight)
    (tmp_path / "stored.json").write_text(json.dumps(found.to_json()))
    assert (tmp_path / "stored.json").stat().st_size < 200_000
    read = read_residuals(tmp_path / "stored.json")
    ranks = np.sort(y)
    for level in (0.5, 0.9, 0.99, 0.9999):
        ends = read.offsets(level)
        assert ends == found.offsets(level)
        share = np.searchsorted(ranks, ends.upper, "right") / len(y), np.searchsorted(ranks, ends.lower) / len(y)
        slack = 0.0 if not weighted else 0.01  # the residuals are shared among weights
        assert (1 + level) / 2 - slack <= share[0] <= (1 + level) / 2 + 1 / 2_000 + 2 / 50_000 + slack
        assert (1 - level) / 2 - 1 / 2_000 - 2 / 50_000 - slack <= share[1] <= (1 - level) / 2 + slack


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"residuals": [3.0, 1.0]},
        {"residuals": []},
        {"residuals": "many"},
        {"residuals": [[1.0], [2.0]]},
        {"through": [1.0]},
        {"largest": 0.0},
        {"source": "train"},
        {"rows": None},
    ],
)
def test_a_damaged_file_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "stored.json").write_text(json.dumps({**made([1.0, 2.0]).to_json(), **change}))
    with pytest.raises(ArtifactRefused):
        read_residuals(tmp_path / "stored.json")
