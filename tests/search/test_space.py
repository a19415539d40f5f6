"""Spaces: reading, conditions, points, and what becomes of odd values."""

import pytest

from tests.search.builders import SPACE
from trainwright.families.contract import Range
from trainwright.search.space import (
    applies,
    ends,
    filled,
    grid,
    holds,
    in_order,
    key_of,
    middle,
    nearest,
    points,
    read_space,
    rounded,
    size,
)


def test_a_written_space_becomes_ranges_with_parents_first():
    space = read_space(
        {
            "drop": {"low": 0.1, "high": 0.5, "when": {"kind": ["dart"]}},
            "kind": ["plain", "dart"],
            "leaves": {"low": 2, "high": 9, "int": True, "step": 3},
            "sizes": {"choices": [[8, 8], [16]]},
        }
    )
    assert list(space) == ["kind", "leaves", "sizes", "drop"]
    assert space["drop"] == Range(low=0.1, high=0.5, when={"kind": ("dart",)})
    assert space["kind"].choices == ("plain", "dart")
    assert space["sizes"].choices == ([8, 8], [16])
    assert (space["leaves"].integer, space["leaves"].step) == (True, 3.0)


def test_one_value_of_a_condition_needs_no_list():
    assert read_space({"a": {"low": 0, "high": 1, "when": {"b": True}}, "b": [True, False]})["a"].when == {"b": (True,)}


def test_conditions_in_a_circle_are_refused():
    with pytest.raises(ValueError, match="a, b go in a circle"):
        in_order({"a": Range(choices=(1,), when={"b": (1,)}), "b": Range(choices=(1,), when={"a": (1,)})})


def test_a_condition_holds_by_chosen_or_fixed_values_and_tells_true_from_one():
    drop = SPACE["drop"]
    assert applies(drop, {"kind": "dart"}, {})
    assert applies(drop, {}, {"kind": "dart"})
    assert not applies(drop, {"kind": "plain"}, {"kind": "dart"})
    assert not applies(drop, {}, {})
    assert not applies(Range(choices=(1,), when={"flag": (True,)}), {"flag": 1}, {})


@pytest.mark.parametrize(
    ("dimension", "value", "held"),
    [
        (SPACE["leaves"], 64, True),
        (SPACE["leaves"], 65, False),
        (SPACE["leaves"], 3.5, False),
        (SPACE["leaves"], True, False),
        (SPACE["kind"], "dart", True),
        (SPACE["kind"], "goss", False),
        (Range(choices=(1, 2)), True, False),
        (Range(choices=([8], [16])), [16], True),
        (SPACE["rate"], "auto", False),
    ],
)
def test_what_a_dimension_holds(dimension, value, held):
    assert holds(dimension, value) is held


def test_the_highest_value_lies_on_a_step():
    assert ends(Range(low=0.0, high=1.0, step=0.3)) == (0.0, pytest.approx(0.9))
    assert points(Range(low=0.0, high=1.0, step=0.3)) == (0.0, 0.3, 0.6, 0.9)


def test_grid_points_of_whole_numbers_on_a_log_scale_double():
    assert points(Range(low=3, high=20, integer=True, log=True)) == (3, 6, 12, 20)
    assert points(Range(low=3, high=5, integer=True)) == (3, 4, 5)
    with pytest.raises(ValueError, match="finite list"):
        points(SPACE["rate"])


def test_a_grid_leaves_out_what_does_not_apply():
    space = {"kind": SPACE["kind"], "drop": Range(choices=(0.1, 0.2), when={"kind": ("dart",)})}
    assert list(grid(space, {})) == [
        {"kind": "plain"},
        {"kind": "dart", "drop": 0.1},
        {"kind": "dart", "drop": 0.2},
    ]
    assert size(space, {}) == 3
    assert size(SPACE, {}) is None


def test_values_are_short_and_stay_in_range():
    assert rounded(SPACE["rate"], 0.123456789) == 0.123457
    assert rounded(Range(low=0.0, high=0.1234567), 0.1234567) == 0.1234567
    assert rounded(SPACE["leaves"], 8.0) == 8
    assert nearest(SPACE["rate"], 5) == 1.0
    assert nearest(SPACE["leaves"], 31) == 31
    assert nearest(SPACE["kind"], "goss") is None
    assert nearest(SPACE["rate"], "auto") is None


def test_the_middle_is_one_of_the_scale():
    assert middle(SPACE["rate"]) == pytest.approx(0.1)
    assert middle(SPACE["leaves"]) == 11
    assert middle(SPACE["kind"]) == "plain"
    assert middle(Range(low=8, high=32, integer=True, step=4)) == 20
    assert filled(SPACE, {"kind": "dart", "rate": 0.5}, {}) == {"rate": 0.5, "leaves": 11, "kind": "dart", "drop": 0.25}
    assert "drop" not in filled(SPACE, {}, {})


def test_equal_configurations_have_one_key():
    assert key_of({"a": 1, "b": "x"}) == key_of({"b": "x", "a": 1.0})
    assert key_of({"a": 1}) != key_of({"a": True})
