"""Splits and folds: what must stay together does, shares are kept, the same seed gives the same rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.builders import load, people
from trainwright.core.errors import DataRefused, SpecError
from trainwright.core.seeds import Seeds
from trainwright.data.folds import make_folds
from trainwright.data.split import SplitInputs, make_split
from trainwright.spec.models import Columns, Split

SHARES = {"test": 0.2, "val": 0.2}


def split(inputs: SplitInputs, strategy: str = "auto", seed: int = 1, shares: dict[str, float] | None = None):  # type: ignore[no-untyped-def]
    return make_split(inputs, shares or SHARES, strategy=strategy, seeds=Seeds(seed))


@pytest.mark.parametrize("strategy", ["random", "stratified", "group", "time"])
def test_parts_cover_all_rows_once_and_repeat_with_the_seed(strategy: str) -> None:
    rng = np.random.default_rng(0)
    inputs = SplitInputs(
        rows=1000,
        classes=rng.choice(3, 1000, p=[0.8, 0.15, 0.05]),
        groups=rng.integers(0, 200, 1000),
        times=rng.random(1000),
    )
    first, again, other = split(inputs, strategy), split(inputs, strategy), split(inputs, strategy, seed=2)
    assert sorted(np.concatenate(list(first.parts.values()))) == list(range(1000))
    for part, share in SHARES.items():
        assert abs(len(first.parts[part]) - 1000 * share) < 30
        assert first.parts[part].tolist() == again.parts[part].tolist()
    assert (first.parts["test"].tolist() == other.parts["test"].tolist()) is (strategy == "time")


def test_stratified_keeps_shares_of_classes() -> None:
    classes = np.repeat([0, 1, 2], [900, 90, 10])
    result = split(SplitInputs(rows=1000, classes=classes))
    assert result.strategy == "stratified"
    assert np.bincount(classes[result.parts["val"]]).tolist() == [180, 18, 2]
    assert np.bincount(classes[result.parts["test"]]).tolist() == [180, 18, 2]


def test_classes_too_rare_go_to_training_whole_and_others_are_everywhere() -> None:
    classes = np.repeat([0, 1, 2], [300, 3, 2])
    result = split(SplitInputs(rows=305, classes=classes, class_names=("common", "few", "rare")))
    assert [np.isin(1, classes[result.parts[p]]) for p in ("train", "val", "test")] == [True, True, True]
    assert (classes[result.parts["train"]] == 2).sum() == 2
    (finding,) = [f for f in result.findings if f.code == "data.rare_class"]
    assert finding.evidence["classes"] == {"rare": 2}


def test_groups_stay_whole_and_classes_are_spread() -> None:
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 300, 3000)
    classes = (rng.random(300) < 0.1).astype(int)[groups]
    result = split(SplitInputs(rows=3000, classes=classes, groups=groups))
    assert result.strategy == "group"
    sides = [set(groups[rows]) for rows in result.parts.values()]
    assert sum(map(len, sides)) == len(set(groups))
    shares = [classes[rows].mean() for rows in result.parts.values()]
    assert max(shares) - min(shares) < 0.03


def test_the_latest_rows_are_the_test_and_ties_stay_together() -> None:
    times = np.repeat(np.arange(100.0), 10)
    order = np.random.default_rng(0).permutation(1000)
    times = times[order]
    parts = split(SplitInputs(rows=1000, times=times)).parts
    assert times[parts["train"]].max() < times[parts["val"]].min()
    assert times[parts["val"]].max() < times[parts["test"]].min()
    assert len(parts["test"]) == 200


def test_rows_without_a_time_train_and_are_said() -> None:
    times = np.arange(100.0)
    times[[50, 99]] = np.nan
    result = split(SplitInputs(rows=100, times=times))
    assert {50, 99} <= set(result.parts["train"])
    assert "data.time_missing" in [f.code for f in result.findings]


@settings(max_examples=60, deadline=None)
@given(
    units=st.lists(st.integers(1, 15), min_size=12, max_size=80),
    classes=st.integers(1, 4),
    seed=st.integers(0, 5),
)
def test_equal_rows_stay_on_one_side_and_no_part_is_empty(units: list[int], classes: int, seed: int) -> None:
    keys = np.repeat(np.arange(len(units)), units)
    labels = np.random.default_rng(seed).integers(0, classes, len(keys)) if classes > 1 else None
    inputs = SplitInputs(rows=len(keys), classes=labels, duplicates=keys)
    try:
        result = split(inputs, seed=seed)
    except DataRefused:
        assert labels is not None  # every stratum may be too small to divide
        return
    seen = [set(keys[rows]) for rows in result.parts.values()]
    assert all(seen)
    assert sum(map(len, seen)) == len(units)
    assert len(result.parts["train"]) >= len(keys) / 4


def test_one_huge_unit_goes_to_training_and_the_rest_is_still_divided() -> None:
    keys = np.concatenate([np.zeros(900, dtype=int), np.arange(1, 101)])
    result = split(SplitInputs(rows=1000, duplicates=keys))
    assert 0 in keys[result.parts["train"]]
    assert min(len(rows) for rows in result.parts.values()) >= 20
    assert {"data.duplicates_together", "data.split_sizes"} <= {f.code for f in result.findings}


def test_features_of_few_values_do_not_hold_whole_values_out() -> None:
    result = split(SplitInputs(rows=1000, duplicates=np.arange(1000) % 8))
    assert [len(rows) for rows in result.parts.values()] == [600, 200, 200]
    assert [f.code for f in result.findings] == ["data.duplicates_coarse"]


@pytest.mark.parametrize(
    ("strategy", "inputs", "reason"),
    [
        ("group", SplitInputs(rows=10), "needs a column"),
        ("time", SplitInputs(rows=10), "needs a column"),
        ("stratified", SplitInputs(rows=10), "needs classes"),
        ("group", SplitInputs(rows=10, groups=np.zeros(10)), "too few groups"),
        ("time", SplitInputs(rows=10, times=np.zeros(10)), "too few different times"),
        ("time", SplitInputs(rows=3, times=np.full(3, np.nan)), "every row"),
    ],
)
def test_what_cannot_be_split_is_refused(strategy: str, inputs: SplitInputs, reason: str) -> None:
    with pytest.raises(DataRefused, match=reason):
        split(inputs, strategy)


def test_duplicates_in_a_data_set_are_found_over_features_and_can_be_let_go() -> None:
    frame = people(300)
    frame = frame.loc[np.repeat(frame.index, 2)].reset_index(drop=True)
    frame["customer_id"] = [f"D{i}" for i in range(len(frame))]  # the identifier must not hide the copies
    together, apart = load(frame), load(frame, split=Split(duplicates="keep"))

    def shared(dataset) -> int:  # type: ignore[no-untyped-def]
        return len(set(dataset.train.frame["comment"]) & set(dataset.val.frame["comment"]))

    assert shared(together) == 0
    assert shared(apart) > 0


@pytest.mark.parametrize(
    ("columns", "strategy"), [({"group": "household"}, "group"), ({"time": "joined"}, "time"), ({}, "stratified")]
)
def test_auto_follows_the_named_columns(columns: dict[str, str], strategy: str) -> None:
    dataset = load(**columns)
    assert dataset.split.strategy == strategy
    assert dataset.split.column == (next(iter(columns.values())) if columns else None)


def test_split_column_names_the_group_or_time() -> None:
    dataset = load(split=Split(strategy="time", column="joined"))
    assert dataset.schema["joined"].role == "time"
    assert dataset.train.frame["joined"].max() < dataset.val.frame["joined"].min()
    with pytest.raises(SpecError, match="no effect"):
        load(split=Split(strategy="random", column="joined"))
    with pytest.raises(DataRefused, match=r"city.*cannot be read"):
        load(split=Split(strategy="time", column="city"))


def folds(strategy: str, number: int = 4, **columns: object):  # type: ignore[no-untyped-def]
    dataset = load(**columns)
    part = dataset.train
    pairs = make_folds(
        part, dataset.target, folds=number, strategy=strategy, columns=Columns(**columns), seeds=Seeds(3)
    )
    return part, pairs


@pytest.mark.parametrize(
    ("strategy", "columns"), [("random", {}), ("stratified", {}), ("group", {"group": "household"})]
)
def test_folds_hold_every_row_out_once(strategy: str, columns: dict[str, str]) -> None:
    part, pairs = folds(strategy, **columns)
    assert sorted(np.concatenate([held for _, held in pairs])) == list(range(len(part)))
    sizes = [len(held) for _, held in pairs]
    assert max(sizes) - min(sizes) <= (1 if strategy != "group" else 12)
    for train, held in pairs:
        assert not set(train) & set(held)
        if strategy == "stratified":
            assert abs(part.y[held].mean() - part.y.mean()) < 0.02
        if strategy == "group":
            groups = part.frame["household"]
            assert not set(groups.iloc[train]) & set(groups.iloc[held])


def test_folds_by_time_train_on_the_past_only() -> None:
    part, pairs = folds("auto", time="joined")
    when = part.frame["joined"]
    last = when.min()
    for train, held in pairs:
        assert when.iloc[train].max() < when.iloc[held].min()
        assert when.iloc[held].min() > last
        last = when.iloc[held].min()
    assert len(pairs) == 4


def test_folds_keep_equal_rows_together_and_repeat() -> None:
    frame = people(200)
    frame = frame.loc[np.repeat(frame.index, 2)].reset_index(drop=True)
    frame["customer_id"] = [f"D{i}" for i in range(len(frame))]
    dataset = load(frame)
    first, again = (
        make_folds(dataset.train, dataset.target, folds=5, strategy="auto", columns=Columns(), seeds=Seeds(1))
        for _ in range(2)
    )
    comments = dataset.train.frame["comment"]
    for (train, held), (_, same) in zip(first, again, strict=True):
        assert held.tolist() == same.tolist()
        assert not set(comments.iloc[train]) & set(comments.iloc[held])


def test_folds_that_cannot_be_are_refused() -> None:
    with pytest.raises(SpecError, match=r"needs data.columns.group"):
        folds("group")
    with pytest.raises(DataRefused, match="500 folds need"):
        folds("random", 500)


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    frame = people()
    frame["household"] = frame["household"].astype("float64").mask(frame.index % 2 == 0)
    dataset = load(frame, group="household")
    missing = [part.frame["household"].isna().sum() for part in (dataset.train, dataset.val)]
    assert min(missing) > 20
