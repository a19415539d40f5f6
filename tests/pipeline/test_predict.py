"""`trainwright predict`: columns against training, block by block, drift, and the forms of the output."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import trainwright
from tests.pipeline.builders import Project, codes, table
from trainwright.core.errors import DataRefused, SpecError
from trainwright.core.findings import Severity
from trainwright.stages.scoring import score_rows


def _rows(rows: int = 400, seed: int = 3) -> pd.DataFrame:
    return table(rows=rows, seed=seed).drop(columns="y")


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.jsonl"])
@pytest.mark.parametrize("given", ["rows.csv", "rows.parquet", "rows.jsonl"])
def test_blocks_give_what_one_table_gives(finished: Project, tmp_path: Path, given: str, name: str) -> None:
    run, rows = finished.only_run(), _rows()
    path = tmp_path / given
    if given == "rows.csv":
        rows.to_csv(path, index=False)
    elif given == "rows.parquet":
        rows.to_parquet(path, index=False)
    else:
        rows.to_json(path, orient="records", lines=True, double_precision=15)
    whole = trainwright.predict(run, rows)
    blocks = score_rows(run, path, out=tmp_path / name, block_rows=37)
    assert (blocks.rows, blocks.largest_block) == (400, 37)
    pd.testing.assert_frame_equal(blocks.frame, whole.frame, check_exact=True, check_dtype=False)
    assert [f.to_json() for f in blocks.findings] == [f.to_json() for f in whole.findings]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_counts_are_those_of_all_blocks(finished: Project, tmp_path: Path) -> None:
    rows = _rows()
    rows["colour"] = np.where(np.arange(400) % 4 == 0, "pink", rows["colour"])
    rows["x0"] = np.where(np.arange(400) % 100 == 0, "??", rows["x0"].astype(str))
    rows.to_csv(tmp_path / "rows.csv", index=False)
    found = score_rows(finished.only_run(), tmp_path / "rows.csv", out=None, block_rows=50).findings
    by_code = {f.code: f for f in found}
    assert by_code["data.unseen_categories"].evidence == {"values": 100, "rows": 400, "examples": ["pink"]}
    assert "the first of 4 blocks" in by_code["data.kind_differs"].what


def test_drift_is_told_with_its_index(finished: Project) -> None:
    moved = _rows().assign(x1=lambda f: f.x1 + 2)
    found = [f for f in trainwright.predict(finished.only_run(), moved).findings if f.code == "drift.column"]
    assert [(f.where, f.severity) for f in found] == [("x1", Severity.WARNING)]
    assert "PSI" in found[0].what
    assert trainwright.predict(finished.only_run(), _rows()).findings == ()
    few = trainwright.predict(finished.only_run(), moved.head(99)).findings
    assert [f.code for f in few] == ["drift.not_checked"]


def test_columns_are_matched_by_name(finished: Project) -> None:
    run, rows = finished.only_run(), _rows()
    expected = trainwright.predict(run, rows).frame
    shuffled = rows[["colour", "x2", "x0", "x1"]].assign(extra=1, y="yes")
    result = trainwright.predict(run, shuffled)
    pd.testing.assert_frame_equal(result.frame, expected)
    assert {f.code for f in result.findings} == {"data.reordered", "data.extra_columns"}


def test_missing_columns_and_other_kinds_are_refused(finished: Project, tmp_path: Path) -> None:
    run = finished.only_run()
    with pytest.raises(DataRefused, match="2 are missing: x1, colour"):
        trainwright.predict(run, _rows().drop(columns=["x1", "colour"]))
    with pytest.raises(DataRefused, match=r"x0 \(must be numeric, got for example 'red'\)"):
        trainwright.predict(run, _rows().assign(x0="red"))
    _rows().assign(x0="red").to_csv(tmp_path / "rows.csv", index=False)
    done = finished("predict", run, tmp_path / "rows.csv", "-o", tmp_path / "out.csv", "--json")
    assert (done.returncode, done.json["error"]["kind"]) == (3, "data")
    assert not (tmp_path / "out.csv").exists()
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_column_of_gaps_or_with_one_odd_cell_is_no_other_kind(finished: Project) -> None:
    run = finished.only_run()
    assert len(trainwright.predict(run, _rows().assign(x0=np.nan)).frame) == 400
    odd = _rows().assign(x0=[None] * 399 + ["?!"])
    assert "data.kind_differs" in {f.code for f in trainwright.predict(run, odd).findings}


def test_the_end_of_a_file_may_spoil_everything(finished: Project, tmp_path: Path) -> None:
    """A column turns into text in the last block: no half of a file is left."""
    rows = _rows().astype({"x0": object})
    rows.loc[350:, "x0"] = "red"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "out.csv").write_text("before")
    with pytest.raises(DataRefused, match="x0"):
        score_rows(finished.only_run(), tmp_path / "rows.csv", out=tmp_path / "out.csv", block_rows=50)
    assert (tmp_path / "out.csv").read_text() == "before"


def test_the_command_tells_what_it_noticed(finished: Project, tmp_path: Path) -> None:
    _rows().assign(x1=9.0).to_csv(tmp_path / "rows.csv", index=False)
    done = finished("predict", finished.only_run(), tmp_path / "rows.csv", "-o", tmp_path / "out.jsonl", "--json")
    assert done.returncode == 0
    assert done.json["rows"] == 400
    assert codes(done.json["findings"]) == {"drift.column"}
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert list(first) == ["prediction", "proba_no", "proba_yes"]
    with pytest.raises(SpecError, match=r"got 'out\.xlsx'"):
        trainwright.predict(finished.only_run(), _rows(), out=tmp_path / "out.xlsx")
