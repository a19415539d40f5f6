"""A user's own feature pipeline in its three forms, and everything that must be refused."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tests.data.builders import load
from trainwright.core.errors import ArtifactRefused, DataRefused, SpecError
from trainwright.core.plan import FeatureStyle
from trainwright.core.seeds import Seeds
from trainwright.data.dataset import Dataset
from trainwright.data.features import Features, fit_features, load_features
from trainwright.data.pipelines import FeaturePipeline, load_pipeline

BUILDER = """
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer

def build():
    return make_column_transformer((SimpleImputer(), ["age", "income"]))

def broken():
    raise RuntimeError("on purpose")

def nothing():
    return 3

def custom():
    return FunctionTransformer(len)
"""


def iris() -> Dataset:
    frame = load_iris(as_frame=True).frame
    return load(frame, target="target")


def fit(dataset: Dataset, pipeline: FeaturePipeline, style: FeatureStyle = "scaled") -> tuple[Features, np.ndarray]:
    return fit_features(
        dataset.train,
        dataset.schema,
        dataset.target,
        style=style,
        accepts_sparse=False,
        seeds=Seeds(1),
        pipeline=pipeline,
    )


def steps(*made: object) -> dict[str, object]:
    return {"steps": list(made)}


def test_steps_from_yaml_are_fitted_saved_and_loaded(tmp_path: Path) -> None:
    value = steps(
        {"sklearn.preprocessing.MinMaxScaler": {"feature_range": [0, 2]}},
        "sklearn.preprocessing.StandardScaler",
        {"sklearn.decomposition.PCA": {"n_components": 2, "random_state": 0}},
    )
    dataset = iris()
    features, X = fit(dataset, load_pipeline(value, base=tmp_path, trust_code=False))
    assert X.shape == (len(dataset.train), 2)
    assert features.names == ("pca0", "pca1")
    features.save(tmp_path)
    np.testing.assert_array_equal(
        load_features(tmp_path).transform(dataset.val.frame), features.transform(dataset.val.frame)
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "one key steps"),
        ({"steps": []}, "one key steps"),
        ({"steps": [], "x": 1}, "one key steps"),
        (steps({"a": {}, "b": {}}), "step 1: one transformer"),
        (steps({"os.system": {}}), "import path of a scikit-learn"),
        (steps({"sklearn._loss.loss.x": {}}), "import path of a scikit-learn"),
        (steps({"sklearn.preprocessing.StandardScalr": {}}), "Did you mean 'StandardScaler'"),
        (steps({"sklearn.nothing.X": {}}), "no module"),
        (steps({"sklearn.linear_model.Ridge": {}}), "no transformer"),
        (steps({"sklearn.preprocessing.FunctionTransformer": {}}), "no transformer"),
        (steps({"sklearn.preprocessing.StandardScaler": {"with_maen": False}}), "Did you mean 'with_mean'"),
        (steps({"sklearn.preprocessing.StandardScaler": {"with_mean": "perhaps"}}), "with_mean"),
        (steps({"sklearn.preprocessing.StandardScaler": [1]}), "must be a mapping"),
        ("features.txt", "file.py:function"),
        ("gone.skops", "no file"),
    ],
)
def test_wrong_values_are_spec_errors_with_the_fix(tmp_path: Path, value: object, reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        load_pipeline(value, base=tmp_path, trust_code=True)  # type: ignore[arg-type]


def test_python_runs_only_when_trusted(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    (tmp_path / "f.py").write_text(f"open({str(marker)!r}, 'w').close()\n" + BUILDER)
    with pytest.raises(SpecError, match="--trust-code"):
        load_pipeline("f.py:build", base=tmp_path, trust_code=False)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("function", "reason"),
    [("biuld", "Did you mean 'build'"), ("broken", "on purpose"), ("nothing", "unfitted scikit-learn transformer")],
)
def test_a_builder_that_is_wrong_is_said(tmp_path: Path, function: str, reason: str) -> None:
    (tmp_path / "f.py").write_text(BUILDER)
    with pytest.raises(SpecError, match=reason):
        load_pipeline(f"f.py:{function}", base=tmp_path, trust_code=True)


def test_a_builder_gets_canonical_columns_and_is_fresh_for_every_fit(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(BUILDER)
    pipeline = load_pipeline("f.py:build", base=tmp_path, trust_code=True)
    dataset = load()
    features, X = fit(dataset, pipeline)
    assert features.names == ("simpleimputer__age", "simpleimputer__income")
    assert np.isfinite(X).all()
    assert pipeline.build() is not pipeline.build()
    features.save(tmp_path)
    np.testing.assert_array_equal(load_features(tmp_path).transform(dataset.train.frame), X)


def test_a_builder_with_types_that_cannot_be_stored_is_refused_on_saving(tmp_path: Path) -> None:
    pipeline = FeaturePipeline(origin="here", build=lambda: FunctionTransformer(_first_columns))
    features, _ = fit(iris(), pipeline)
    with pytest.raises(ArtifactRefused, match="_first_columns"):
        features.save(tmp_path)


def _first_columns(frame: object) -> object:
    return frame.iloc[:, :2]  # type: ignore[attr-defined]


def test_skops_files_are_taken_from_sklearn_only(tmp_path: Path) -> None:
    import skops.io

    skops.io.dump(make_column_transformer((StandardScaler(), ["age"])), tmp_path / "good.skops")
    skops.io.dump(FunctionTransformer(_first_columns), tmp_path / "bad.skops")
    (tmp_path / "broken.skops").write_bytes(b"nothing")
    features, _ = fit(load(), load_pipeline("good.skops", base=tmp_path, trust_code=False))
    assert len(features.names) == 1
    for name in ("bad", "broken"):
        with pytest.raises(ArtifactRefused):
            load_pipeline(f"{name}.skops", base=tmp_path, trust_code=True)


@pytest.mark.parametrize(
    ("transformer", "reason"),
    [
        (StandardScaler, "failed on the training rows.*could not convert"),
        (lambda: make_column_transformer((StandardScaler(), ["income"])), "cannot use missing values.*SimpleImputer"),
        (lambda: FunctionTransformer(lambda frame: frame.iloc[:5]), "one row per training row"),
        (lambda: FunctionTransformer(lambda frame: frame[["city"]]), "must give numbers"),
        (lambda: make_column_transformer((SimpleImputer(), ["no such column"])), "failed on the training rows"),
    ],
)
def test_a_pipeline_that_gives_no_usable_matrix_is_refused(transformer: object, reason: str) -> None:
    with pytest.raises(DataRefused, match=f"(?s){reason}"):
        fit(load(), FeaturePipeline(origin="mine", build=transformer))  # type: ignore[arg-type]
