"""Tokenizers that come with a checkpoint: their marks, their padding, and the way to disk and back."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.families.checkpoints import WORDS, bert, gpt
from trainwright.core.errors import ArtifactRefused
from trainwright.core.seeds import Seeds
from trainwright.data.features import fit_features, load_features
from trainwright.data.pretrained_tokenizer import read_pretrained
from trainwright.data.tokenizers import tokenizer_from_json
from trainwright.spec.models import Columns, Data

pytest.importorskip("transformers")


def test_marks_stay_when_a_text_is_cut(tmp_path: Path) -> None:
    tokenizer = read_pretrained(bert(tmp_path) / "tokenizer.json", specials=True)
    ids = tokenizer.encode("the day was good")
    assert ids.tolist() == [4, 6, 8, 9, 21, 5], "two more than the file's own ids, and without its padding"
    assert tokenizer.cut(ids, 6).tolist() == ids.tolist()
    assert tokenizer.cut(ids, 4).tolist() == [4, 6, 8, 5]
    assert tokenizer.encode("").tolist() == [4, 5]
    assert tokenizer.vocabulary == 4 + len(WORDS) + 2
    bare = read_pretrained(tmp_path / "tokenizer.json", specials=False)
    assert bare.encode("the day").tolist() == [6, 8]
    assert bare.cut(bare.encode("the day was"), 2).tolist() == [6, 8]


def test_it_comes_back_from_json(tmp_path: Path) -> None:
    tokenizer = read_pretrained(bert(tmp_path) / "tokenizer.json", specials=True)
    again = tokenizer_from_json(json.loads(json.dumps(tokenizer.to_json())))
    assert again == tokenizer
    assert again.encode("nice trees").tolist() == tokenizer.encode("nice trees").tolist()


def test_bytes_come_back_as_text(tmp_path: Path) -> None:
    tokenizer = read_pretrained(gpt(tmp_path) / "tokenizer.json", specials=False)
    text = "It rains, über alles: 3\n"
    assert tokenizer.decode([0, *tokenizer.encode(text).tolist()]) == text


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model": {"type": "Nothing"}}'])
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ArtifactRefused, match="no tokenizer"):
        read_pretrained(tmp_path / "tokenizer.json", specials=True)


def test_features_of_several_columns(tmp_path: Path) -> None:
    from trainwright.data.prepare import load_dataset

    folder = bert(tmp_path / "bert")
    rng = np.random.default_rng(0)
    words = np.array(["the", "day", "good", "bad", "trees"])
    frame = pd.DataFrame({c: [" ".join(rng.choice(words, rng.integers(4, 9))) for _ in range(80)] for c in ("a", "b")})
    frame["y"] = rng.integers(0, 2, 80)
    frame.loc[3, "a"] = None
    data = Data(target="y", columns=Columns(text=("a", "b")))
    dataset = load_dataset(data, task="auto", seed=0, base=tmp_path, frames={"train": frame})
    features, X = fit_features(
        dataset.train,
        dataset.schema,
        dataset.target,
        style="tokens",
        accepts_sparse=False,
        seeds=Seeds(0),
        options={"tokenizer": "pretrained", "file": str(folder / "tokenizer.json"), "length": 10},
    )
    assert isinstance(X, np.ndarray)
    assert X.shape == (len(dataset.train), 10)
    assert (X[:, 0] == 4).all()
    assert ((X == 5).sum(1) == 1).all(), "one mark behind each row, also where it was cut"
    assert features.vocabulary == 4 + len(WORDS) + 2
    assert "data.texts_cut" in {f.code for f in features.findings}
    (tmp_path / "f").mkdir()
    features.save(tmp_path / "f")
    for path in folder.iterdir():
        path.unlink()
    again = load_features(tmp_path / "f")
    np.testing.assert_array_equal(again.transform(dataset.train.frame), X)
