"""Counts of training rows by column, kept with a run."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.data.builders import load, people
from trainwright.core.errors import ArtifactRefused
from trainwright.data.dataset import Kind
from trainwright.data.profile import ColumnBins, make_profile, read_profile


def test_bins_of_numbers_categories_and_gaps() -> None:
    numbers = ColumnBins(name="a", kind=Kind.NUMERIC, edges=(1.0, 2.0))
    assert numbers.count(pd.Series([0, 1, 1.5, 2, 3, np.nan])).tolist() == [2, 2, 1, 1]
    named = ColumnBins(name="b", kind=Kind.CATEGORICAL, categories=("x", "y"))
    assert named.count(pd.Series(["x", "x", "z", None, "y"], dtype="str")).tolist() == [2, 1, 1, 1]
    empty = ColumnBins(name="c", kind=Kind.NUMERIC)
    assert empty.count(pd.Series([np.nan, 1.0])).tolist() == [1, 1]


def test_every_row_is_counted_once_and_the_file_reads_back(tmp_path: Path) -> None:
    dataset = load()
    parts = {"train": dataset.train.frame, "val": dataset.val.frame}
    profile = make_profile(parts, dataset.schema)
    kinds = {c.name: c.kind for c in profile.columns}
    assert set(kinds) == {
        c.name for c in dataset.schema.features if c.kind in ("numeric", "datetime", "categorical", "boolean")
    }
    for part, frame in parts.items():
        assert {sum(one) for one in profile.counts[part]} == {len(frame)}
    for column, counts in zip(profile.columns, profile.counts["train"], strict=True):
        if column.kind is Kind.NUMERIC and len(column.edges) == 9:
            assert max(counts[:-1]) <= 2 * len(dataset.train) / 10, column.name
    (tmp_path / "profile.json").write_text(json.dumps(profile.to_json()))
    again = read_profile(tmp_path / "profile.json")
    assert again.columns == profile.columns
    assert again.counts == profile.counts
    assert [c.tolist() for c in again.count(dataset.val.frame)] == profile.counts["val"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 9}', '{"format": 1}', '{"format": 1, "columns": [{}]}'])
def test_a_damaged_profile_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "profile.json").write_text(text)
    with pytest.raises(ArtifactRefused):
        read_profile(tmp_path / "profile.json")


def test_dates_are_compared_as_moments() -> None:
    frame = people().assign(joined=pd.date_range("2020-01-01", periods=400, freq="D").astype(str))
    dataset = load(frame)
    profile = make_profile({"train": dataset.train.frame}, dataset.schema)
    column = next(c for c in profile.columns if c.name == "joined")
    assert column.kind is Kind.DATETIME
    later = pd.Series(pd.date_range("2030-01-01", periods=5), name="joined")
    assert column.count(later).tolist()[-2] == 5
