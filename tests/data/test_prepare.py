"""Loading a data set: target, kinds, parts, the seal, real files with their traps."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.data.builders import codes, load, people
from trainwright.core.errors import DataRefused, SpecError
from trainwright.core.tasks import Task
from trainwright.data.dataset import Dataset, Kind
from trainwright.data.prepare import load_dataset
from trainwright.spec.models import Columns, Data, Split


def kinds(dataset: Dataset) -> dict[str, str]:
    return {c.name: c.kind.value for c in dataset.schema.columns}


def test_every_kind_is_told_from_training_rows_with_a_reason() -> None:
    dataset = load(weight="weight", group="household")
    assert kinds(dataset) == {
        "customer_id": "identifier",
        "age": "numeric",
        "income": "numeric",
        "city": "categorical",
        "member": "boolean",
        "joined": "datetime",
        "comment": "text",
        "source": "constant",
        "household": "numeric",
        "weight": "numeric",
        "churned": "categorical",
    }
    roles = {c.name: c.role for c in dataset.schema.columns if c.role != "feature"}
    assert roles == {
        "customer_id": "ignored",
        "source": "ignored",
        "household": "group",
        "weight": "weight",
        "churned": "target",
    }
    assert all(c.why for c in dataset.schema.columns)
    assert dataset.schema["city"].categories[:2] == ("Oslo", "Rome")
    assert dataset.schema["income"].missing == int(dataset.train.frame["income"].isna().sum()) > 0
    assert {"data.identifier_ignored", "data.constant_ignored", "data.task_inferred"} <= codes(dataset)


def test_canonical_frames_have_canonical_types_and_neither_target_nor_weight() -> None:
    train = load(weight="weight").train
    assert "churned" not in train.frame
    assert "weight" not in train.frame
    types = {name: str(dtype) for name, dtype in train.frame.dtypes.items()}
    assert types["age"] == "float64"
    assert types["joined"] == "datetime64[us]"
    assert {types[n] for n in ("city", "member", "comment", "customer_id")} == {"str"}
    assert train.y.dtype == np.int64
    assert train.weight is not None
    assert train.weight.dtype == np.float64


def test_rows_are_positions_in_the_files_and_parts_do_not_meet() -> None:
    frame = people()
    dataset = load(frame)
    assert dataset.test is not None
    test = dataset.test.open("to see its rows")
    parts = (dataset.train, dataset.val, test)
    assert sorted(np.concatenate([p.rows for p in parts])) == list(range(len(frame)))
    for part in parts:
        assert part.frame["age"].tolist() == frame["age"].iloc[part.rows].tolist()
        labels = [dataset.target.classes[code] for code in part.y]
        assert labels == frame["churned"].iloc[part.rows].tolist()
    assert dataset.split.sizes == {"train": len(parts[0]), "val": len(parts[1]), "test": len(parts[2])}
    assert dataset.test.openings == ["to see its rows"]


def test_given_files_are_parts_with_running_row_ids() -> None:
    dataset = load(people(200), val=people(50, seed=1), test=people(60, seed=2).drop(columns="source"))
    assert dataset.test is not None
    assert dataset.split.strategy == "given"
    assert dataset.val.rows.tolist() == list(range(200, 250))
    assert dataset.test.open("ids").rows.tolist() == list(range(250, 310))


def test_the_same_seed_gives_the_same_data_set_and_another_one_another() -> None:
    first, again, other = load(), load(), load(seed=7)
    pd.testing.assert_frame_equal(first.train.frame, again.train.frame)
    assert first.fingerprint == again.fingerprint == other.fingerprint
    assert first.train.rows.tolist() != other.train.rows.tolist()


def test_test_rows_do_not_decide_anything() -> None:
    """Kinds and categories come from training rows: other values in the test rows change nothing."""
    frame = people()
    first = load(frame)
    assert first.test is not None
    rows = first.test.open("to change them").rows
    frame.loc[rows, "city"] = "Elsewhere"
    frame.loc[rows, "age"] = 1_000
    second = load(frame, split=Split(duplicates="keep"))
    first = load(people(), split=Split(duplicates="keep"))
    assert first.schema == second.schema


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        ([0, 1] * 50, Task.BINARY, ("0", "1")),
        ([0.0, 1.0] * 50, Task.BINARY, ("0", "1")),
        ([True, False] * 50, Task.BINARY, ("false", "true")),
        (["b", "a", "c", "a"] * 25, Task.MULTICLASS, ("a", "b", "c")),
        ([10, 9, 8, 11] * 25, Task.MULTICLASS, ("8", "9", "10", "11")),
        (list(range(100)), Task.REGRESSION, ()),
        ([0.5, 1.5, 2.0, 3.0] * 25, Task.REGRESSION, ()),
    ],
)
def test_the_task_is_inferred_and_classes_are_sorted(
    values: list[object], task: Task, classes: tuple[str, ...]
) -> None:
    frame = people(100).drop(columns="churned").assign(y=values)
    dataset = load(frame, target="y")
    assert (dataset.target.task, dataset.target.classes) == (task, classes)
    assert "data.task_inferred" in codes(dataset)


def test_a_comparison_is_a_binary_target_with_the_asked_value_positive() -> None:
    frame = people()
    target = load(frame, target='city == "Rome"', split=Split(duplicates="keep"))
    assert target.target.classes == ("not Rome", "Rome")
    known = frame["city"].notna()
    assert len(target.train) + len(target.val) + target.test.num_rows == known.sum()  # type: ignore[union-attr]
    assert target.train.y.tolist() == (frame["city"].iloc[target.train.rows] == "Rome").astype(int).tolist()


@pytest.mark.parametrize(
    ("target", "task", "reason"),
    [
        ("source", "auto", "all rows hold 'web'"),
        ("empty", "auto", "all 400 rows are missing"),
        ("comment", "auto", "looks like an identifier"),
        ("city", "binary", "needs two classes, and 'city' has 3"),
        ("city", "regression", "must be numbers.*'Oslo'"),
        ("one", "regression", "nothing to learn"),
        ("joined_at", "auto", "holds dates"),
        ('city == "Roma"', "auto", "Did you mean 'Rome'"),
        ('city == "Rome"', "regression", "binary question"),
        ("dirty", "auto", "mixes numbers and text.*'n/a yet'"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(target: str, task: str, reason: str) -> None:
    frame = people().assign(empty=np.nan, one=1)
    frame["joined_at"] = pd.to_datetime(frame["joined"])
    frame["dirty"] = [*map(str, range(398)), "n/a yet", "n/a yet"]
    with pytest.raises(DataRefused, match=f"(?s){reason}"):
        load(frame, target=target, task=task)


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    frame = people()
    frame.loc[[3, 10, 11], "churned"] = None
    dataset = load(frame)
    (finding,) = [f for f in dataset.findings if f.code == "data.target_missing"]
    assert finding.evidence["rows"] == 3
    assert finding.evidence["first"] == [3, 10, 11]
    assert len(dataset.train) + len(dataset.val) + dataset.test.num_rows == 397  # type: ignore[union-attr]


def test_infinities_are_missing_and_said() -> None:
    frame = people().astype({"age": "float64"})
    frame.loc[:20, "age"] = np.inf
    dataset = load(frame)
    assert "data.infinite" in codes(dataset)
    assert not np.isinf(dataset.train.frame["age"]).any()


@pytest.mark.parametrize("role", ["ignore", "numeric", "categorical", "text", "datetime", "boolean"])
def test_a_named_column_that_does_not_exist_is_a_spec_error_with_the_nearest(role: str) -> None:
    with pytest.raises(SpecError, match=r"'ctiy'.*'city'"):
        load(**{role: ("ctiy",)})


@pytest.mark.parametrize("role", ["group", "time", "weight"])
def test_a_role_on_a_column_that_does_not_exist_is_a_spec_error(role: str) -> None:
    with pytest.raises(SpecError, match=f"data.columns.{role}.*'ctiy'"):
        load(**{role: "ctiy"})


def test_the_user_has_the_last_word_on_kinds() -> None:
    frame = people().assign(code=lambda f: f["age"] % 5)
    dataset = load(frame, categorical=("code",), text=("customer_id",), ignore=("age",), numeric=("income",))
    assert dataset.schema["code"].kind is Kind.CATEGORICAL
    assert set(dataset.schema["code"].categories) == {"0", "1", "2", "3", "4"}
    assert dataset.schema["customer_id"].role == "feature"
    assert dataset.schema["age"].role == "ignored"
    assert "age" not in [c.name for c in dataset.schema.features]
    with pytest.raises(SpecError, match="numeric and as categorical"):
        load(frame, categorical=("code",), numeric=("code",))
    with pytest.raises(SpecError, match="is the target"):
        load(frame, ignore=("churned",))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (lambda n: range(1, n + 1), Kind.IDENTIFIER),  # counts the rows
        (lambda n: [20 * i % 7919 for i in range(n)], Kind.NUMERIC),  # unique, but measured
        (lambda n: np.random.default_rng(0).random(n), Kind.NUMERIC),  # decimals are no identifiers
        (lambda n: [f"{i:x}-{i * 7919 % 1000:03d}" for i in range(n)], Kind.IDENTIFIER),
        (lambda n: [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)], Kind.DATETIME),
        (lambda n: [f"{1 + i % 28}.{1 + i % 12}.2024" for i in range(n)], Kind.DATETIME),
        (lambda n: [f"2024-01-02T{i % 24:02d}:30:00Z" for i in range(n)], Kind.DATETIME),
        (lambda n: ["TRUE", "False"] * (n // 2), Kind.BOOLEAN),
        (lambda n: [f"level {i % 40}" for i in range(n)], Kind.CATEGORICAL),
        (lambda n: [2000 + i % 20 for i in range(n)], Kind.NUMERIC),
        (lambda n: [f"no {i} shows two words the same way" for i in range(n)], Kind.TEXT),
    ],
)
def test_kinds_of_single_columns(values: object, kind: Kind) -> None:
    frame = people().assign(x=list(values(400)))  # type: ignore[operator]
    assert load(frame).schema["x"].kind is kind


@pytest.mark.parametrize(
    ("name", "kind"), [("user_id", Kind.IDENTIFIER), ("subject#", Kind.IDENTIFIER), ("rooms", Kind.NUMERIC)]
)
def test_repeated_ids_are_known_by_their_name(name: str, kind: Kind) -> None:
    frame = people().assign(**{name: lambda f: f["household"]})
    assert load(frame).schema[name].kind is kind


def test_ids_of_few_levels_are_no_identifiers() -> None:
    frame = people().assign(admission_type_id=lambda f: f["age"] % 8)
    assert load(frame).schema["admission_type_id"].kind is Kind.NUMERIC


def test_dates_are_read_as_training_spells_them() -> None:
    frame = people().assign(when=[f"{1 + i % 28:02d}/{1 + i % 12:02d}/2024" for i in range(400)])
    dataset = load(frame)
    assert dataset.schema["when"].format == "%d/%m/%Y"
    first = frame["when"].iloc[dataset.train.rows[0]]
    assert dataset.train.frame["when"].iloc[0].strftime("%d/%m/%Y") == first


def test_a_given_part_must_have_the_columns_and_drift_is_said() -> None:
    val = people(100, seed=1)
    with pytest.raises(DataRefused, match=r"val table.*age, city"):
        load(val=val.drop(columns=["age", "city"]))
    val["age"] = "old"
    dataset = load(val=val.assign(new=1), test=val)
    assert {"data.kind_differs", "data.extra_columns"} <= codes(dataset)
    assert dataset.test is not None
    assert [f.where for f in dataset.test.schema_differences] == ["age"]


def test_classes_that_training_never_saw_are_left_out_of_given_parts() -> None:
    val = people(100, seed=1)
    val.loc[:4, "churned"] = "maybe"
    dataset = load(val=val)
    assert len(dataset.val) == 95
    (finding,) = [f for f in dataset.findings if f.code == "data.class_unseen"]
    assert finding.evidence["classes"] == ["maybe"]


def test_weights_must_be_above_zero() -> None:
    frame = people()
    frame.loc[5, "weight"] = 0.0
    with pytest.raises(DataRefused, match="above zero"):
        load(frame, weight="weight")


def test_the_seal_holds_what_leak_checks_need() -> None:
    from trainwright.data.canonical import column_hashes, row_hashes

    dataset = load(group="household", time="joined", split=Split(strategy="group"))
    sealed = dataset.test
    assert sealed is not None
    assert sealed.openings == []
    part = sealed.open("to compare")
    features = [c.name for c in dataset.schema.features]
    assert sealed.row_hashes.tolist() == row_hashes(part.frame, features).tolist()
    assert sealed.group_hashes is not None
    assert not np.isin(sealed.group_hashes, column_hashes(dataset.train.frame["household"])).any()
    low, high = sealed.time_range or (0, 0)
    assert pd.Timestamp(low, unit="s") == part.frame["joined"].min()
    assert pd.Timestamp(high, unit="s") == part.frame["joined"].max()


def test_equal_rows_have_equal_hashes_whether_or_not_their_column_has_gaps() -> None:
    frame = people(40).drop(columns=["customer_id", "comment"])
    other = frame.astype({"age": "float64"})
    other.loc[0, "age"] = np.nan
    dataset = load(frame, val=other, split=None)
    from trainwright.data.canonical import row_hashes

    features = [c.name for c in dataset.schema.features]
    shared = np.isin(row_hashes(dataset.val.frame, features), row_hashes(dataset.train.frame, features))
    assert shared.sum() == 39


def test_too_little_to_split_is_refused() -> None:
    with pytest.raises(DataRefused, match="table has one"):
        load(people().head(1))
    with pytest.raises(DataRefused, match="every part"):
        load(people(40).assign(y=range(40)).head(2), target="y")


REAL = {
    "titanic.csv": ("Survived", {}, Task.BINARY, {"PassengerId"}),
    "telco_churn.csv": ("Churn", {}, Task.BINARY, {"customerID"}),
    "california_housing.csv": ("median_house_value", {}, Task.REGRESSION, set()),
    "parkinsons_updrs.csv": ("total_UPDRS", {"group": "subject#"}, Task.REGRESSION, set()),
    "beijing_pm25.csv": ("pm2.5", {}, Task.REGRESSION, {"No"}),
    "sms_spam.csv": ("label", {}, Task.BINARY, set()),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_load_with_their_traps_seen(shared_data: Path, name: str) -> None:
    target, columns, task, ignored = REAL[name]
    data = Data(train_path=name, target=target, columns=Columns(**columns))
    dataset = load_dataset(data, task="auto", seed=42, base=shared_data)
    assert dataset.target.task is task
    assert {c.name for c in dataset.schema.columns if c.role == "ignored"} == ignored
    if name == "telco_churn.csv":
        assert dataset.schema["TotalCharges"].kind is Kind.NUMERIC
        assert "data.text_to_number" in codes(dataset)
    if name == "beijing_pm25.csv":
        (finding,) = [f for f in dataset.findings if f.code == "data.target_missing"]
        assert finding.evidence["rows"] == 2067
    if name == "sms_spam.csv":
        assert dataset.schema["text"].kind is Kind.TEXT


@pytest.mark.slow
@pytest.mark.parametrize("target", ["readmitted", 'readmitted == "<30"'])
def test_diabetes_keeps_patients_together_and_the_text_none(shared_data: Path, target: str) -> None:
    data = Data(train_path="diabetes130.parquet", target=target, columns=Columns(group="patient_nbr"))
    dataset = load_dataset(data, task="auto", seed=42, base=shared_data)
    assert "None" in dataset.schema["A1Cresult"].categories
    shared = set(dataset.train.frame["patient_nbr"]) & set(dataset.val.frame["patient_nbr"])
    assert not shared
    rates = [np.bincount(p.y)[0] / len(p) for p in (dataset.train, dataset.val)]
    assert abs(rates[0] - rates[1]) < 0.01


@pytest.mark.slow
def test_kddcup_puts_equal_rows_on_one_side_and_names_the_rare_classes(shared_data: Path) -> None:
    from trainwright.data.canonical import row_hashes

    dataset = load_dataset(
        Data(train_path="kddcup99_10pct.csv.gz", target="label"), task="auto", seed=42, base=shared_data
    )
    assert {"data.duplicates_together", "data.rare_class"} <= codes(dataset)
    features = [c.name for c in dataset.schema.features]
    train = row_hashes(dataset.train.frame, features)
    assert not np.isin(row_hashes(dataset.val.frame, features), train).any()
    assert not np.isin(dataset.test.row_hashes, train).any()  # type: ignore[union-attr]
    assert min(dataset.split.sizes["val"], dataset.split.sizes["test"]) > 40_000


def test_all_columns_that_do_not_exist_are_told_at_once() -> None:
    with pytest.raises(SpecError) as refused:
        load(target="churnd", ignore=("incom",), group="household")
    assert [path for path, _ in refused.value.places] == ["data.target", "data.columns.ignore"]
    assert "Did you mean 'churned'" in refused.value.places[0][1]
    assert "Did you mean 'income'" in refused.value.places[1][1]
