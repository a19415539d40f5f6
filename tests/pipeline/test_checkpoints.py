"""Whole runs of Transformers folders through the real command: the run folder alone is enough to predict."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.families.checkpoints import WORDS, bert, gpt
from tests.pipeline.builders import Project, assert_whole, codes, record, spec

pytestmark = pytest.mark.slow
pytest.importorskip("transformers")

GOOD, BAD = ("good", "great", "nice"), ("bad", "awful", "sad")


def texts(rows: int = 240) -> pd.DataFrame:
    """A word of each text decides."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, rows)
    neutral = [w for w in WORDS if w not in (*GOOD, *BAD)]
    found = []
    for label in y:
        words = rng.choice(neutral, rng.integers(5, 12)).tolist()
        words.insert(int(rng.integers(len(words))), str(rng.choice(GOOD if label else BAD)))
        found.append(" ".join(words))
    return pd.DataFrame({"text": found, "y": np.array(["no", "yes"])[y]})


def test_a_checkpoint_is_tuned_and_predicts_from_the_run_alone(tmp_path: Path) -> None:
    project = Project(tmp_path)
    wanted = spec(
        "hf/models/bert",
        params={"learning_rate": 0.01},
        data={"columns": {"text": ["text"]}},
        training={"epochs": 6},
    )
    project.write(wanted, texts())
    bert(tmp_path / "models" / "bert")
    run = project.train()
    assert_whole(run)
    done = record(run)
    assert done["primary"]["value"] > 0.9
    assert "torch.weights" in codes(done["findings"])
    shutil.rmtree(tmp_path / "models")
    done = project("predict", run, "data.csv", "-o", "scored.csv")
    assert done.returncode == 0, done.stderr
    scored = pd.read_csv(tmp_path / "scored.csv")
    assert (scored["prediction"] == texts()["y"]).mean() > 0.9
    stored = pd.read_parquet(run / "predictions" / "val.parquet")
    assert scored["proba_yes"][stored["row"]].to_numpy() == pytest.approx(stored["proba_yes"].to_numpy(), abs=1e-6)


def test_a_decoder_goes_on_with_a_text(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "text.txt").write_text("\n".join(texts(200)["text"]))
    gpt(tmp_path / "gpt")
    wanted = {
        "task": "language",
        "architecture": {"model_type": "hf/gpt", "architecture_spec": {"learning_rate": 0.01, "batch_size": 4}},
        "data": {"train_path": "text.txt"},
        "training": {"epochs": 6, "threads": 1},
    }
    (tmp_path / "spec.yaml").write_text(json.dumps(wanted))
    run = project.train()
    done = record(run)
    assert done["metrics"]["val"]["bits_per_character"] < 4
    assert "data.tokenizer_loses" not in codes(done["findings"])
    shutil.rmtree(tmp_path / "gpt")
    assert project("predict", run, "text.txt", "-o", "scored.csv").returncode == 0
    assert (run / "samples.txt").is_file()
