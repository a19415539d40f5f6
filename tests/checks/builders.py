"""Data sets built by hand from frames, with the split a test asks for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from trainwright.core.tasks import Task
from trainwright.data.canonical import column_hashes, row_hashes
from trainwright.data.dataset import Column, Dataset, Kind, Part, Role, Schema, SealedTest, SplitFacts, Target


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to build: the split is ``random`` unless ``parts`` names each row's part (train, val, test)."""

    target: str
    task: Task | None = None
    strategy: str = "random"
    column: str | None = None
    parts: Sequence[str] | None = None
    group: str | None = None
    time: str | None = None
    ignored: Sequence[str] = ()
    kinds: dict[str, Kind] = field(default_factory=dict)
    seed: int = 97


def build(frame: pd.DataFrame, wanted: Wanted) -> Dataset:
    """A data set of 60% train, 20% val, 20% test rows."""
    frame = frame[frame[wanted.target].notna()].reset_index(drop=True)
    target, y = _target(frame[wanted.target], wanted)
    inputs = pd.DataFrame({c: _canonical(frame[c]) for c in frame.columns if c != wanted.target})
    parts = _parts(frame, y, target, wanted)
    schema = Schema(columns=tuple(_column(inputs[c] if c in inputs else frame[c], wanted) for c in frame.columns))
    features = [c.name for c in schema.features]

    def part(name: str) -> Part:
        rows = np.flatnonzero(parts == name)
        return Part(name=name, rows=rows, frame=inputs.iloc[rows].reset_index(drop=True), y=y[rows], weight=None)

    test = part("test")
    return Dataset(
        schema=schema,
        target=target,
        train=part("train"),
        val=part("val"),
        test=_sealed(test, features, wanted) if len(test) else None,
        split=SplitFacts(
            strategy=wanted.strategy,
            column=wanted.column,
            sizes={n: int((parts == n).sum()) for n in ("train", "val", "test")},
            why="built by a test",
        ),
        fingerprint={"digest": "0"},
        memory_bytes=int(inputs.memory_usage(deep=True).sum()),
        findings=(),
    )


def _sealed(test: Part, features: list[str], wanted: Wanted) -> SealedTest:
    groups = None if wanted.group is None else column_hashes(test.frame[wanted.group])
    times: tuple[float, float] | None = None
    if wanted.time is not None:
        values = test.frame[wanted.time]
        seconds = values.astype("int64") / 1e6 if values.dtype.kind == "M" else values
        times = (float(seconds.min()), float(seconds.max()))
    return SealedTest(
        num_rows=len(test),
        row_hashes=row_hashes(test.frame, features),
        group_hashes=groups,
        time_range=times,
        schema_differences=(),
        _part=test,
    )


def _target(values: pd.Series, wanted: Wanted) -> tuple[Target, np.ndarray]:
    task = wanted.task
    if task is None:
        few = values.nunique() <= 30 and (values.dtype.kind not in "f" or values.nunique() <= 10)
        task = Task.REGRESSION if not few else Task.BINARY if values.nunique() <= 2 else Task.MULTICLASS
    if task is Task.REGRESSION:
        y = values.to_numpy(dtype=np.float64)
        classes: tuple[str, ...] = ()
    else:
        labels = sorted(values.unique())
        y = values.map({v: i for i, v in enumerate(labels)}).to_numpy(dtype=np.int64)
        classes = tuple(str(v) for v in labels)
    return Target(name=wanted.target, expression=wanted.target, task=task, classes=classes), y


def _canonical(values: pd.Series) -> pd.Series:
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]")
    if values.dtype.kind in "iu":
        return values.astype("int64")
    if values.dtype.kind == "f":
        return values.astype("float64")
    return values.astype("str")


def _column(values: pd.Series, wanted: Wanted) -> Column:
    name = str(values.name)
    distinct = int(values.nunique())
    role: Role = "feature"
    if name == wanted.target:
        role = "target"
    elif name in wanted.ignored:
        role = "ignored"
    elif name == wanted.group:
        role = "group"
    elif name == wanted.time:
        role = "time"
    return Column(
        name=name,
        kind=wanted.kinds.get(name, _kind(values, distinct)),
        role=role,
        missing=int(values.isna().sum()),
        distinct=distinct,
        why="built by a test",
    )


def _kind(values: pd.Series, distinct: int) -> Kind:
    if values.dtype.kind == "M":
        return Kind.DATETIME
    if distinct <= 1:
        return Kind.CONSTANT
    if values.dtype.kind in "iuf":
        return Kind.NUMERIC
    return Kind.TEXT if values.dropna().str.len().mean() > 40 else Kind.CATEGORICAL


def _parts(frame: pd.DataFrame, y: np.ndarray, target: Target, wanted: Wanted) -> np.ndarray:
    if wanted.parts is not None:
        return np.asarray(wanted.parts)
    n = len(frame)
    rng = np.random.default_rng(wanted.seed)
    if wanted.strategy == "time":
        assert wanted.column is not None
        place = frame[wanted.column].rank(method="dense", pct=True).to_numpy()
    elif wanted.strategy == "group":
        assert wanted.column is not None
        members = pd.factorize(frame[wanted.column])[0]
        place = rng.permutation(members.max() + 1)[members] / (members.max() + 1)
    elif wanted.strategy == "together":
        members = pd.factorize(row_hashes(frame, [c for c in frame.columns if c != wanted.target]))[0]
        place = rng.permutation(members.max() + 1)[members] / (members.max() + 1)
    else:
        place = rng.permutation(n) / n
    return np.where(place < 0.6, "train", np.where(place < 0.8, "val", "test"))


PUBLIC: dict[str, Wanted] = {
    "titanic.csv": Wanted(target="Survived", ignored=("PassengerId", "Name")),
    "adult.csv": Wanted(target="income"),
    "telco_churn.csv": Wanted(target="Churn", ignored=("customerID",)),
    "california_housing.csv": Wanted(target="median_house_value", task=Task.REGRESSION),
    "diabetes130.parquet": Wanted(target="readmitted", ignored=("encounter_id",)),
    "kddcup99_10pct.csv.gz": Wanted(target="label"),
    "parkinsons_updrs.csv": Wanted(target="total_UPDRS", task=Task.REGRESSION),
    "beijing_pm25.csv": Wanted(target="pm2.5", task=Task.REGRESSION),
    "sms_spam.csv": Wanted(target="label"),
}


def read_public(path: object) -> pd.DataFrame:
    """One of the public files beside the repository."""
    text = str(path)
    if text.endswith(".parquet"):
        return pd.read_parquet(text)
    return pd.read_csv(text, na_values=["?", "NA", "", " "], keep_default_na=False)
