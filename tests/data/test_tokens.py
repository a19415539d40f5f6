"""Tokenizers and the feature style of texts."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trainwright.core.errors import ArtifactRefused, DataRefused
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.data.dataset import Column, Kind, Part, Schema, Target
from trainwright.data.features import Features, fit_features, load_features
from trainwright.data.tokenizers import PAD, UNKNOWN, TokenizerKind, tokenizer_from_json, train_tokenizer

TEXTS = ["the cat sat on the mat", "The dog sat, too!", "", "ünï 日本 🙂 __ 12345", "the the the"]
TARGET = Target(name="y", expression="y", task=Task.BINARY, classes=("a", "b"))


def column(name: str, kind: Kind = Kind.TEXT) -> Column:
    return Column(name=name, kind=kind, role="feature", missing=0, distinct=1, why="")


def fitted(frame: pd.DataFrame, columns: list[Column], **options: object) -> tuple[Features, np.ndarray]:
    rows = np.arange(len(frame))
    part = Part(name="train", rows=rows, frame=frame, y=rows % 2, weight=None)
    return fit_features(  # type: ignore[return-value]  # never sparse here
        part, Schema(columns=tuple(columns)), TARGET, style="tokens", accepts_sparse=False, seeds=Seeds(0),
        options=options,  # type: ignore[arg-type]
    )  # fmt: skip


def texts(values: list[object], name: str = "text") -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(values, dtype="str")})


@pytest.mark.parametrize("kind", ["char", "bpe"])
@pytest.mark.parametrize("text", [*TEXTS, "a\r\n\tb\u2028c  d", "x" * 5000, "\ud800 lone"])
def test_text_survives_where_it_is_known(kind: TokenizerKind, text: str) -> None:
    tokenizer = train_tokenizer([*TEXTS, text], kind=kind, vocabulary=400)
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int32
    assert (ids > UNKNOWN).all()
    assert (ids < tokenizer.vocabulary).all()
    if text != "\ud800 lone":  # half a surrogate pair is no character: bytes cannot give it back
        assert tokenizer.decode(ids.tolist()) == text


def test_bytes_know_every_text() -> None:
    tokenizer = train_tokenizer(["plain"], kind="bpe", vocabulary=300)
    assert tokenizer.decode(tokenizer.encode("ß🙂").tolist()) == "ß🙂"


def test_unknown_is_one() -> None:
    for kind, text in (("char", "z"), ("word", "zebra")):
        tokenizer = train_tokenizer(["the cat"], kind=kind, vocabulary=100)  # type: ignore[arg-type]
        assert tokenizer.encode(text).tolist() == [UNKNOWN]
        assert tokenizer.decode([PAD, UNKNOWN]) == "\ufffd"


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
def test_training_is_repeatable_and_stored_as_json(kind: TokenizerKind) -> None:
    first, again = (train_tokenizer(TEXTS, kind=kind, vocabulary=280) for _ in range(2))
    assert first == again
    assert first.vocabulary <= 280
    assert tokenizer_from_json(json.loads(json.dumps(first.to_json()))) == first


def test_merges_join_what_is_common() -> None:
    tokenizer = train_tokenizer(["low low low lower lowest"] * 3, kind="bpe", vocabulary=270)
    assert len(tokenizer.encode("low")) < 3


@pytest.mark.parametrize(
    "damage", [{"kind": "magic"}, {"kind": "bpe", "merges": [[2, 900]]}, {"kind": "char", "characters": "ba"}, {}]
)
def test_a_damaged_tokenizer_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError)):
        tokenizer_from_json(damage)  # type: ignore[arg-type]


def test_rows_are_padded_on_the_right_and_cut(tmp_path: Path) -> None:
    features, X = fitted(texts(["a b c d", "a", None, "c d"]), [column("text")], tokenizer="word", length=3)
    assert X.shape == (4, 3)
    assert X.dtype == np.int32
    assert (X[0] > UNKNOWN - 1).all()
    assert X[1, 1:].tolist() == [PAD, PAD]
    assert (X[2] == PAD).all(), "a missing text is all padding"
    assert any(f.code == "data.texts_cut" and f.evidence["cut"] == 1 for f in features.findings)
    features.save(tmp_path)
    loaded = load_features(tmp_path)
    assert loaded.vocabulary == features.vocabulary
    np.testing.assert_array_equal(loaded.transform(texts(["b a", "unheard of", None])),
                                  features.transform(texts(["b a", "unheard of", None])))  # fmt: skip
    (tmp_path / "features.json").write_text((tmp_path / "features.json").read_text()[:80])
    with pytest.raises(ArtifactRefused):
        load_features(tmp_path)


def test_length_keeps_nearly_all_texts_whole() -> None:
    rows: list[object] = ["w " * n for n in range(1, 201)]
    _, X = fitted(texts(rows), [column("text")], tokenizer="word")
    assert X.shape[1] == 198


def test_several_columns_are_joined_and_others_named() -> None:
    frame = pd.concat([texts(["a b", "c", None], "one"), texts(["d", None, None], "two")], axis=1).assign(n=1.0)
    columns = [column("one"), column("two"), column("n", Kind.NUMERIC)]
    features, X = fitted(frame, columns, tokenizer="word")
    between = features.vocabulary - 1
    assert X.max() == between
    assert (X[0] == between).sum() == 1
    assert (X[2] == PAD).all()
    assert [f.where for f in features.findings if f.code == "data.columns_not_read"] == ["n"]


@pytest.mark.parametrize("frame", [texts([None, None]), texts(["", " "])])
def test_a_column_without_text_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(DataRefused, match="no text"):
        fitted(frame, [column("text")])


def test_a_table_without_text_is_refused() -> None:
    with pytest.raises(DataRefused, match="text column"):
        fitted(pd.DataFrame({"n": [1.0, 2.0]}), [column("n", Kind.NUMERIC)])
