"""Small tables and data sets for these tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from trainwright.data.dataset import Dataset
from trainwright.data.prepare import load_dataset
from trainwright.spec.models import Columns, Data, Split


def people(rows: int = 400, *, seed: int = 0) -> pd.DataFrame:
    """One column of every kind, and a target of two classes that depends on some of them."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, rows)
    city = rng.choice(["Oslo", "Rome", "Lima"], rows, p=[0.6, 0.3, 0.1])
    words = ["red", "green", "blue", "old", "new", "large"]
    frame = pd.DataFrame(
        {
            "customer_id": [f"C{i:05d}" for i in rng.permutation(rows)],
            "age": age,
            "income": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(30_000, 9_000, rows).round(2)),
            "city": pd.Series(city).mask(rng.random(rows) < 0.1),
            "member": rng.choice(["yes", "no"], rows),
            "joined": (np.datetime64("2020-01-01") + rng.integers(0, 900, rows).astype("timedelta64[D]")).astype(str),
            "comment": [" ".join(rng.choice(words, 6)) + f" {i}" for i in range(rows)],
            "source": "web",
            "household": rng.integers(0, rows // 4, rows),
            "weight": rng.uniform(0.5, 2.0, rows),
        }
    )
    frame["churned"] = np.where((age > 50) ^ (city == "Rome") ^ (rng.random(rows) < 0.1), "yes", "no")
    return frame


def load(
    frame: pd.DataFrame | None = None,
    *,
    target: str = "churned",
    task: str = "auto",
    seed: int = 42,
    split: Split | None = None,
    missing_values: Sequence[str] | None = None,
    val: pd.DataFrame | None = None,
    test: pd.DataFrame | None = None,
    **columns: object,
) -> Dataset:
    """Load frames as the API does; ``columns`` are the keys of ``data.columns``."""
    data = Data(
        target=target,
        split=split,
        columns=Columns(**columns),
        missing_values=None if missing_values is None else tuple(missing_values),
    )
    given = {"train": people() if frame is None else frame, "val": val, "test": test}
    frames = {name: one for name, one in given.items() if one is not None}
    if val is not None:
        data = data.model_copy(update={"val_path": "val"})
    if test is not None:
        data = data.model_copy(update={"test_path": "test"})
    return load_dataset(data, task=task, seed=seed, base=Path(), frames=frames)


def codes(dataset: Dataset) -> set[str]:
    """The codes of all findings."""
    return {finding.code for finding in dataset.findings}
