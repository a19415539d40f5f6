"""SIGKILL at random moments of network trainings: the final weights are the same bytes.

Each configuration is killed once; ``TRAINWRIGHT_KILLS=5`` makes that 30 kills in all.
"""

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.data.pictures import as_zip, files
from tests.pipeline.builders import Json, Project, table
from tests.pipeline.kills import assert_ends_as_undisturbed

pytest.importorskip("torch")

KILLS = int(os.environ.get("TRAINWRIGHT_KILLS", "1"))
LOOP: Json = {"threads": 1, "early_stopping": None, "checkpoint_every": "20ms"}
OWN = """
from torch import nn

class Net(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs.shape[0], 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1)
        )

    def forward(self, x):
        return self.layers(x)
"""


@dataclass(frozen=True)
class Case:
    """A training worth killing: what is written beside the spec, and the spec."""

    architecture: Json
    training: Json
    data: Mapping[str, object] = field(default_factory=lambda: {"train_path": "data.csv", "target": "y"})
    prepare: Callable[[Path], object] = lambda folder: table(rows=1500).to_csv(folder / "data.csv", index=False)
    sections: Mapping[str, object] = field(default_factory=dict)
    options: tuple[str, ...] = ()


def photos(folder: Path) -> None:
    as_zip(folder / "photos.zip", files(("red", "green"), each=120))


def messages(folder: Path) -> None:
    draw = np.random.default_rng(0)
    words = np.array(["sun", "rain", "wind", "snow", "good", "bad"])
    texts = [" ".join(draw.choice(words, 8)) + f" {i}" for i in range(500)]
    frame = pd.DataFrame({"text": texts, "y": ["yes" if t.count("good") > t.count("bad") else "no" for t in texts]})
    frame.to_csv(folder / "data.csv", index=False)


def story(folder: Path) -> None:
    draw = np.random.default_rng(1)
    names = ["".join(draw.choice(list("aeioumnrst"), 4)) for _ in range(300)]
    lines = [f"{draw.choice(names)} met {draw.choice(names)} and {draw.choice(names)}.\n" for _ in range(900)]
    (folder / "story.txt").write_text("".join(lines))


CASES = {
    "mlp, averaged, a batch in two parts": Case(
        architecture={"model_type": "mlp", "architecture_spec": {"hidden_sizes": [32]}},
        training={"epochs": 30, "batch_size": 32, "accumulate": 2, "ema": 0.95},
    ),
    "resnet, muon, bf16, streamed by two workers": Case(
        architecture={"model_type": "resnet", "architecture_spec": {"n_blocks": 1, "d_block": 24}},
        training={
            "epochs": 25, "batch_size": 32, "optimizer": {"name": "muon", "lr": 0.01}, "precision": "bf16",
            "data_on": "stream", "num_workers": 2,
        },
    ),
    "cnn, changed images, one cycle": Case(
        architecture={"model_type": "cnn", "architecture_spec": {"width": 8}},
        training={
            "epochs": 8, "batch_size": 16, "scheduler": "one_cycle", "augment": {"flip": True, "crop": 2},
            "optimizer": {"name": "sgd", "lr": 0.05},
        },
        data={"train_path": "photos.zip", "target": "label"},
        prepare=photos,
    ),
    "text_transformer, plateau": Case(
        architecture={
            "model_type": "text_transformer",
            "architecture_spec": {"width": 16, "layers": 1, "heads": 2, "tokenizer": "word"},
        },
        training={"epochs": 15, "batch_size": 16, "scheduler": {"name": "plateau", "patience": 1}},
        data={"train_path": "data.csv", "target": "y", "columns": {"text": ["text"]}},
        prepare=messages,
    ),
    "gpt, schedule-free": Case(
        architecture={"model_type": "gpt", "architecture_spec": {"width": 16, "layers": 1, "heads": 2}},
        training={"epochs": 6, "batch_size": 4, "optimizer": {"name": "schedule_free_adamw", "lr": 0.01}},
        data={"train_path": "story.txt", "stretch": 64},
        prepare=story,
        sections={"task": "language"},
    ),
    "an own module": Case(
        architecture={"model_type": "./net.py:Net"},
        training={"epochs": 25, "batch_size": 32},
        prepare=lambda folder: (
            table(rows=1500).to_csv(folder / "data.csv", index=False),
            (folder / "net.py").write_text(OWN),
        ),
        options=("--trust-code",),
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", list(CASES))
def test_a_network_killed_at_random_moments_ends_with_the_same_weights(name: str, tmp_path: Path) -> None:
    case, project = CASES[name], Project(tmp_path)
    case.prepare(tmp_path)
    project.write(
        {
            "name": "tiny",
            "architecture": case.architecture,
            "data": case.data,
            "training": {**LOOP, **case.training},
            "baselines": ["dummy"],
            **case.sections,
        }
    )
    straight = project.train("--out", "straight", *case.options)
    draw = random.Random(f"kills of {name}")
    assert_ends_as_undisturbed(project, straight, draw, KILLS, options=case.options)
