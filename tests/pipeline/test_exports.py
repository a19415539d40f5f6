"""Exports through the real command: proved in a process of their own, listed, repeatable by whoever receives them."""

import json
import os
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import trainwright
from tests.fit.exports.models import spoil_graphs
from tests.pipeline.builders import Project, assert_whole, codes, record, spec, table
from trainwright.core.errors import CannotExport, ResourceMissing, SpecError, VerificationFailed
from trainwright.stages import exporting

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.slow


def rows() -> pd.DataFrame:
    """Numbers and words with gaps, dates, and a text."""
    frame = table(rows=400)
    draw = np.random.default_rng(5)
    frame["flag"] = pd.Series(draw.choice(["yes", "no"], 400)).mask(draw.random(400) < 0.1)
    frame["colour"] = frame.colour.mask(draw.random(400) < 0.1)
    frame["when"] = (np.datetime64("1990-01-01") + draw.integers(0, 20_000, 400).astype("timedelta64[D]")).astype(str)
    words = ["good", "bad", "old", "new", "naïve"]
    frame["note"] = [" ".join(draw.choice(words, 5)) + f" {i}" for i in range(400)]
    return frame


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with exports; tests work on copies."""
    pytest.importorskip("lightgbm")
    project = Project(tmp_path_factory.mktemp("exports"))
    wanted = spec(training={"rounds": 20}, export=["native", "onnx", "booster"], data={"columns": {"text": ["note"]}})
    project.write(wanted, rows())
    return project.train()


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    shutil.copytree(run, tmp_path / "run")
    return tmp_path / "run"


def parity(run: Path) -> dict:
    """The exports of ``parity.json``."""
    found = json.loads((run / "model" / "parity.json").read_text())["exports"]
    assert isinstance(found, dict)
    return found


def test_exports_of_a_run_are_proved_and_listed(run: Path) -> None:
    found = parity(run)
    assert {name: entry["status"] for name, entry in found.items()} == {"onnx": "passed", "booster": "passed"}
    onnx, booster = found["onnx"], found["booster"]
    assert onnx["features"] == "inside"
    assert booster["features"] == "beside"
    assert booster["largest_difference"] == 0.0
    assert onnx["largest_difference"] <= onnx["tolerance"]["allowed"]
    assert {"given", "made missing", "made unseen"} == set(onnx["rows"]["kinds"])
    assert onnx["rows"]["alone"] >= 10
    assert onnx["latency"]["one_row_s"] > 0
    assert record(run)["artifacts"]["onnx"] == "model/onnx"
    listed = {one["path"]: one for one in json.loads((run / "handoff" / "manifest.json").read_text())["artifacts"]}
    assert listed["model/onnx/model.onnx"]["role"] == "export"
    assert listed["model/parity.json"]["role"] == "export_parity"
    assert listed["model/native/scorer.json"]["role"] == "model"
    assert_whole(run)


def test_the_proofs_process_held_the_runtime_alone(run: Path) -> None:
    assert {"onnxruntime", "numpy"} <= set(parity(run)["onnx"]["modules"])
    for entry in parity(run).values():
        assert not {"trainwright", "sklearn", "torch", "pandas", "xgboost"} & set(entry["modules"])


def test_whoever_receives_an_export_can_repeat_the_check_and_score_a_file(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run / "model" / "onnx", tmp_path / "received")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def loader(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-I", str(folder / "loader.py"), *arguments],
            capture_output=True, text=True, env=clean, timeout=120, check=False,
        )  # fmt: skip

    checked = loader("check")
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["passed"] is True
    data = run.parent.parent / "data.csv"
    scored = pd.read_csv(StringIO(loader("predict", str(data)).stdout))
    expected = trainwright.predict(run, data).frame
    gaps = pd.read_csv(data).astype({"x2": object}).fillna({"colour": "NA", "x2": "?"}).to_csv(index=False)
    assert "NA" in gaps
    (tmp_path / "gaps.csv").write_text(gaps)
    assert loader("predict", str(tmp_path / "gaps.csv")).stdout == loader("predict", str(data)).stdout
    assert scored.prediction.tolist() == expected.prediction.tolist()
    np.testing.assert_allclose(scored.proba_yes, expected.proba_yes, rtol=0, atol=1e-6)
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-1])
    damaged = loader("check")
    assert damaged.returncode == 1
    assert "changed since it was written" in damaged.stderr


def test_an_export_after_the_fact_is_that_of_the_run(copy: Path, tmp_path: Path) -> None:
    before = parity(copy)
    shutil.rmtree(copy / "model" / "onnx")
    done = Project(tmp_path)("export", copy, "--to", "onnx", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.json["exports"]["onnx"]["sha256"] == before["onnx"]["sha256"]
    assert done.json["artifacts"] == {"onnx": "model/onnx", "booster": "model/booster", "parity": "model/parity.json"}
    assert parity(copy)["booster"] == before["booster"]
    assert_whole(copy)


def test_a_wrong_export_is_removed_and_the_command_fails(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One leaf of one tree is off by a hundredth."""
    import onnx

    def shift(attribute: onnx.AttributeProto) -> None:
        leaves = onnx.numpy_helper.to_array(attribute.t).copy()
        leaves[0] += 0.01
        attribute.t.CopyFrom(onnx.numpy_helper.from_array(leaves, "leaf_weights"))

    spoil_graphs(monkeypatch, "leaf_weights", shift)
    with pytest.raises(VerificationFailed, match="golden rows are predicted otherwise") as caught:
        trainwright.export(copy, ["onnx"])
    assert caught.value.exit_code == 6
    assert not (copy / "model" / "onnx").exists()
    assert parity(copy)["onnx"]["status"] == "failed"
    assert "export.parity" in codes(record(copy)["findings"])
    assert "onnx" not in record(copy)["artifacts"]
    assert record(copy)["status"] == "done"
    assert_whole(copy)
    monkeypatch.undo()
    assert trainwright.export(copy, ["onnx"]).artifacts["onnx"] == "model/onnx"
    assert "export.parity" not in codes(record(copy)["findings"])


def test_what_cannot_be_is_said_before_anything_is_made(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CannotExport, match=r"torchscript holds models of torch.*lightgbm.*Possible here: booster, onnx"
    ):
        trainwright.export(copy, ["onnx", "torchscript"])
    with pytest.raises(SpecError, match="always there"):
        trainwright.export(copy, ["native"])
    done = Project(tmp_path)("export", copy, "--to", "onx", "--json")
    assert done.returncode == 2
    assert "Did you mean 'onnx'?" in done.json["error"]["message"]


def test_a_runtime_that_is_not_installed_is_exit_8_and_takes_no_evidence(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def content() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in copy.rglob("*") if p.is_file() and p.name != ".lock"}

    before, proved = content(), parity(copy)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ResourceMissing, match=r"trainwright\[onnx\]") as caught:
        trainwright.export(copy, ["onnx"])
    assert caught.value.exit_code == 8
    assert content() == before
    with pytest.raises(ResourceMissing, match=r"trainwright\[onnx\].*Made and proved: booster"):
        trainwright.export(copy, ["onnx", "booster"])
    assert parity(copy)["onnx"] == proved["onnx"]
    assert record(copy)["artifacts"] == {**record(copy)["artifacts"], "onnx": "model/onnx", "booster": "model/booster"}
    assert_whole(copy)


def test_impossible_formats_are_mistakes_with_their_place(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(spec(export=["native", "torchscript", "onx", "skops"]), table())
    done = project("check", "spec.yaml", "--json")
    assert done.returncode == 2
    told = [finding["what"] for finding in done.json["error"]["findings"]]
    assert any("torchscript holds no models of lightgbm" in one for one in told)
    assert any("unknown name 'onx'" in one for one in told)
    assert any("'skops' is how native stores" in one for one in told)


def test_folds_become_one_graph(tmp_path: Path) -> None:
    """Members have features of their own, and are averaged in the graph."""
    wanted = spec(
        "linear", cross_validation={"folds": 2, "final": "ensemble"}, baselines=[], export=["native", "onnx", "joblib"]
    )
    wanted["data"] = {"target": "y"}
    result = trainwright.train(wanted, out=tmp_path, train=table(rows=200))
    found = parity(result.run)
    assert {name: entry["status"] for name, entry in found.items()} == {"joblib": "passed", "onnx": "passed"}
    assert "export.unsafe" in {finding.code for finding in result.findings}


def test_no_time_left_costs_the_export_and_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_time_left", lambda work: 1.0)
    wanted = spec("linear", baselines=[], export=["native", "onnx"])
    wanted["data"] = {"target": "y"}
    result = trainwright.train(wanted, out=tmp_path, train=table(rows=200))
    assert result.status == "done"
    assert "export.no_time" in {finding.code for finding in result.findings}
    assert not (result.run / "model" / "onnx").exists()
    assert trainwright.export(result.run, ["onnx"]).artifacts["onnx"] == "model/onnx"
