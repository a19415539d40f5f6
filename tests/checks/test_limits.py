"""Where each check stops: the near side is said, the far side is not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.checks.builders import Wanted, build
from tests.checks.tables import honest, hours, people
from trainwright.checks.after_fact import check_after_the_fact
from trainwright.checks.contract import Verdict
from trainwright.checks.groups import check_groups, find_groups
from trainwright.checks.identifiers import check_identifiers
from trainwright.checks.leakage import check_target_leakage
from trainwright.checks.overlap import check_shared_rows
from trainwright.checks.schema import check_schema
from trainwright.checks.target import check_target
from trainwright.checks.time_order import check_time
from trainwright.checks.words import stands_for_somebody
from trainwright.core.tasks import Task
from trainwright.data.dataset import Dataset

GIVEN = ["train"] * 1_200 + ["val"] * 400 + ["test"] * 400


def _given(frame: pd.DataFrame, task: Task = Task.BINARY) -> Dataset:
    return build(frame, Wanted(target="y", task=task, strategy="given", parts=GIVEN))


@pytest.mark.parametrize(
    "name", ["subject#", "patient_nbr", "customerID", "userId", "Patient", "device_id", "CLIENT NO"]
)
def test_names_of_somebody(name: str) -> None:
    assert stands_for_somebody(name)


@pytest.mark.parametrize(
    "name",
    ["households", "customer_age", "user_rating", "device", "admission_type_id", "capital_gain", "x", "SubjectLine"],
)
def test_names_of_something_else(name: str) -> None:
    assert not stands_for_somebody(name)


def test_people_who_come_again_later_are_a_suspicion_in_a_time_split() -> None:
    frame = people().assign(when=pd.date_range("2024-01-01", periods=2_000, freq="h"))
    dataset = build(frame, Wanted(target="y", task=Task.REGRESSION, strategy="time", column="when", time="when"))

    assert check_groups(dataset).verdict is Verdict.WARNING


def test_a_count_that_is_mostly_zero_groups_nobody() -> None:
    rng = np.random.default_rng(3)
    frame = people(name="paid").assign(y=lambda f: f.y + 10 * (f.paid > 1100))
    zero = rng.random(len(frame)) < 0.5
    frame.loc[zero, ["paid", "born", "y"]] = [0, 1900, 0.0]
    frame.loc[zero, "sex"] = "f"

    assert find_groups(build(frame, Wanted(target="y", task=Task.REGRESSION))) == ()


def test_a_named_group_is_compared_with_the_sealed_test_rows_without_opening_them() -> None:
    frame = people()
    parts = np.where(frame.patient_id < 1_100, "train", np.where(frame.patient_id < 1_150, "val", "test"))
    wanted = Wanted(target="y", task=Task.REGRESSION, group="patient_id", strategy="group", column="patient_id")
    assert check_groups(build(frame, replace(wanted, parts=list(parts)))).verdict is Verdict.CLEAN

    parts[np.flatnonzero(parts == "train")[:40]] = "test"
    dataset = build(frame, replace(wanted, parts=list(parts)))
    result = check_groups(dataset)
    assert result.verdict is Verdict.LEAK
    assert "40 of" in result.findings[0].what
    assert dataset.test is not None
    assert dataset.test.openings == []


def test_copies_are_found_among_natural_repeats() -> None:
    frame = honest(Task.BINARY)
    columns = [c for c in frame.columns if c != "y"]
    frame.loc[20:39, columns] = frame.loc[
        0:19, columns
    ].to_numpy()  # twins in training, as often as not of another class
    frame.loc[20:39, "y"] = np.where(frame.y[0:20] == "yes", "no", "yes")
    assert check_shared_rows(_given(frame)).verdict is Verdict.CLEAN

    frame.iloc[1_200:1_350] = frame.iloc[100:250].to_numpy()
    assert check_shared_rows(_given(frame)).verdict is Verdict.LEAK


def test_a_file_of_copies_that_was_cut_at_random_is_refused() -> None:
    """Every row twice: training rows repeat as often as validation rows do, and all twins agree."""
    half = honest(Task.BINARY, rows=1_000)
    frame = pd.concat([half, half]).sample(frac=1.0, random_state=0, ignore_index=True)

    assert check_shared_rows(_given(frame)).verdict is Verdict.LEAK


def test_equal_rows_of_different_classes_are_natural() -> None:
    half = honest(Task.BINARY, rows=1_000)
    labels = np.random.default_rng(5).permutation(half.y.to_numpy())
    frame = pd.concat([half, half.assign(y=labels)]).sample(frac=1.0, random_state=0, ignore_index=True)
    result = check_shared_rows(_given(frame))

    assert result.verdict is Verdict.CLEAN
    assert {f.code for f in result.findings} == {"data.shared_rows"}


def test_rows_that_come_again_later_are_no_copies() -> None:
    frame = hours()
    frame.loc[1_900:2_000, ["x", "y"]] = frame.loc[100:200, ["x", "y"]].to_numpy()
    frame.loc[300:400, ["x", "y"]] = frame.loc[100:200, ["x", "y"]].to_numpy()
    wanted = Wanted(target="y", task=Task.REGRESSION, strategy="time", column="when", time="when")

    assert check_shared_rows(build(frame.assign(z=frame.x * 2), wanted)).verdict is Verdict.WARNING


def test_one_shared_row_is_said_and_not_refused() -> None:
    frame = honest(Task.BINARY)
    frame.iloc[1_200] = frame.iloc[0]
    result = check_shared_rows(_given(frame))

    assert result.verdict is Verdict.CLEAN
    assert "1 of 400 validation rows" in result.findings[0].what


def test_shared_test_rows_are_found_by_hash() -> None:
    frame = honest(Task.BINARY)
    frame.iloc[1_700:1_750] = frame.iloc[:50].to_numpy()
    result = check_shared_rows(_given(frame))

    assert (result.verdict, result.findings[0].where) == (Verdict.LEAK, "test")


def test_schema_differences_of_given_files() -> None:
    frame = honest(Task.BINARY)
    assert check_schema(_given(frame)).verdict is Verdict.OK

    frame["x0"] = frame.x0.where(frame.index < 1_200, frame.x0 + 5)
    frame["x1"] = frame.x1.where((frame.index < 1_200) | (frame.index % 2 == 0))
    frame["town"] = frame.town.where((frame.index < 1_200) | (frame.index % 4 > 0), "Baku")
    found = {(f.code, f.where) for f in check_schema(_given(frame)).findings}
    assert found == {("schema.shifted", "x0"), ("schema.missing_differs", "x1"), ("schema.unseen_values", "town")}


def test_another_kind_of_values_fails() -> None:
    dataset = _given(honest(Task.BINARY))
    text = replace(dataset.val, frame=dataset.val.frame.assign(x0="a"))
    result = check_schema(replace(dataset, val=text))

    assert (result.verdict, result.findings[0].where) == (Verdict.FAILED, "x0")


def test_classes_that_only_validation_has_are_warned_of() -> None:
    frame = honest(Task.MULTICLASS)
    frame["y"] = frame.y.where((frame.index < 1_200) | (frame.index >= 1_300), "new")
    codes = {f.code for f in check_target(_given(frame, Task.MULTICLASS)).findings}

    assert codes == {"target.unseen_class"}


def test_a_capped_target_is_an_info_and_a_zero_inflated_one_is_not_capped() -> None:
    frame = honest(Task.REGRESSION)
    high = check_target(_given(frame.assign(y=frame.y.clip(upper=60)), Task.REGRESSION))
    zeros = check_target(_given(frame.assign(y=(frame.y - 50).clip(lower=0)), Task.REGRESSION))

    assert [f.code for f in high.findings] == ["target.capped"]
    assert (high.verdict, zeros.findings) == (Verdict.OK, ())


def test_test_rows_before_training_are_found_in_a_time_split() -> None:
    parts = ["test"] * 600 + ["train"] * 1_800 + ["val"] * 600
    wanted = Wanted(target="y", task=Task.REGRESSION, strategy="time", column="when", time="when", parts=parts)
    result = check_time(build(hours(), wanted))

    assert result.verdict is Verdict.LEAK
    assert "test rows begin before" in result.findings[0].what


def test_the_last_value_of_the_target_is_honest_however_strong() -> None:
    frame = hours().assign(before=lambda f: f.y.shift(1).bfill())
    wanted = Wanted(target="y", task=Task.REGRESSION, strategy="time", column="when", time="when")
    result = check_target_leakage(build(frame, wanted))
    assert "strongest is before" in result.saw
    assert result.verdict is Verdict.CLEAN

    shuffled = frame.drop(columns="when").sample(frac=1.0, random_state=0, ignore_index=True)  # nothing says it is past
    assert check_target_leakage(build(shuffled, Wanted(target="y", task=Task.REGRESSION))).verdict is Verdict.WARNING


def test_given_files_in_time_order_are_clean() -> None:
    parts = ["train"] * 1_800 + ["val"] * 600 + ["test"] * 600
    wanted = Wanted(target="y", task=Task.REGRESSION, strategy="given", parts=parts)

    assert check_time(build(hours(), wanted)).verdict is Verdict.CLEAN


def test_an_outcome_named_in_the_column_needs_less_purity() -> None:
    rng = np.random.default_rng(0)
    frame = honest(Task.BINARY)
    filled = np.where(frame.y == "yes", rng.random(len(frame)) < 0.8, rng.random(len(frame)) < 0.04)
    reason = pd.Series(np.where(filled, "price", None), dtype="str")

    assert check_after_the_fact(_given(frame.assign(closed_reason=reason))).verdict is Verdict.WARNING
    assert check_after_the_fact(_given(frame.assign(cabin=reason))).verdict is Verdict.CLEAN


def test_sentences_and_measures_are_no_identifiers() -> None:
    frame = honest(Task.BINARY)
    said = [f"customer number {i} called about the bill" for i in range(len(frame))]
    amounts = np.random.default_rng(0).choice(10**6, len(frame), replace=False)

    assert check_identifiers(_given(frame.assign(note=said, amount=amounts))).verdict is Verdict.OK
