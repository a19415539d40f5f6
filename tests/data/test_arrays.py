"""Arrays of many dimensions from NPZ files: as images, as arrays, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from trainwright.checks.contract import Verdict
from trainwright.checks.examine import examine_data
from trainwright.core.errors import DataRefused, SpecError
from trainwright.core.seeds import Seeds
from trainwright.data.conform import conform
from trainwright.data.dataset import Dataset, Kind
from trainwright.data.features import fit_features, load_features
from trainwright.data.folds import make_folds
from trainwright.data.images import refuse_other_rows
from trainwright.data.prepare import load_dataset
from trainwright.data.read import read_table
from trainwright.spec.models import Columns, Data

ROWS = 300


def series(rows: int = ROWS, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(rows, 20, 3) of noise, rising in class 1."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    return (rng.normal(size=(rows, 20, 3)) + np.linspace(0, 2, 20)[:, None] * y[:, None, None]).astype("float32"), y


def saved(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def load(path: Path) -> Dataset:
    return load_dataset(Data(train_path=str(path), target="y"), task="auto", seed=42, base=path.parent)


def fit(dataset: Dataset, style: str) -> tuple[object, np.ndarray]:
    features, X = fit_features(
        dataset.train,
        dataset.schema,
        dataset.target,
        style=style,  # type: ignore[arg-type]
        accepts_sparse=False,
        seeds=Seeds(0),
    )
    assert isinstance(X, np.ndarray)
    return features, X


def test_arrays_come_as_they_are(tmp_path: Path) -> None:
    X, y = series()
    dataset = load(saved(tmp_path / "d.npz", X=X, y=y))
    assert [(c.name, c.kind, c.role) for c in dataset.schema.columns] == [
        ("path", Kind.IDENTIFIER, "ignored"),
        ("array", Kind.ARRAY, "feature"),
        ("source", Kind.IDENTIFIER, "ignored"),
        ("y", Kind.CATEGORICAL, "target"),
    ]
    features, made = fit(dataset, "array")
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, X[dataset.train.rows])
    np.testing.assert_array_equal(dataset.train.y, y[dataset.train.rows])
    (tmp_path / "f").mkdir()
    features.save(tmp_path / "f")  # type: ignore[attr-defined]
    assert load_features(tmp_path / "f") == features


def test_new_arrays_can_be_predicted_and_others_not(tmp_path: Path) -> None:
    X, y = series()
    dataset = load(saved(tmp_path / "d.npz", X=X, y=y))
    features, _ = fit(dataset, "array")
    new = read_table(saved(tmp_path / "new.npz", data=X[:7] + 1))
    refuse_other_rows(new, dataset.schema)
    frame, _ = conform(new.frame, dataset.schema, dataset.target)
    np.testing.assert_array_equal(features.transform(frame), X[:7] + 1)  # type: ignore[attr-defined]
    short = read_table(saved(tmp_path / "short.npz", X=X[:7, :5]))
    with pytest.raises(DataRefused, match=r"arrays of shape \(20, 3\) are required"):
        features.transform(short.frame)  # type: ignore[attr-defined]
    table = read_table(saved(tmp_path / "table.npz", X=X[:, 0]))
    with pytest.raises(DataRefused, match="trained on arrays: an NPZ file; and this is a table"):
        refuse_other_rows(table, dataset.schema)


def test_every_check_has_a_verdict_and_equal_arrays_stay_together(tmp_path: Path) -> None:
    X, y = series()
    X[100:120], y[100:120] = X[:20], y[:20]
    dataset = load(saved(tmp_path / "d.npz", X=X, y=y))
    assert not set(dataset.train.frame["array"]) & set(dataset.val.frame["array"])
    verdicts = {r.name: r.verdict for r in examine_data(dataset)}
    assert verdicts["shared_rows"] is Verdict.CLEAN
    assert not {Verdict.LEAK, Verdict.FAILED} & set(verdicts.values())
    folds = make_folds(dataset.train, dataset.target, folds=3, strategy="auto", columns=Columns(), seeds=Seeds(0))
    assert sum(len(held) for _, held in folds) == len(dataset.train)


def test_tables_get_means(tmp_path: Path) -> None:
    X, y = series()
    dataset = load(saved(tmp_path / "d.npz", X=X, y=y))
    _, made = fit(dataset, "native")
    assert made.shape == (len(dataset.train), 64)
    flat = X[dataset.train.rows[0]].ravel()
    assert made[0, 1] == pytest.approx(flat[0:1].mean(), abs=1e-6)


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 3), (3, 16, 16), (16, 16, 1)])
def test_bytes_of_two_or_three_dimensions_are_images(tmp_path: Path, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (100, *shape), dtype="uint8"), np.arange(100) % 3
    dataset = load(saved(tmp_path / "d.npz", X=X, y=y))
    assert dataset.schema["image"].kind is Kind.IMAGE
    _, made = fit(dataset, "image")
    expected = X[dataset.train.rows]
    if len(shape) == 2:
        expected = expected[:, None]
    elif shape[0] == 16:
        expected = np.moveaxis(expected, 3, 1)
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"X": np.zeros((4, 2, 2)), "Z": np.zeros((4, 2, 2))}, "there are X, Z"),
        ({"X": np.zeros((4, 2, 2)), "y": np.zeros(3)}, "y of (3,)"),
        ({"X": np.zeros((4, 2, 2)), "W": np.zeros((4, 2))}, "W of (4, 2)"),
        ({"X": np.full((4, 2, 2), np.nan), "y": np.zeros(4)}, "16 of 16 are not"),
        ({"X": np.full((4, 2, 2), "a"), "y": np.zeros(4)}, "must hold numbers"),
        ({"X": np.zeros((0, 2, 2)), "y": np.zeros(0)}, "must hold numbers"),
    ],
    ids=["two", "uneven", "wide", "nan", "text", "empty"],
)
def test_what_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(DataRefused) as refused:
        read_table(saved(tmp_path / "d.npz", **arrays))
    assert words in refused.value.message


def test_a_table_gives_no_arrays(tmp_path: Path) -> None:
    X, y = series()
    with pytest.raises(SpecError, match="this model reads arrays"):
        fit(load(saved(tmp_path / "d.npz", X=X[:, :, 0], y=y)), "array")
