"""Every format with every engine and family it can hold: written, loaded by its own loader, and equal to the model."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest

from tests.fit.exports.models import delivered, prove_here, spoil_graphs
from trainwright.core import registry
from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import Task
from trainwright.engines.testing import Case, engine_cases
from trainwright.fit.exports.golden import Golden
from trainwright.fit.exports.make import make_export
from trainwright.fit.formats.contract import Delivered

if TYPE_CHECKING:
    import onnx

pytest.importorskip("onnx")

FORMATS = registry.names("exports")

Models: TypeAlias = Callable[[Case], tuple[Delivered, Golden]]


def cases() -> list[object]:
    """Each family with every format of its engine; networks, which take seconds to trace, on one task each."""
    formats = {name: set(registry.load("exports", name).engines()) for name in FORMATS}
    found: list[object] = []
    for case in engine_cases(*sorted(set().union(*formats.values()))):
        is_network = case.engine == "torch"
        if is_network and case.task not in (Task.MULTICLASS, Task.LANGUAGE):
            continue
        for name in (name for name, engines in formats.items() if case.engine in engines):
            marks = [pytest.mark.slow] if is_network and (name, case.family) != ("torch_export", "mlp") else []
            found.append(pytest.param(name, case, id=f"{name}-{case}", marks=marks))
    return found


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """The model of a case, trained once for all formats: none of them changes it."""
    return functools.cache(lambda case: delivered(case, tmp_path_factory.mktemp("delivered")))


@pytest.mark.parametrize(("name", "case"), cases())
def test_an_export_predicts_as_the_model(name: str, case: Case, models: Models, tmp_path: Path) -> None:
    model, golden = models(case)
    made = make_export(name, model, golden, tmp_path / name, prover=prove_here)
    assert made.status == "passed", made.entry
    assert (tmp_path / name / "hashes.json").is_file()


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS, Task.REGRESSION])
@pytest.mark.parametrize("policy", ["SymmetricTree", "Lossguide"])
def test_catboost_of_numbers_and_missing_values_becomes_onnx(task: Task, policy: str, tmp_path: Path) -> None:
    case, params = Case("catboost", "catboost", task), {"grow_policy": policy}
    model, golden = delivered(case, tmp_path, layout="sparse", params=params)
    made = make_export("onnx", model, golden, tmp_path / "onnx", prover=prove_here)
    assert made.status == "passed", made.entry


@pytest.mark.parametrize("engine", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("format_name", ["onnx", "booster"])
def test_sparse_rows_mean_what_they_meant_in_training(engine: str, format_name: str, tmp_path: Path) -> None:
    """In sparse rows XGBoost takes a zero for a missing value, LightGBM for a zero."""
    model, golden = delivered(Case(engine, engine, Task.BINARY), tmp_path, layout="sparse")
    made = make_export(format_name, model, golden, tmp_path / format_name, prover=prove_here)
    assert made.status == "passed", made.entry


@pytest.mark.parametrize(
    ("engine", "params"),
    [
        ("xgboost", {"booster": "dart", "rate_drop": 0.5}),
        ("xgboost", {"objective": "count:poisson"}),
        ("lightgbm", {"boosting": "dart", "drop_rate": 0.5}),
        ("lightgbm", {"objective": "poisson"}),
        ("lightgbm", {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}),
        ("catboost", {"loss_function": "Poisson"}),
    ],
)
def test_links_and_boosters_that_converters_lose(engine: str, params: dict[str, JsonValue], tmp_path: Path) -> None:
    case = Case(engine, engine, Task.REGRESSION)
    model, golden = delivered(case, tmp_path, layout="sparse", params=params, counts=True)
    made = make_export("onnx", model, golden, tmp_path / "onnx", prover=prove_here)
    assert made.status == "passed", made.entry


def test_a_graph_names_the_likelier_class(tmp_path: Path) -> None:
    import onnxruntime

    model, golden = delivered(Case("lightgbm", "lightgbm", Task.MULTICLASS), tmp_path)
    make_export("onnx", model, golden, tmp_path / "onnx", prover=prove_here)
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    (label,) = session.run(["label"], {"X": golden.matrices[0]})
    assert label.tolist() == [model.classes[i] for i in golden.expected.argmax(axis=1)]


def test_a_failing_format_leaves_nothing_and_says_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that is wrong for missing values only, as converters write them, is caught by the rows that miss one."""

    def turn(attribute: "onnx.AttributeProto") -> None:
        attribute.ints[:] = [1 - one for one in attribute.ints]

    spoil_graphs(monkeypatch, "nodes_missing_value_tracks_true", turn)
    model, golden = delivered(Case("lightgbm", "lightgbm", Task.BINARY), tmp_path)
    made = make_export("onnx", model, golden, tmp_path / "onnx", prover=prove_here)
    assert made.status == "failed"
    assert not (tmp_path / "onnx").exists()
    (finding,) = made.findings
    assert finding.code == "export.parity"
    at = made.entry["largest_at"]
    assert isinstance(at, dict)
    assert np.isnan(golden.matrices[0][at["row"]]).any()


def test_a_missing_runtime_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    model, golden = delivered(Case("sklearn", "dummy", Task.BINARY), tmp_path)
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").write_text("proved earlier")
    made = make_export("onnx", model, golden, tmp_path / "onnx", prover=prove_here)
    assert made.status == "missing"
    assert (tmp_path / "onnx" / "model.onnx").read_text() == "proved earlier"
    assert "trainwright[onnx]" in str(made.entry["why"])
    assert made.findings[0].code == "export.runtime"


def test_engines_say_which_formats_hold_their_models() -> None:
    for engine in registry.names("engines"):
        possible = {name for name in FORMATS if engine in registry.load("exports", name).engines()}
        assert set(registry.load("engines", engine).CAPABILITIES.exports) == {"native", *possible}, engine


def test_unsafe_formats_say_so(tmp_path: Path) -> None:
    assert {name for name in FORMATS if not registry.load("exports", name).SAFE} == {"joblib", "torchscript"}
    model, golden = delivered(Case("sklearn", "dummy", Task.BINARY), tmp_path)
    made = make_export("joblib", model, golden, tmp_path / "joblib", prover=prove_here)
    assert made.entry["safe"] is False
    assert "export.unsafe" in {finding.code for finding in made.findings}
