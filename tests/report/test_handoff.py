"""handoff/: complete, and its manifest true."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.report.folder import edit
from trainwright.report import handoff
from trainwright.report.documents import write_documents
from trainwright.report.facts import gather


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_manifest_lists_every_file_with_its_hash(originals: dict[str, Path], task: str) -> None:
    run = originals[task]
    manifest = json.loads((run / "handoff" / "manifest.json").read_text())
    listed = {a["path"]: a for a in manifest["artifacts"]}
    present = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file() and not p.name.startswith(".")}
    assert set(listed) == present - {"handoff/manifest.json"}
    for path, entry in listed.items():
        if path == "run.json":
            assert entry["sha256"] is None
            continue
        assert entry["sha256"] == hashlib.sha256((run / path).read_bytes()).hexdigest()
        assert entry["bytes"] == (run / path).stat().st_size
    roles = {a["role"] for a in manifest["artifacts"]}
    assert {
        "model", "feature_pipeline", "training_log", "best_hyperparameters", "learning_curves", "checkpoint", "report",
        "model_card", "schema",
    } <= roles  # fmt: skip
    assert manifest["test_openings"]["count"] == 3
    assert manifest["digests"]["model"] == "c" * 64
    assert "exact" in manifest["determinism"]["level"]


def test_a_log_that_grew_is_still_what_the_manifest_says(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    manifest = json.loads((run / "handoff" / "manifest.json").read_text())
    entry = next(a for a in manifest["artifacts"] if a["path"] == "training_log.jsonl")
    with (run / "training_log.jsonl").open("a") as log:
        log.write("{}\n")
    assert entry["append_only"]
    start = (run / "training_log.jsonl").read_bytes()[: entry["bytes"]]
    assert hashlib.sha256(start).hexdigest() == entry["sha256"]


def test_the_sample_is_what_the_run_stored(originals: dict[str, Path]) -> None:
    run = originals["binary"]
    sample = pd.read_csv(run / "handoff" / "sample_predictions.csv")
    stored = pd.read_parquet(run / "predictions" / "test.parquet").head(handoff.SAMPLE_ROWS)
    assert sample["row"].tolist() == stored["row"].tolist()
    np.testing.assert_array_equal(sample["proba_Yes"], stored["proba_Yes"])
    assert not (run / "handoff" / "sample.csv").exists()


def test_rows_that_the_run_kept_travel_with_their_predictions(copied: Callable[[str], Path]) -> None:
    run = copied("regression")
    stored = pd.read_parquet(run / "predictions" / "val.parquet")
    wanted = stored["row"].to_numpy()[[5, 1, 3]]
    pd.DataFrame({"row": wanted, "bmi": [0.1, 0.2, 0.3]}).to_parquet(run / "data" / "sample.parquet")
    assert write_documents(run) == ()
    given = pd.read_csv(run / "handoff" / "sample.csv")
    predicted = pd.read_csv(run / "handoff" / "sample_predictions.csv")
    assert list(given.columns) == ["bmi"]
    assert predicted["row"].tolist() == wanted.tolist()
    np.testing.assert_array_equal(predicted["prediction"], stored.set_index("row").loc[wanted, "prediction"])


def test_the_prompt_names_what_is_open(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    drift = {"code": "drift.numeric", "severity": "warning", "where": "age", "what": "moved by 2 deviations"}
    edit(run / "run.json", lambda r: r["findings"].append(drift))
    handoff.write(run, gather(run))
    prompt = (run / "handoff" / "prompt.md").read_text()
    assert prompt.startswith("You are Agent 26 - Model Evaluator. Focus: Comprehensive evaluation and bias testing.")
    for words in (
        "calibration by sex, age",
        "Drift: age: moved by 2 deviations",
        "Calibration needs work",
        "the gap of",
    ):
        assert words in prompt
    assert "opened 3 times" in prompt


def test_the_receiver_is_the_specs(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    (run / "resolved.yaml").write_text("handoff:\n  to: Somebody Else\n  focus: speed  # given\n")
    write_documents(run)
    assert "You are Somebody Else. Focus: speed." in (run / "handoff" / "prompt.md").read_text()
    assert "**Agent**: Somebody Else" in (run / "report.md").read_text()


def test_the_report_and_the_handoff_give_one_prompt(originals: dict[str, Path]) -> None:
    run = originals["multiclass"]
    assert (run / "handoff" / "prompt.md").read_text().strip() in (run / "report.md").read_text()


def test_learning_curves_travel_as_numbers(originals: dict[str, Path]) -> None:
    run = originals["regression"]
    curves = pd.read_csv(run / "handoff" / "learning_curves.csv")
    val = curves[(curves["part"] == "val") & (curves["metric"] == "rmse")]
    record = json.loads((run / "run.json").read_text())
    assert val["step"].tolist() == list(range(1, 41))
    assert val["value"].min() == record["metrics"]["val"]["rmse"]


def test_without_predictions_the_sample_is_missed_in_a_finding(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    for part in ("train", "val", "test"):
        (run / "predictions" / f"{part}.parquet").unlink()
    assert [f.code for f in write_documents(run)] == ["handoff.no_sample"]
    assert not (run / "handoff" / "sample_predictions.csv").exists()
