"""Features: fitted on training rows only, the same again after saving, styled for the engine."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from tests.data.builders import load, people
from trainwright.core.errors import ArtifactRefused, DataRefused
from trainwright.core.plan import FeatureStyle
from trainwright.core.seeds import Seeds
from trainwright.data.dataset import Dataset
from trainwright.data.features import Features, fit_features, load_features

STYLES: tuple[FeatureStyle, ...] = ("native", "ordinal", "scaled", "nonnegative")


def fit(dataset: Dataset, style: FeatureStyle, *, sparse: bool = False) -> tuple[Features, np.ndarray]:
    return fit_features(
        dataset.train, dataset.schema, dataset.target, style=style, accepts_sparse=sparse, seeds=Seeds(1)
    )


def column(features: Features, X: np.ndarray, name: str) -> np.ndarray:
    return np.asarray(X[:, features.names.index(name)])


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("sparse", [False, True])
def test_a_saved_pipeline_gives_the_same_matrix(tmp_path: Path, style: FeatureStyle, sparse: bool) -> None:
    dataset = load()
    features, X = fit(dataset, style, sparse=sparse)
    features.save(tmp_path)
    again = load_features(tmp_path)
    a, b = features.transform(dataset.val.frame), again.transform(dataset.val.frame)
    fitted = features.transform(dataset.train.frame)
    if scipy.sparse.issparse(X):
        assert style in ("scaled", "nonnegative")
        a, b, X, fitted = a.toarray(), b.toarray(), X.toarray(), fitted.toarray()  # type: ignore[union-attr]
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(X, fitted, rtol=1e-5, atol=1e-5)
    assert X.shape == (len(dataset.train), len(features.names))
    assert X.dtype == np.float32
    assert len(set(features.names)) == len(features.names)
    assert again.names == features.names
    assert again.findings == features.findings


def test_native_keeps_gaps_and_codes_levels() -> None:
    dataset = load()
    features, X = fit(dataset, "native")
    frame = dataset.train.frame
    np.testing.assert_array_equal(column(features, X, "income"), frame["income"].to_numpy(dtype="float32"))
    at = features.names.index("city")
    assert features.categorical == (at,)
    assert features.category_sizes == (3,)
    expected = frame["city"].map({"Lima": 0.0, "Oslo": 1.0, "Rome": 2.0}).to_numpy(dtype="float32")
    np.testing.assert_array_equal(X[:, at], expected)
    np.testing.assert_array_equal(column(features, X, "member"), (frame["member"] == "yes").to_numpy(dtype="float32"))
    new = frame.head(3).assign(city=["Paris", np.nan, "Rome"], member=["perhaps", np.nan, "yes"])
    unseen = features.transform(new)
    assert np.isnan(unseen[:2, at]).all()
    assert unseen[2, at] == 2
    assert np.isnan(column(features, unseen, "member")[:2]).all()  # type: ignore[arg-type]


@pytest.mark.parametrize("style", ["ordinal", "scaled", "nonnegative"])
def test_other_styles_have_no_gaps_even_where_new_rows_do(style: FeatureStyle) -> None:
    dataset = load()
    features, X = fit(dataset, style)
    assert np.isfinite(X).all()
    empty = dataset.val.frame.head(2).copy()
    for name in empty:
        empty[name] = pd.Series([np.nan, np.nan], dtype=empty[name].dtype if empty[name].dtype != "str" else "str")
    assert np.isfinite(features.transform(empty)).all()  # type: ignore[arg-type]


def test_scaled_is_standardised_one_hot_with_indicators() -> None:
    dataset = load()
    features, X = fit(dataset, "scaled")
    age = column(features, X, "age")
    assert abs(age.mean()) < 1e-5
    assert abs(age.std() - 1) < 1e-5
    city = dataset.train.frame["city"]
    np.testing.assert_array_equal(column(features, X, "city=Rome"), (city == "Rome").to_numpy(dtype="float32"))
    np.testing.assert_array_equal(column(features, X, "city (missing)"), city.isna().to_numpy(dtype="float32"))
    gaps = dataset.train.frame["income"].isna().to_numpy()
    flags = column(features, X, "income (missing)")
    assert (flags[gaps] > flags[~gaps].max()).all()
    assert np.abs(column(features, X, "income")[gaps]).max() < 1e-6  # the mean


def test_nonnegative_is_within_zero_and_one_for_new_rows_too() -> None:
    dataset = load()
    features, X = fit(dataset, "nonnegative")
    wild = dataset.val.frame.assign(age=10_000.0, income=-1e9)
    for matrix in (X, features.transform(wild)):
        assert matrix.min() >= 0
        assert matrix.max() <= 1.0001


def test_dates_become_the_parts_that_vary() -> None:
    features, X = fit(load(), "native")
    made = [name for name in features.names if name.startswith("joined.")]
    assert made == ["joined.year", "joined.month", "joined.day", "joined.weekday", "joined.days"]
    days = column(features, X, "joined.days")
    assert days.min() >= 18262  # 2020-01-01
    assert set(column(features, X, "joined.year")) <= {2020.0, 2021.0, 2022.0}


def test_features_are_fitted_on_their_part_only() -> None:
    dataset = load()
    _, X = fit(dataset, "scaled")
    dataset.val.frame.loc[:, "age"] = 1e6
    _, Y = fit(dataset, "scaled")
    np.testing.assert_array_equal(X, Y)


def test_rare_levels_become_unknown_and_widths_are_bounded() -> None:
    frame = people(3000)
    rng = np.random.default_rng(0)
    frame["shop"] = [f"s{i}" for i in np.minimum(rng.geometric(0.004, 3000), 2000)]
    dataset = load(frame)
    native, _ = fit(dataset, "native")
    scaled, _ = fit(dataset, "scaled")
    assert "data.rare_levels" in [f.code for f in native.findings]
    size = dict(zip(native.categorical, native.category_sizes, strict=True))[native.names.index("shop")]
    assert 50 < size <= 254
    assert sum(name.startswith("shop=") for name in scaled.names) <= 100
    counts = dataset.train.frame["shop"].value_counts()
    assert all(counts[n.removeprefix("shop=")] >= 5 for n in scaled.names if n.startswith("shop="))


def test_a_level_of_too_few_rows_is_unknown() -> None:
    frame = people(1000)
    frame.loc[frame.index[::250], "city"] = "Atlantis"
    dataset = load(frame)
    features, X = fit(dataset, "native")
    rare = (dataset.train.frame["city"] == "Atlantis").to_numpy(dtype=bool, na_value=False)
    assert rare.any()
    assert np.isnan(column(features, X, "city")[rare]).all()


def test_numbers_that_float32_would_merge_make_the_matrix_float64() -> None:
    frame = people().assign(epoch=lambda f: 1_700_000_000.0 + f["age"] + 0.5)
    features, X = fit(load(frame), "native")
    assert X.dtype == np.float64
    (finding,) = [f for f in features.findings if f.code == "data.float64"]
    assert finding.where == "epoch"


def test_text_is_sparse_where_it_may_be_and_reduced_elsewhere() -> None:
    dataset = load(people(500))
    features, X = fit(dataset, "scaled", sparse=True)
    assert scipy.sparse.issparse(X)
    assert "comment: red" in features.names
    dense, Y = fit(dataset, "native", sparse=True)
    assert isinstance(Y, np.ndarray)
    assert "comment[0]" in dense.names


def test_wide_one_hot_tables_are_sparse_where_they_may_be() -> None:
    words = {name: [f"{name} {n * step % 97}" for n in range(4_200)] for name, step in (("town", 1), ("shop", 5))}
    wide = load(people(4_200).drop(columns="comment").assign(**words, street=words["shop"][::-1]))
    _, dense = fit(wide, "scaled")
    features, X = fit(wide, "scaled", sparse=True)
    assert isinstance(dense, np.ndarray)
    assert scipy.sparse.issparse(X)
    assert np.array_equal(X.toarray(), dense)
    assert scipy.sparse.issparse(features.transform(wide.val.frame))
    narrow = load(people(500).drop(columns="comment"))
    assert isinstance(fit(narrow, "scaled", sparse=True)[1], np.ndarray)


def test_text_without_a_repeating_word_is_left_out_and_said() -> None:
    frame = people().assign(comment=[f"a{i} b{i} c{i} d{i} e{i}" for i in range(400)])
    features, _ = fit(load(frame), "native")
    assert "data.text_without_terms" in [f.code for f in features.findings]
    assert not any(name.startswith("comment") for name in features.names)


def test_no_feature_left_is_refused() -> None:
    frame = people()[["customer_id", "source", "churned"]]
    with pytest.raises(DataRefused, match="needs features"):
        fit(load(frame), "native")


@pytest.mark.parametrize("style", STYLES)
def test_a_fold_in_which_a_column_is_empty_still_fits(style: FeatureStyle) -> None:
    dataset = load()
    dataset.train.frame["income"] = np.nan
    features, X = fit(dataset, style)
    assert len(features.names) == X.shape[1]
    assert "data.column_empty" in [f.code for f in features.findings]
    assert features.transform(dataset.val.frame).shape[1] == X.shape[1]
    assert style == "native" or np.isfinite(X).all()


def test_saved_bytes_depend_on_content_only(tmp_path: Path) -> None:
    """Another process has other memory addresses and another time of day."""
    program = (
        "import sys; from pathlib import Path; from tests.data.builders import load; "
        "from tests.data.test_features import fit; fit(load(), 'scaled')[0].save(Path(sys.argv[1]))"
    )
    digests = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        subprocess.run([sys.executable, "-c", program, str(folder)], check=True)
        digests.append({p.name: p.read_bytes() for p in folder.iterdir()})
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", ["features.json", "transformer.skops"])
def test_damaged_features_are_refused(tmp_path: Path, name: str) -> None:
    fit(load(), "native")[0].save(tmp_path)
    good = (tmp_path / name).read_bytes()
    for damaged in (b"", good[: len(good) // 2], b"{}"):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(ArtifactRefused):
            load_features(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ArtifactRefused):
        load_features(tmp_path)


def test_features_of_another_format_are_refused(tmp_path: Path) -> None:
    fit(load(), "native")[0].save(tmp_path)
    facts = json.loads((tmp_path / "features.json").read_text())
    (tmp_path / "features.json").write_text(json.dumps({**facts, "format": 99}))
    with pytest.raises(ArtifactRefused, match="format 99"):
        load_features(tmp_path)


def test_a_foreign_type_in_the_archive_is_refused(tmp_path: Path) -> None:
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    fit(load(), "native")[0].save(tmp_path)
    skops.io.dump(FunctionTransformer(subprocess.run), tmp_path / "transformer.skops")
    with pytest.raises(ArtifactRefused, match=r"subprocess\.run"):
        load_features(tmp_path)
