"""Reading files and frames: formats, spellings, broken input."""

import bz2
import gzip
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from trainwright.core.errors import ArtifactRefused, DataRefused, TrainwrightError
from trainwright.data.read import RawTable, read_table, table_from_frame

GOOD = "a,b,c\n1,x,2.5\n2,y,3.5\n3,z,4.5\n"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def codes(table: RawTable) -> list[str]:
    return [finding.code for finding in table.findings]


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("t.csv", lambda b: b),
        ("t.csv.gz", gzip.compress),
        ("t.csv.bz2", bz2.compress),
        ("t.csv.zst", lambda b: pa.compress(b, codec="zstd", asbytes=True)),
        ("t.tsv", lambda b: b.replace(b",", b"\t")),
        ("semicolon.csv", lambda b: b.replace(b",", b";")),
        ("pipe.txt", lambda b: b.replace(b",", b"|")),
        ("bom.csv", lambda b: b"\xef\xbb\xbf" + b),
        ("crlf.csv", lambda b: b.replace(b"\n", b"\r\n")),
        ("no_last_newline.csv", lambda b: b.rstrip(b"\n")),
    ],
)
def test_text_formats_give_the_same_table(tmp_path: Path, name: str, pack: object) -> None:
    path = write(tmp_path, name, pack(GOOD.encode()))  # type: ignore[operator]
    table = read_table(path)
    expected = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"], "c": [2.5, 3.5, 4.5]})
    pd.testing.assert_frame_equal(table.frame, expected)
    assert table.files[0].rows == 3
    assert table.files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert table.files[0].bytes == path.stat().st_size


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrow", ".jsonl", ".npz"])
def test_typed_formats_give_the_same_table(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "None"], "c": [2.5, np.nan, 4.5]})
    path = tmp_path / f"t{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif suffix == ".npz":
        np.savez(path, **{name: frame[name].to_numpy(dtype="U4" if name == "b" else None) for name in frame})
    else:
        frame.to_feather(path)
    pd.testing.assert_frame_equal(read_table(path).frame, frame)


def test_missing_is_spelled_in_many_ways_and_none_is_a_value_in_text(tmp_path: Path) -> None:
    text = "t,n,m\nNone,1,None\n?,?,1\nNA, ,2\n-,N/A,3\n  ,null,4\nx,5,5\n"
    table = read_table(write(tmp_path, "t.csv", text))
    assert table.frame["t"].tolist()[0] == "None"
    assert table.frame["t"].isna().tolist() == [False, True, True, True, True, False]
    assert table.frame["n"].tolist()[-1] == 5.0
    assert table.frame["n"].isna().sum() == 4
    assert table.frame["m"].dtype == "float64"  # "None" among numbers is missing
    assert "data.text_to_number" in codes(table)


def test_missing_values_of_the_user_replace_the_usual_ones(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", "t,n\nNA,-999\nx,1\ny,\n")
    table = read_table(path, missing_values=["-999"])
    assert table.frame["t"].tolist() == ["NA", "x", "y"]
    assert table.frame["n"].isna().tolist() == [True, False, True]


def test_none_in_parquet_is_a_value_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"t": ["None", "?", "x"]}).to_parquet(path)
    assert read_table(path).frame["t"].tolist() == ["None", "?", "x"]
    assert read_table(path, missing_values=["?"]).frame["t"].isna().tolist() == [False, True, False]


def test_codes_with_leading_zeros_stay_text_and_text_columns_stay_as_spelled(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", "zip,price,hex\n00501,1.50,0x1F\n10001,2.00,0x20\n")
    frame = read_table(path).frame
    assert frame["zip"].tolist() == ["00501", "10001"]
    assert frame["hex"].tolist() == ["0x1F", "0x20"]
    assert read_table(path, text_columns=["price"]).frame["price"].tolist() == ["1.50", "2.00"]


def test_numbers_in_a_text_column_become_numbers_with_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"charges": ["1.5", " ", "3.5"]}).to_parquet(path)
    table = read_table(path)
    assert table.frame["charges"].tolist()[::2] == [1.5, 3.5]
    assert "data.text_to_number" in codes(table)


def test_mixed_types_are_kept_as_text_and_said_with_examples(tmp_path: Path) -> None:
    rows = "\n".join(["v", *map(str, range(20)), "abc"])
    table = read_table(write(tmp_path, "t.csv", rows + "\n"))
    assert table.frame["v"].dtype == "str"
    (finding,) = [f for f in table.findings if f.code == "data.mixed_types"]
    assert finding.where == "v"
    assert finding.evidence["examples"] == ["abc"]


def test_decimal_commas_are_read_where_semicolons_separate(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", "a;b\n1,5;x\n2,25;y\n"))
    assert table.frame["a"].tolist() == [1.5, 2.25]
    assert "data.decimal_comma" in codes(table)


def test_big_integers_with_gaps_are_not_rounded(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", f"a,b\n{2**60 + 1},1\n,2\n{2**60 + 3},3\n"))
    assert table.frame["a"].tolist()[::2] == [str(2**60 + 1), str(2**60 + 3)]


def test_quoted_newlines_delimiters_and_quotes_are_one_value(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", 'a,b\n1,"x, ""y""\nz"\n2,plain 5" pipe\n'))
    assert table.frame["b"].tolist() == ['x, "y"\nz', 'plain 5" pipe']


def test_a_few_ragged_rows_are_left_out_and_named_by_line(tmp_path: Path) -> None:
    lines = ["a,b"] + [f'{i},"x\ny"' for i in range(300)]
    lines[101] = "100,too,many"
    lines[201] = "200"
    path = write(tmp_path, "t.csv", "\n".join(lines) + "\n")
    table = read_table(path)
    (finding,) = [f for f in table.findings if f.code == "data.bad_rows"]
    assert len(table.frame) == 298
    assert finding.evidence["lines"] == [202, 401]  # two physical lines a record
    text = path.read_text().splitlines()
    assert [text[line - 1] for line in finding.evidence["lines"]] == ["100,too,many", "200"]  # type: ignore[union-attr,operator]


BAD = {
    "empty.csv": (b"", "empty"),
    "blank.csv": (b"\n\n  \n", "no text|has none"),
    "header_only.csv": (b"a,b\n", "nothing below"),
    "twice.csv": (b"a,b,a\n1,2,3\n", "'a'"),
    "unnamed.csv": (b",a\n0,1\n", "index=False"),
    "ragged.csv": (b"a,b\n" + b"1,2,3\n" * 5 + b"1,2\n" * 20, "line 2"),
    "unclosed.csv": (b'a,b\n1,x\n2,"y\n3,z\n4,w\n', "after line 2"),
    "nul.csv": (b"a,b\n1,x\n2,\0y\n", "byte 10 is NUL"),
    "latin.csv": ("a,b\n1,x\n2,Zürich\n".encode("latin-1"), "byte 11 is not UTF-8.*iconv"),
    "utf16.csv": ("a,b\n1,x\n".encode("utf-16"), "UTF-16"),
    "cut.csv.gz": (gzip.compress(("a,b\n" + "1,2\n" * 5000).encode(), mtime=0)[:-20], "cut short"),
    "not_gzip.csv.gz": (b"a,b\n1,2\n", "cut short"),
    "bad.parquet": (b"PAR1 nothing of the kind PAR1", "Parquet"),
    "bad.feather": (b"ARROW1 nothing", "Arrow"),
    "bad.npz": (b"PK nothing", "NPZ"),
    "bad.jsonl": (b'{"a": 1}\nnot json\n{"a": 2}\n[1]\n', "line 2, 4"),
    "array.jsonl": (b'[{"a": 1}, {"a": 2}]\n', "one object a line"),
    "table.xlsx": (b"PK", "must end in"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    content, reason = BAD[name]
    with pytest.raises(DataRefused, match=f"(?s){name}.*({reason})"):
        read_table(write(tmp_path, name, content))


def test_a_damaged_byte_in_any_format_is_an_error_a_user_understands(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": range(200), "b": list("xyzw") * 50})
    buffers = {"parquet": io.BytesIO(), "feather": io.BytesIO()}
    frame.to_parquet(buffers["parquet"])
    frame.to_feather(buffers["feather"])
    packed = {f"t.{k}": v.getvalue() for k, v in buffers.items()} | {"t.csv.gz": gzip.compress(frame.to_csv().encode())}
    rng = np.random.default_rng(0)
    for name, good in packed.items():
        for _ in range(15):
            damaged = bytearray(good)
            damaged[rng.integers(len(good))] ^= 0xFF
            try:
                read_table(write(tmp_path, name, bytes(damaged)))
            except TrainwrightError:
                continue


def test_a_lone_quote_in_plain_text_is_text(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, "t.csv", 'a,b\n1,5" nail\n2,x\n')).frame["b"][0] == '5" nail'


def test_numbers_as_header_are_suspicious(tmp_path: Path) -> None:
    assert "data.header_missing" in codes(read_table(write(tmp_path, "t.csv", "1,2\n3,4\n5,6\n")))


def test_too_many_columns_are_refused(tmp_path: Path) -> None:
    wide = ",".join(f"c{i}" for i in range(20_001))
    with pytest.raises(DataRefused, match="20000 columns"):
        read_table(write(tmp_path, "t.csv", f"{wide}\n{wide}\n"))


def test_object_arrays_are_refused_unread(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ArtifactRefused, match="pickle"):
        read_table(tmp_path / "t.npz")


def test_npz_matrices_become_columns_and_lengths_must_agree(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=np.arange(6.0).reshape(3, 2), y=np.array([0, 1, 0]))
    assert list(read_table(tmp_path / "t.npz").frame.columns) == ["x0", "x1", "y"]
    np.savez(tmp_path / "u.npz", a=np.arange(3), b=np.arange(4))
    with pytest.raises(DataRefused, match="same number of rows"):
        read_table(tmp_path / "u.npz")


def test_shards_are_read_in_name_order_whatever_their_column_order(tmp_path: Path) -> None:
    write(tmp_path, "p-1.csv", "a,b\n1,x\n")
    write(tmp_path, "p-2.csv", "b,a\ny,2.5\n")
    table = read_table("p-*.csv", base=tmp_path)
    assert table.frame["a"].tolist() == [1.0, 2.5]
    assert table.frame["b"].tolist() == ["x", "y"]
    assert [f.path.name for f in table.files] == ["p-1.csv", "p-2.csv"]


def test_shards_of_another_shape_are_refused_with_the_difference(tmp_path: Path) -> None:
    write(tmp_path, "p-1.csv", "a,b\n1,x\n")
    write(tmp_path, "p-2.csv", "a,c\n1,x\n")
    with pytest.raises(DataRefused, match="lacks b and adds c"):
        read_table("p-*.csv", base=tmp_path)
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "q-1.parquet")
    pd.DataFrame({"a": ["x"]}).to_parquet(tmp_path / "q-2.parquet")
    with pytest.raises(DataRefused, match="agree on types"):
        read_table("q-*.parquet", base=tmp_path)


@pytest.mark.parametrize(
    ("path", "reason"), [("no.csv", "no such file"), ("no*.csv", "no file matches"), (".", "glob")]
)
def test_missing_files_are_said(tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(DataRefused, match=reason):
        read_table(path, base=tmp_path)


def test_broken_json_lines_within_limits_are_left_out(tmp_path: Path) -> None:
    lines = [json.dumps({"a": i, "b": "x" if i % 2 else i}) for i in range(150)]
    lines[70] = "{broken"
    table = read_table(write(tmp_path, "t.jsonl", "\n".join(lines)))
    (bad,) = [f for f in table.findings if f.code == "data.bad_rows"]
    assert bad.evidence["lines"] == [71]
    assert len(table.frame) == 149
    assert "data.mixed_types" in codes(table)


def test_frames_are_converted_and_left_alone() -> None:
    frame = pd.DataFrame(
        {
            "flag": [True, False, None],
            "when": pd.to_datetime(["2020-01-01", None, "2020-01-03"]).tz_localize("Europe/Berlin"),
            "level": pd.Categorical(["x", None, "y"]),
            "mixed": [1, "a", None],
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "nested": [[1], [2], [3]],
        }
    )
    before = frame.copy(deep=True)
    table = table_from_frame(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert table.frame["flag"].tolist()[:2] == ["true", "false"]
    assert str(table.frame["when"][0]) == "2019-12-31 23:00:00"
    assert table.frame["level"].dtype == "str"
    assert table.frame["whole"].dtype == "float64"
    assert "nested" not in table.frame
    assert {"data.mixed_types", "data.column_dropped"} <= set(codes(table))


def test_arrow_tables_and_anything_with_to_pandas_are_taken() -> None:
    arrow = pa.table({"a": [1, 2], "b": ["x", "y"]})

    class Other:
        def to_pandas(self) -> pd.DataFrame:
            return arrow.to_pandas()

    pd.testing.assert_frame_equal(table_from_frame(arrow).frame, table_from_frame(Other()).frame)
    with pytest.raises(DataRefused, match="got list"):
        table_from_frame([1, 2])
    with pytest.raises(DataRefused, match="has none"):
        table_from_frame(pd.DataFrame({"a": []}))
    assert table_from_frame(arrow).files[0].sha256 != table_from_frame(arrow.slice(1)).files[0].sha256
