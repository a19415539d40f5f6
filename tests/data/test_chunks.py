"""A table some rows at a time: the same rows, in order, and never more at once than asked for."""

from pathlib import Path

import pandas as pd
import pytest

from tests.data.builders import people
from trainwright.core.errors import DataRefused
from trainwright.data.chunks import read_chunks
from trainwright.data.header import column_names
from trainwright.data.read import read_table


def _write(frame: pd.DataFrame, path: Path) -> None:
    if ".csv" in path.name:
        frame.to_csv(path, index=False)
    elif path.suffix == ".tsv":
        frame.to_csv(path, index=False, sep="\t")
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix == ".feather":
        frame.to_feather(path)
    else:
        frame.to_json(path, orient="records", lines=True)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.parquet", "t.feather", "t.jsonl"])
def test_all_rows_in_order_and_few_at_once(tmp_path: Path, name: str) -> None:
    frame = people(1000)[["age", "city", "joined"]]
    path = tmp_path / name
    _write(frame, path)
    tables = list(read_chunks(path, rows=64))
    assert max(len(t.frame) for t in tables) == 64
    assert len(tables) == 16
    assert {t.files[0].path for t in tables} == {path}
    joined = pd.concat([t.frame for t in tables], ignore_index=True)
    pd.testing.assert_frame_equal(joined, read_table(path).frame, check_dtype=False)
    assert column_names(path) == ["age", "city", "joined"]


def test_shards_follow_each_other(tmp_path: Path) -> None:
    for number in (1, 2):
        people(10).assign(shard=number).to_csv(tmp_path / f"{number}.csv", index=False)
    tables = list(read_chunks(tmp_path / "*.csv", rows=7))
    assert [int(t.frame["shard"].iloc[0]) for t in tables] == [1, 1, 2, 2]
    assert column_names(tmp_path / "*.csv")[-1] == "shard"


def test_malformed_rows_are_told_at_the_end(tmp_path: Path) -> None:
    lines = ["a,b", *(f"{n},{n}" for n in range(500))]
    lines[100] = "1,2,3"
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    tables = list(read_chunks(tmp_path / "t.csv", rows=100))
    assert sum(len(t.frame) for t in tables) == 499
    assert [f.code for t in tables for f in t.findings] == ["data.bad_rows"]
    (tmp_path / "bad.csv").write_text("a,b\n1,2,3\n1,2\n1,2,3\n1,2,3\n")
    with pytest.raises(DataRefused, match="3 of 4 rows"):
        list(read_chunks(tmp_path / "bad.csv"))


def test_lines_that_are_no_json_are_left_out(tmp_path: Path) -> None:
    lines = [f'{{"a": {n}}}' for n in range(300)]
    lines[7] = "{broken"
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    tables = list(read_chunks(tmp_path / "t.jsonl", rows=200))
    assert sum(len(t.frame) for t in tables) == 299
    assert [f.code for t in tables for f in t.findings] == ["data.bad_rows"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b"a,b\n"),
        ("t.csv", b""),
        ("t.csv", b'a,b\n1,"2\n'),
        ("t.csv", b"a,b\n\xff,1\n"),
        ("t.parquet", b"PAR1nothing"),
        ("t.feather", b"ARROW1nothing"),
        ("t.jsonl", b"\n\n"),
        ("t.xyz", b"1"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataRefused):
        list(read_chunks(tmp_path / name))


@pytest.mark.parametrize("name", ["absent.csv", "folder"])
def test_columns_that_cannot_be_told_are_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "t.csv").write_bytes(b"")
    assert column_names(tmp_path / name) in ([], ["label"])
    assert column_names(tmp_path / "t.csv") == []
