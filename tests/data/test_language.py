"""A text as a data set: every character is predicted once, with the context it should have."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trainwright.core.errors import DataRefused
from trainwright.core.seeds import Seeds
from trainwright.data.dataset import Dataset
from trainwright.data.features import fit_features, load_features
from trainwright.data.language import judged_rows, rows_of_file, rows_of_frame
from trainwright.data.prepare import load_dataset
from trainwright.spec.models import Spec

TEXT = "".join(f"Line {i}: the quick brown fox — jumps.\n" for i in range(200))


def load(path: Path, **data: object) -> Dataset:
    spec = Spec.model_validate({"task": "language", "data": {"train_path": path.name, "stretch": 32, **data}})
    return load_dataset(spec.data, task="language", seed=1, base=path.parent)


def written(folder: Path, text: str = TEXT, name: str = "text.txt") -> Path:
    (folder / name).write_bytes(text.encode())
    return folder / name


def texts_of(dataset: Dataset) -> list[str]:
    assert dataset.test is not None
    parts = (dataset.train, dataset.val, dataset.test.open("test"))
    return ["".join(p.frame["text"].tolist()) for p in parts]


def test_every_character_is_in_one_row(tmp_path: Path) -> None:
    dataset = load(written(tmp_path))
    train, val, test = texts_of(dataset)
    assert train + val + test == TEXT
    assert (len(val), len(test)) == (round(0.1 * len(TEXT)),) * 2
    assert dataset.train.y.sum() == len(train)
    assert dataset.split.strategy == "time"


def test_context_is_what_came_before_in_the_same_part(tmp_path: Path) -> None:
    dataset = load(written(tmp_path))
    frame = dataset.val.frame
    assert frame["context"][0] == ""
    whole = "".join(frame["text"])
    for at, (context, text) in enumerate(zip(frame["context"], frame["text"], strict=True)):
        start = at * 16
        assert whole[start : start + len(text)] == text
        assert whole[max(0, start - 17) : start] == context


@pytest.mark.parametrize("options", [{}, {"tokenizer": "char"}, {"tokenizer": "bpe", "vocabulary": 300}])
def test_ids_predict_each_character_once(tmp_path: Path, options: dict[str, object]) -> None:
    dataset = load(written(tmp_path))
    features, X = fit_features(
        dataset.train, dataset.schema, dataset.target, style="language", accepts_sparse=False, seeds=Seeds(0),
        options=options,  # type: ignore[arg-type]
    )  # fmt: skip
    tokenizer = features.tokenizer  # type: ignore[attr-defined]
    for part, rows in ((dataset.train, X), (dataset.val, features.transform(dataset.val.frame))):
        assert rows.dtype == np.int32
        said = "".join(tokenizer.decode(row[row > 0].tolist()) for row in rows[:, 1:])  # type: ignore[index]
        assert said == "".join(part.frame["text"]) or options.get("tokenizer") == "bpe"
        assert (np.abs(rows) < features.vocabulary).all()
        assert (rows[:, 0] <= 0).all(), "the first id of a row is context or a beginning, never predicted"
    folder = tmp_path / "features"
    folder.mkdir()
    features.save(folder)
    np.testing.assert_array_equal(
        load_features(folder).transform(dataset.val.frame), features.transform(dataset.val.frame)
    )


def test_files_of_their_own_and_packed_files(tmp_path: Path) -> None:
    written(tmp_path, "validation " * 50, "val.txt")
    (tmp_path / "train.txt.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + TEXT.encode()))
    dataset = load(tmp_path / "train.txt.gz", val_path="val.txt")
    assert dataset.split.strategy == "given"
    assert "".join(dataset.train.frame["text"]) == TEXT
    assert dataset.test is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"x", "would have none"),
        (b"   \n\n  ", "would have none"),
        (b"caf\xe9 " * 500, "not UTF-8"),
        (b"a\0b" * 500, "NUL"),
    ],
)
def test_broken_texts_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(DataRefused, match=words):
        load(path)


def test_a_huge_line_is_text_like_any_other(tmp_path: Path) -> None:
    dataset = load(written(tmp_path, "ab" * 100_000))
    _, X = fit_features(
        dataset.train, dataset.schema, dataset.target, style="language", accepts_sparse=False, seeds=Seeds(0),
        options={"tokenizer": "bpe", "vocabulary": 300},
    )  # fmt: skip
    assert X.shape[0] == 5_000


def test_another_script_with_more_tokens_than_fit_is_refused(tmp_path: Path) -> None:
    dataset = load(written(tmp_path))
    features, _ = fit_features(
        dataset.train, dataset.schema, dataset.target, style="language", accepts_sparse=False, seeds=Seeds(0),
        options={"tokenizer": "bpe", "vocabulary": 400},
    )  # fmt: skip
    with pytest.raises(DataRefused, match="tokenizer: char"):
        features.transform(judged_rows("🙂🙃" * 40, 32))


def test_rows_for_prediction_come_from_text_or_from_stored_rows(tmp_path: Path) -> None:
    rows = rows_of_file(written(tmp_path, 'He said "no",\n\nthen left.  ' * 9), 32)
    rows.to_csv(tmp_path / "sample.csv", index=False)
    pd.testing.assert_frame_equal(rows_of_file(tmp_path / "sample.csv", 32), rows)
    pd.testing.assert_frame_equal(rows_of_frame(rows, 32), rows)
    with pytest.raises(DataRefused, match="column 'text'"):
        rows_of_frame(pd.DataFrame({"words": ["a"]}), 32)
