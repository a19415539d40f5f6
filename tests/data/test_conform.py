"""New rows for a trained model, and the facts kept with a run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.data.builders import load, people
from trainwright.core.errors import ArtifactRefused, DataRefused
from trainwright.core.seeds import Seeds
from trainwright.data.conform import conform
from trainwright.data.features import fit_features
from trainwright.data.read import read_table
from trainwright.data.store import load_schema, save_dataset_facts


def test_training_rows_given_again_conform_to_themselves(tmp_path: Path) -> None:
    frame = people()
    dataset = load(frame)
    frame.sample(frac=1, axis=1, random_state=0).to_csv(tmp_path / "t.csv", index=False)
    made, findings = conform(read_table(tmp_path / "t.csv").frame, dataset.schema, dataset.target)
    expected = made.iloc[dataset.train.rows].reset_index(drop=True)
    pd.testing.assert_frame_equal(expected, dataset.train.frame)
    assert [f.code for f in findings] == []


def test_all_missing_columns_are_named_and_target_and_ids_may_be_absent() -> None:
    dataset = load(weight="weight")
    rows = people(5).drop(columns=["churned", "customer_id", "weight"])
    made, _ = conform(rows, dataset.schema, dataset.target)
    assert len(made) == 5
    with pytest.raises(DataRefused, match="2 are missing: age, city"):
        conform(rows.drop(columns=["city", "age"]), dataset.schema, dataset.target)


def test_of_many_missing_columns_the_first_are_named_and_the_rest_counted() -> None:
    wide = people().assign(**{f"x{i:02}": np.arange(400.0) for i in range(47)})
    dataset = load(wide)
    rows = wide.drop(columns=[name for name in wide.columns if name.startswith("x")])
    with pytest.raises(DataRefused, match=r"47 are missing: x00, x01, .*, x08, x09 and 37 more\. Add them"):
        conform(rows, dataset.schema, dataset.target)


def test_what_differs_is_counted() -> None:
    dataset = load()
    rows = people(10).assign(extra=1, city="Paris", age="unknown", joined="soon")
    made, findings = conform(rows, dataset.schema, dataset.target)
    by_code = {(f.code, f.where): f.evidence.get("values") for f in findings}
    assert by_code == {
        ("data.extra_columns", "rows"): None,
        ("data.unseen_categories", "city"): 10,
        ("data.kind_differs", "age"): 10,
        ("data.kind_differs", "joined"): 10,
    }
    assert made["age"].isna().all()
    features, _ = fit_features(
        dataset.train, dataset.schema, dataset.target, style="scaled", accepts_sparse=True, seeds=Seeds(1)
    )
    assert features.transform(made).shape[0] == 10


def test_codes_that_look_like_numbers_in_a_new_file_are_matched_as_training_spells_them() -> None:
    frame = people().assign(diagnosis=["250.00", "V45", "401", "780.20"] * 100)
    dataset = load(frame)
    rows = people(4).assign(diagnosis=[250.0, 401.0, 780.2, np.nan])
    made, findings = conform(rows, dataset.schema, dataset.target)
    assert made["diagnosis"].tolist()[:3] == ["250.00", "401", "780.20"]
    assert not findings


def test_one_row_is_enough_to_predict(tmp_path: Path) -> None:
    people(1000).head(1).to_csv(tmp_path / "one.csv", index=False)
    dataset = load()
    made, _ = conform(read_table(tmp_path / "one.csv").frame, dataset.schema, dataset.target)
    assert len(made) == 1


def test_facts_are_stored_and_read_back(tmp_path: Path) -> None:
    dataset = load(people().assign(when=["01/02/2024", "13/02/2024"] * 200), time="joined")
    save_dataset_facts(dataset, tmp_path)
    assert load_schema(tmp_path / "schema.json") == (dataset.schema, dataset.target)
    split = pd.read_parquet(tmp_path / "split.parquet")
    assert split["row"].tolist() == list(range(400))
    assert split["part"].value_counts().to_dict() == dict(dataset.split.sizes)
    assert str(dataset.fingerprint["digest"]) in (tmp_path / "fingerprint.json").read_text()
    assert dataset.test is not None
    assert dataset.test.openings == []


@pytest.mark.parametrize("text", [None, "", "{}", '{"format": 99}', '{"format": 1, "columns": [{}], "target": {}}'])
def test_a_damaged_schema_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "schema.json").write_text(text)
    with pytest.raises(ArtifactRefused):
        load_schema(tmp_path / "schema.json")


def test_importing_the_data_modules_is_light() -> None:
    import subprocess
    import sys

    program = (
        "import sys, trainwright.data.prepare, trainwright.data.features, trainwright.data.conform, "
        "trainwright.data.store, trainwright.data.folds, trainwright.data.pipelines; "
        "print([m for m in ('numpy', 'pandas', 'pyarrow', 'sklearn', 'skops', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
