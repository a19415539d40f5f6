"""Features as a graph: the matrix is that of scikit-learn, bit for bit, for rows unlike any of training too."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from tests.data.builders import load, people
from trainwright.core.errors import CannotExport
from trainwright.core.plan import FeatureStyle
from trainwright.core.seeds import Seeds
from trainwright.data.dataset import Dataset
from trainwright.data.features import Features, fit_features
from trainwright.data.inputs import moment_parts
from trainwright.data.onnx_features import ColumnInput, add_features, column_inputs
from trainwright.data.onnx_graph import Graph
from trainwright.data.onnx_moments import add_moment_parts

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

DTYPES = {"number": np.dtype("float64"), "text": np.dtype(object), "moment": np.dtype("int64")}


def fit(dataset: Dataset, style: FeatureStyle, *, sparse: bool = False) -> Features:
    features, _ = fit_features(
        dataset.train, dataset.schema, dataset.target, style=style, accepts_sparse=sparse, seeds=Seeds(1)
    )
    return features


def run(features: Features, frame: pd.DataFrame) -> np.ndarray:
    """The matrix that the graph makes of the columns of a canonical frame."""
    graph = Graph()
    columns = column_inputs(features)
    for one in columns:
        graph.input(one.name, DTYPES[one.kind], [1])
    matrix = add_features(graph, features, columns)
    width = len(features.names)
    graph.output(matrix, "X", np.dtype(features.transform(frame[:1]).dtype), [width])
    session = onnxruntime.InferenceSession(graph.finish(name="features", about={}).SerializeToString())
    found = session.run(["X"], fed(columns, frame))[0]
    assert isinstance(found, np.ndarray)
    return found


def fed(columns: Sequence[ColumnInput], frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the graph takes."""
    made = {}
    for one in columns:
        values = frame[one.column]
        if one.kind == "number":
            array = values.to_numpy(dtype="float64")
        elif one.kind == "moment":
            array = values.astype("datetime64[us]").to_numpy().view("int64")
        else:
            array = np.array(values.fillna("").tolist(), dtype=object)
        made[one.name] = array.reshape(-1, 1)
    return made


def strange(dataset: Dataset) -> pd.DataFrame:
    """Validation rows, and below them rows with gaps, unseen words, old dates and large numbers."""
    frame = dataset.val.frame
    odd = frame.head(40).copy()
    odd["age"] = np.where(np.arange(40) % 3, np.nan, -1e9)
    odd["income"] = np.array([np.nan, 1e-30, -1e30, 123456.789] * 10)
    odd["city"] = pd.Series(["Atlantis", np.nan, "Rome", "oslo"] * 10, index=odd.index, dtype="str")
    odd["member"] = pd.Series(["perhaps", np.nan, "yes", "no"] * 10, index=odd.index, dtype="str")
    odd["joined"] = pd.Series(
        [pd.NaT, pd.Timestamp("1899-12-31 23:59:59.999999"), pd.Timestamp("2024-02-29 12:00"), pd.Timestamp(0)] * 10,
        index=odd.index,
    ).astype("datetime64[us]")
    odd["comment"] = pd.Series(["", np.nan, "RED  green,green! x", "naïve café 東京 old_new"] * 10, index=odd.index)
    return pd.concat([frame.astype({"age": "float64"}), odd], ignore_index=True)


@pytest.mark.parametrize("style", ["native", "ordinal", "scaled", "nonnegative"])
def test_the_matrix_is_equal_bit_for_bit(style: FeatureStyle) -> None:
    dataset = load(people(600).drop(columns="comment"))
    features, frame = fit(dataset, style), strange(dataset)
    np.testing.assert_array_equal(run(features, frame), features.transform(frame))
    np.testing.assert_array_equal(run(features, frame[:1]), features.transform(frame[:1]))


@pytest.mark.parametrize("style", ["native", "scaled", "nonnegative"])
@pytest.mark.parametrize("sparse", [False, True])
def test_texts_are_counted_in_the_graph(style: FeatureStyle, sparse: bool) -> None:
    """Reduced for trees, as they are where rows may be sparse; no text, and texts without a known word, among them."""
    dataset = load(people(600))
    features, frame = fit(dataset, style, sparse=sparse), strange(dataset)
    expected = features.transform(frame)
    dense = expected if isinstance(expected, np.ndarray) else expected.toarray()
    np.testing.assert_allclose(run(features, frame), dense, rtol=0, atol=1e-6)
    empty = frame.assign(comment="?").head(3)
    assert np.isfinite(run(features, empty)[:, -5:]).all()


def test_numbers_that_float32_would_merge_stay_double() -> None:
    frame = people(300).drop(columns="comment")
    frame["serial"] = 1e12 + np.arange(300) / 64
    dataset = load(frame, numeric=("serial",))
    for style in ("native", "scaled"):
        features = fit(dataset, style)  # type: ignore[arg-type]  # a literal
        found = run(features, dataset.val.frame)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, features.transform(dataset.val.frame))


def test_infinities_count_as_missing() -> None:
    dataset = load(people(300).drop(columns="comment"))
    features = fit(dataset, "native")
    endless = dataset.val.frame.head(2).assign(income=[np.inf, -np.inf])
    gaps = endless.assign(income=np.nan)
    np.testing.assert_array_equal(run(features, endless), features.transform(gaps))


def test_every_part_of_every_date_is_that_of_pandas() -> None:
    draw = np.random.default_rng(3)
    span = draw.integers(-200_000 * 86_400, 200_000 * 86_400, 2_000) * 10**6 + draw.integers(0, 10**6, 2_000)
    edges = pd.to_datetime(["1600-02-29", "1900-02-28 23:59:59.999999", "2000-02-29", "2100-03-01"], format="ISO8601")
    moments = pd.Series(np.concatenate([span.view("datetime64[us]"), edges.to_numpy().astype("datetime64[us]")]))
    moments[3] = pd.NaT
    expected = moment_parts(moments)
    graph = Graph()
    graph.input("when", np.dtype("int64"), [1])
    for name, value in add_moment_parts(graph, "when", expected).items():
        graph.output(value, f"part {name}", np.dtype("float64"), [1])
    session = onnxruntime.InferenceSession(graph.finish(name="dates", about={}).SerializeToString())
    given = moments.to_numpy().view("int64").reshape(-1, 1)
    for name, values in expected.items():
        np.testing.assert_array_equal(session.run([f"part {name}"], {"when": given})[0][:, 0], values)


def test_a_column_may_have_the_name_of_an_output() -> None:
    frame = people(300).drop(columns="comment").rename(columns={"income": "prediction", "age": "a/b"})
    features = fit(load(frame), "native")
    names = {one.column: one.name for one in column_inputs(features, ("prediction", "label"))}
    assert names["prediction"] == "prediction_"
    assert len(set(names.values())) == len(names)
    assert not any("/" in name for name in names.values())


def test_what_a_graph_cannot_hold_is_refused_with_its_reason() -> None:
    from sklearn.preprocessing import StandardScaler

    from trainwright.data.pipelines import FeaturePipeline

    dataset = load(people(300)[["age", "income", "churned"]].fillna(0.0))
    own = FeaturePipeline(origin="own", build=StandardScaler)
    features, _ = fit_features(
        dataset.train,
        dataset.schema,
        dataset.target,
        style="scaled",
        accepts_sparse=False,
        seeds=Seeds(1),
        pipeline=own,
    )
    with pytest.raises(CannotExport, match="feature pipeline of your own"):
        column_inputs(features)
