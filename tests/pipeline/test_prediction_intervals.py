"""Prediction intervals of a whole run: kept with it and its hand-off, measured on test rows, asked for or refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import trainwright
from tests.pipeline.builders import Project, assert_whole, codes, record, spec, table
from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.stages.scoring import score_rows


def train(folder: Path, rows: int, *, frame: pd.DataFrame | None = None, **sections: object) -> Path:
    """A linear regression; a fifth of the rows for validation, and for test, unless ``data`` says otherwise."""
    wanted = spec("linear", baselines=[], **sections)
    split = {"split": {"val": 0.2, "test": 0.2, "strategy": "random"}}
    data = sections.get("data", split)
    assert isinstance(data, dict)
    wanted["data"] = {"target": "y", **data}
    return trainwright.train(wanted, out=folder, train=table("regression", rows=rows) if frame is None else frame).run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("intervals"), 1_500)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return table("regression", rows=5_000, seed=9)


def test_new_rows_are_covered_as_promised(run: Path, rows: pd.DataFrame) -> None:
    """At 90%, 300 validation rows leave the coverage a standard deviation of 1.7%, and 5,000 new rows add 0.4%."""
    for level in (0.5, 0.9, 0.98):
        found = trainwright.predict(run, rows, interval=level).frame
        assert list(found) == ["prediction", "lower", "upper"]
        covered = ((rows.y >= found.lower) & (rows.y <= found.upper)).mean()
        spread = np.sqrt(level * (1 - level) * (1 / 302 + 1 / 5_000))
        assert abs(covered - level) < 4 * spread, level


def test_a_run_measures_its_intervals_and_its_documents_say_so(run: Path) -> None:
    noted = record(run)["prediction_intervals"]
    assert {name: noted[name] for name in ("source", "rows", "level", "possible", "unlike")} == {
        "source": "val", "rows": 300, "level": 0.9, "possible": True, "unlike": "",
    }  # fmt: skip
    held = noted["coverage"]
    stored = pd.read_parquet(run / "predictions" / "test.parquet")
    ends = trainwright.open_model(run).offsets(0.9)
    errors = stored.target - stored.prediction
    assert held["rows"] == 300
    assert held["share"] == pytest.approx(((errors >= ends.lower) & (errors <= ends.upper)).mean())
    assert held["share"] + held["below"] + held["above"] == pytest.approx(1.0)
    assert "intervals.coverage" not in codes(record(run)["findings"])
    said = f"90% prediction intervals hold the target of {held['share']:.1%} of 300 test rows"
    for name in ("report.md", "report.html"):
        assert said in (run / name).read_text(), name
    assert json.loads((run / "handoff" / "metrics.json").read_text())["prediction_intervals"] == noted
    assert_whole(run)


def test_a_hand_off_alone_has_them_and_holds_them_against_their_hash(
    run: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    alone = shutil.copytree(run / "handoff", tmp_path / "alone")
    ours, theirs = (trainwright.predict(folder, rows, interval=0.9).frame for folder in (run, alone))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    stored = alone / "prediction_intervals.json"
    stored.write_text(stored.read_text().replace('"rows": 300', '"rows": 301'))
    with pytest.raises(ArtifactRefused, match=r"prediction_intervals\.json is missing or changed"):
        trainwright.predict(alone, rows)


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.jsonl"])
def test_blocks_have_the_columns_of_one_table(run: Path, rows: pd.DataFrame, tmp_path: Path, name: str) -> None:
    rows.to_csv(tmp_path / "rows.csv", index=False)
    blocks = score_rows(run, tmp_path / "rows.csv", out=tmp_path / name, interval=0.8, block_rows=777)
    assert blocks.columns == ("prediction", "lower", "upper")
    pd.testing.assert_frame_equal(blocks.frame, trainwright.predict(run, rows, interval=0.8).frame, check_dtype=False)


def test_the_command_takes_a_level(run: Path, rows: pd.DataFrame, tmp_path: Path) -> None:
    rows.head(5).to_csv(tmp_path / "rows.csv", index=False)
    done = Project(tmp_path)(
        "predict", run, tmp_path / "rows.csv", "--interval", "0.9", "-o", tmp_path / "out.csv", "--json"
    )
    assert (done.returncode, done.json["columns"]) == (0, ["prediction", "lower", "upper"])


def test_an_opened_model_takes_a_level(run: Path, rows: pd.DataFrame) -> None:
    model = trainwright.open_model(run)
    with_ends, _ = model.predict(rows, interval=0.9)
    plain, _ = model.predict(rows)
    pd.testing.assert_frame_equal(with_ends[["prediction"]], plain)


def test_classes_have_probabilities_and_no_intervals(finished: Project) -> None:
    with pytest.raises(SpecError, match="task is binary: its probabilities are the answer"):
        trainwright.predict(finished.only_run(), table().drop(columns="y"), interval=0.9)
    assert "prediction_intervals" not in record(finished.only_run())
    assert "prediction intervals" not in (finished.only_run() / "report.md").read_text()


def test_a_run_of_an_earlier_version_is_told(run: Path, rows: pd.DataFrame, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "data" / "prediction_intervals.json").unlink()
    assert len(trainwright.predict(copy, rows).frame) == len(rows)
    with pytest.raises(SpecError, match="keeps no residuals"):
        trainwright.predict(copy, rows, interval=0.9)


def test_few_validation_rows_are_said_and_refused(tmp_path: Path) -> None:
    run = train(tmp_path, 60)
    assert record(run)["prediction_intervals"]["possible"] is False
    assert "90% prediction intervals need 19 rows, and there are 12 validation rows." in (run / "report.md").read_text()
    with pytest.raises(SpecError, match="needs 19 rows, and this run has 12 validation rows"):
        trainwright.predict(run, table("regression", rows=5), interval=0.9)
    assert len(trainwright.predict(run, table("regression", rows=5), interval=0.8).frame) == 5


def test_out_of_fold_rows_stand_in_for_few_validation_rows_each_with_its_weight(tmp_path: Path) -> None:
    frame = table("regression", rows=100)
    frame["w"] = 1 + np.arange(100) / 100
    split = {"val": 0.2, "test": 0.2, "strategy": "random"}
    data = {"split": split, "columns": {"weight": "w"}}
    run = train(tmp_path, 100, frame=frame, data=data, cross_validation={"folds": 3})
    kept = json.loads((run / "data" / "prediction_intervals.json").read_text())
    stored = pd.read_parquet(run / "predictions" / "oof.parquet")
    stored = stored.assign(residual=stored.target - stored.prediction, w=frame.w.to_numpy()[stored.row])
    stored = stored.sort_values("residual")
    np.testing.assert_allclose(kept["residuals"], stored.residual)
    np.testing.assert_allclose(kept["through"], stored.w.cumsum())
    assert kept["largest"] == stored.w.max()
    noted = record(run)["prediction_intervals"]
    assert (noted["source"], noted["rows"], noted["possible"]) == ("oof", 60, True)
    assert "the errors on 60 out-of-fold rows" in (run / "report.md").read_text()


def test_later_rows_that_differ_are_said_and_found(tmp_path: Path) -> None:
    """The noise grows fivefold over time: intervals of the middle years are too narrow for the last ones."""
    frame = table("regression", rows=800)
    frame["when"] = np.arange("2020-01-01", "2022-03-11", dtype="datetime64[D]")[:800]
    late = np.arange(800) >= 640
    frame.loc[late, "y"] += np.random.default_rng(0).normal(size=int(late.sum())) * 30
    split = {"val": 0.2, "test": 0.2, "strategy": "time", "column": "when"}
    run = train(tmp_path, 0, frame=frame, data={"split": split})
    noted = record(run)["prediction_intervals"]
    assert noted["coverage"]["share"] < 0.5
    assert noted["unlike"].startswith("the split is by time")
    assert "intervals.coverage" in codes(record(run)["findings"])
    assert "Their promise is for rows alike: the split is by time" in (run / "report.md").read_text()
    assert "prediction intervals fall short on test rows" in (run / "report.html").read_text()
