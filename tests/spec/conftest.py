"""A folder with small data files, and a loader for a spec text written beside them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from trainwright.spec.load import Judge, LoadedSpec, load

Loader = Callable[..., LoadedSpec]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spec's folder: ``train.csv``, ``val.csv``, ``test.csv``, two shards, a builder file."""
    for name in ("train.csv", "val.csv", "test.csv"):
        (tmp_path / name).write_text("a,b,y\n1,2,0\n")
    (tmp_path / "shards").mkdir()
    for number in (1, 2):
        (tmp_path / "shards" / f"{number}.csv").write_text("a,y\n1,0\n")
    (tmp_path / "features.py").write_text("def build(): ...\n")
    (tmp_path / "mine.py").write_text("class TrainSet: ...\nif True:\n    def TestSet(): ...\nready = 1\n")
    (tmp_path / "torn.py").write_text("class TrainSet(\n")
    (tmp_path / "pipeline.skops").write_bytes(b"PK")
    return tmp_path


@pytest.fixture
def load_text(folder: Path) -> Loader:
    """Write a text as ``spec.yaml`` (or another name) in the folder and load it."""

    def run(
        text: str | bytes,
        *,
        name: str = "spec.yaml",
        overrides: Sequence[str] = (),
        judges: Sequence[Judge] = (),
        frames: bool = False,
    ) -> LoadedSpec:
        path = folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, overrides=overrides, judges=judges, frames=frames)

    return run
