"""Whole runs on texts through the real command: a text column of a table, and a text alone."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.pipeline.builders import Project, predictions, record

pytestmark = pytest.mark.slow

WORDS = ["sun", "rain", "wind", "snow", "cloud", "storm"]
SMALL = {"width": 16, "layers": 1, "heads": 2}


def reviews(rows: int = 240) -> pd.DataFrame:
    """Texts whose words tell the answer, with a gap and an empty one."""
    rng = np.random.default_rng(0)
    good = rng.random(rows) < 0.5
    word = np.where(good, "good", "awful")
    frame = pd.DataFrame({"text": [f"{' '.join(rng.choice(WORDS, 6))} {w} {i}" for i, w in enumerate(word)]})
    frame["stars"] = rng.integers(1, 6, rows)
    frame["y"] = np.where(good, "yes", "no")
    frame.loc[[5, 17], "text"] = None
    return frame


def story(lines: int = 200) -> str:
    rng = np.random.default_rng(1)
    names = ["".join(rng.choice(list("aeioumnrst"), 4)) for _ in range(400)]
    return "".join(f"{rng.choice(names)} met {rng.choice(names)} in the {rng.choice(WORDS)}.\n" for _ in range(lines))


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("text_transformer", {**SMALL, "tokenizer": "word", "batch_size": 16, "learning_rate": 0.01}),
        ("gru", {"embedding": 8, "width": 8, "tokenizer": "bpe", "vocabulary": 300, "batch_size": 16,
                 "learning_rate": 0.01}),
    ],
)  # fmt: skip
def test_a_text_column(tmp_path: Path, model: str, params: dict[str, object]) -> None:
    pytest.importorskip("torch")
    project = Project(tmp_path)
    wanted = {
        "name": "reviews",
        "task": "binary",
        "architecture": {"model_type": model, "architecture_spec": params},
        "data": {"train_path": "data.csv", "target": "y", "columns": {"text": ["text"]}},
        "training": {"threads": 1, "epochs": 6},
        "baselines": ["dummy"],
    }
    project.write(wanted, reviews())
    run = project.train()
    facts = record(run)
    assert facts["metrics"]["val"]["roc_auc"] > 0.85
    assert {"data.tokenizer", "data.columns_not_read"} <= {f["code"] for f in facts["findings"]}
    (tmp_path / "new.csv").write_text("text,stars\nsun good,3\n,2\nrain awful,1\n")
    done = project("predict", run, "new.csv", "-o", "scored.csv")
    assert done.returncode == 0, done.stderr
    scored = pd.read_csv(tmp_path / "scored.csv")
    assert scored["proba_yes"][0] > scored["proba_yes"][2]
    assert scored["proba_yes"].notna().all()


def language(model: str, **params: object) -> dict[str, object]:
    return {
        "name": "story",
        "task": "language",
        "architecture": {"model_type": model, "architecture_spec": params},
        "data": {"train_path": "story.txt", "stretch": 64},
        "training": {"threads": 1, **({"epochs": 3} if model == "gpt" else {})},
    }


@pytest.mark.parametrize("model", ["gpt", "ngram"])
def test_a_text_alone(tmp_path: Path, model: str) -> None:
    params: dict[str, object] = {"order": 3}
    if model == "gpt":
        pytest.importorskip("torch")
        params = {**SMALL, "buckets": 256, "batch_size": 8}
    project = Project(tmp_path)
    project.write(language(model, **params))
    (tmp_path / "story.txt").write_text(story())
    run = project.train()
    facts = record(run)
    val = facts["metrics"]["val"]
    assert facts["primary"]["name"] == "bits_per_character"
    assert val["perplexity"] == pytest.approx(2 ** val["bits_per_character"])
    assert val["bits_per_character"] < {b["name"]: b["val"] for b in facts["baselines"]}["dummy"]
    stored = predictions(run, "val")
    bits = stored.prediction.sum() / stored.target.sum() / math.log(2)
    assert bits == pytest.approx(val["bits_per_character"])
    assert stored.target.sum() == round(0.1 * len(story()))
    report = (run / "report.md").read_text()
    assert "bits per character" in report
    assert "As the model goes on" in report
    assert "onfusion" not in report
    assert not (run / "plots" / "confusion_matrix.png").exists()
    assert "As the model goes on" in (run / "samples.txt").read_text()
    assert json.loads((run / "handoff" / "manifest.json").read_text())["task"] == "language"

    (tmp_path / "new.txt").write_text("The sun met the rain, and both went on.\n" * 5)
    done = project("predict", run, "new.txt", "-o", "scored.csv")
    assert done.returncode == 0, done.stderr
    scored = pd.read_csv(tmp_path / "scored.csv")
    assert scored["characters"].sum() == 200
    assert scored["start"].tolist() == list(range(0, 200, 32))
    assert (scored["bits_per_character"] * scored["characters"] * math.log(2)).to_numpy() == pytest.approx(
        scored["prediction"].to_numpy()
    )
    done = project("predict", run, run / "handoff" / "sample.csv", "-o", "sample.csv")
    again = pd.read_csv(tmp_path / "sample.csv")["prediction"]
    sample = pd.read_csv(run / "handoff" / "sample_predictions.csv")["prediction"]
    assert again.to_numpy() == pytest.approx(sample.to_numpy(), rel=1e-12)

    second = project.train()
    assert record(second)["digests"]["predictions"] == facts["digests"]["predictions"]
    assert (second / "samples.txt").read_bytes() == (run / "samples.txt").read_bytes()


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"".join(b"Line %d of a file that was given twice.\n" % i for i in range(200)) * 2, 3, "in the training text"),
        (b"x", 3, "would have none"),
        (b"", 3, "empty"),
        (b"caf\xe9" * 900, 3, "not UTF-8"),
        (b"short " * 20, 3, "tiny"),
    ],
)
def test_broken_texts(tmp_path: Path, content: bytes, code: int, words: str) -> None:
    project = Project(tmp_path)
    project.write(language("ngram"))
    (tmp_path / "story.txt").write_bytes(content)
    done = project("train", "spec.yaml")
    assert done.returncode == code, done.stderr
    assert words in done.stderr or words == "tiny"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": {"train_path": "story.txt", "target": "y"}}, "data.target"),
        ({"data": {"train_path": "story.txt", "split": {"strategy": "random"}}}, "by position"),
        ({"cross_validation": {"folds": 3}}, "no effect"),
        ({"task": "auto"}, "task: language"),
        ({"task": "binary"}, "no binary model"),
        ({"architecture": {"model_type": "gpt", "architecture_spec": {"width": 100, "heads": 3}}}, "even number"),
        ({"architecture": {"model_type": "gpt", "architecture_spec": {"widht": 64}}}, "width"),
        ({"training": {"metric": "roc_auc"}}, "bits_per_character"),
    ],
)
def test_specs_that_cannot_be(tmp_path: Path, change: dict[str, object], words: str) -> None:
    project = Project(tmp_path)
    project.write({**language("gpt"), **change})
    (tmp_path / "story.txt").write_text(story())
    done = project("check", "spec.yaml")
    assert done.returncode == 2, done.stderr
    assert words in done.stderr, done.stderr
