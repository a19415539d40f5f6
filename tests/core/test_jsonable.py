"""Anything of ours as JSON, the same bytes for the same value."""

import json
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.core.findings import Severity
from trainwright.core.jsonable import dumps, to_json
from trainwright.core.units import Duration


class _Colour(Enum):
    RED = "red"


class _Level(IntEnum):
    HIGH = 3


@dataclass(frozen=True)
class _Inner:
    values: tuple[float, ...]
    array: object


@dataclass(frozen=True)
class _Outer:
    inner: _Inner
    by_name: dict[str, _Inner] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), (True, True), (3, 3), ("x", "x"), (1.5, 1.5), (math.nan, "nan"), (math.inf, "inf"),
        (-math.inf, "-inf"), (_Colour.RED, "red"), (_Level.HIGH, 3),
        (Severity.ERROR, "error"), ({1: "a"}, {"1": "a"}), ((1, 2), [1, 2]),
        ({"b", "a"}, ["a", "b"]), (frozenset({2, 1}), [1, 2]), (Duration(5.0), {"seconds": 5.0}), ([], []), ({}, {}),
        (np.float64(1.5), 1.5), (np.float32(0.5), 0.5), (np.float64("nan"), "nan"), (np.float32("inf"), "inf"),
        (np.int64(4), 4), (np.uint8(4), 4), (np.bool_(1), True), (np.str_("s"), "s"), (np.array(2.5), 2.5),
        (np.array([1.0, math.nan]), [1.0, "nan"]), (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array([], dtype=float), []), (OrderedDict(b=1), {"b": 1}),
    ],
)  # fmt: skip
def test_values(value, expected):
    got = to_json(value)
    assert got == expected
    assert type(got) is type(expected)


def test_results_hold_only_plain_types():
    plain = to_json({"f": np.float64(1.0), "s": np.str_("s"), "i": _Level.HIGH, "e": Severity.INFO})
    assert {type(v) for v in plain.values()} == {float, str, int}


def test_paths_are_written_with_slashes(tmp_path):
    assert to_json(tmp_path / "a" / "b") == (tmp_path / "a" / "b").as_posix()


def test_nested_dataclasses():
    inner = _Inner(values=(1.0, math.inf), array=np.array([1, 2]))
    assert to_json(_Outer(inner, {"k": inner})) == {
        "inner": {"values": [1.0, "inf"], "array": [1, 2]},
        "by_name": {"k": {"values": [1.0, "inf"], "array": [1, 2]}},
    }


@pytest.mark.parametrize("value", [object(), 1j, b"bytes", _Outer, PurePosixPath, lambda: 1])
def test_what_has_no_json_form_is_refused(value):
    with pytest.raises(TypeError, match="no JSON form for"):
        to_json({"deep": [value]})


def test_equal_values_give_equal_bytes_whatever_their_order():
    assert dumps({"b": 1, "a": [np.float64(0.1)]}) == dumps({"a": [0.1], "b": np.int32(1)}) == '{"a":[0.1],"b":1}'
    assert dumps({"b": {3, 1, 2}, "ü": "é"}, indent=2) == '{\n  "b": [\n    1,\n    2,\n    3\n  ],\n  "ü": "é"\n}'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_json_reads_back_as_it_was(value):
    assert json.loads(dumps(value)) == value
