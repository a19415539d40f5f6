"""Exports of every engine on public data: how close, how large, how fast, against the native model.

    pip install -e '.[boost,catboost,torch,onnx]'
    python benchmarks/exports.py --data FOLDER                       # all, a Markdown table
    python benchmarks/exports.py --data FOLDER --only adult/xgboost sms

Each model is trained by the real command with few rounds (what is measured is the export), and exported in every format
its engine has. Parity, size and the times of exports are those of ``model/parity.json``: one thread, in the process of
the proof. The native model is timed here, on one thread too, from the same golden rows as a frame (features included,
reading a file not): exports with the features beside them are timed without features.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from datasets import command

from trainwright.core import registry
from trainwright.core.jsonable import dumps
from trainwright.fit.artifact import load_scorer

MANY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One model to export: its data section, its family and sizes that train in seconds."""

    data: str
    family: str
    engine: str
    section: Mapping[str, object]
    rounds: int | None = None
    params: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``adult/lightgbm``."""
        return f"{self.data}/{self.family}"


ADULT = {"train_path": "adult.csv", "target": "income"}
SPAM = {"train_path": "sms_spam.csv", "target": "label", "columns": {"text": ["text"]}}
CIFAR = {"train_path": "cifar10_6k.zip/cifar10_6k/train", "target": "label"}
CASES = (
    Case(data="adult", family="lightgbm", engine="lightgbm", section=ADULT, rounds=200),
    Case(data="adult", family="xgboost", engine="xgboost", section=ADULT, rounds=200),
    Case(data="adult", family="catboost", engine="catboost", section=ADULT, rounds=200),
    Case(data="adult", family="hist_gradient_boosting", engine="sklearn", section=ADULT, rounds=200),
    Case(data="adult", family="random_forest", engine="sklearn", section=ADULT, rounds=100),
    Case(data="adult", family="linear", engine="sklearn", section=ADULT),
    Case(data="adult", family="mlp", engine="torch", section=ADULT, rounds=1),
    Case(data="cifar10_6k", family="cnn", engine="torch", section=CIFAR, rounds=1, params={"width": 16}),
    Case(data="sms_spam", family="linear", engine="sklearn", section=SPAM),
    Case(data="sms_spam", family="lightgbm", engine="lightgbm", section=SPAM, rounds=100),
    Case(data="sms_spam", family="text_transformer", engine="torch", section=SPAM, rounds=1),
)
COLUMNS = (
    "model", "format", "features", "rows", "largest difference", "allowed", "MB", "one row, ms", f"{MANY:,} rows, s",
)  # fmt: skip


def formats_of(engine: str) -> list[str]:
    """Every format that holds models of an engine."""
    return [name for name in registry.names("exports") if engine in registry.load("exports", name).engines()]


def train(case: Case, data: Path, folder: Path) -> Path:
    """The run folder of a case, with all its exports."""
    section = {**case.section, "train_path": str(data / str(case.section["train_path"]))}
    spec = {
        "architecture": {"model_type": case.family, "architecture_spec": dict(case.params)},
        "data": section,
        "training": {"threads": 1, **({} if case.rounds is None else {"rounds": case.rounds})},
        "baselines": [],
        "checks": {"overfit_batch": False} if case.engine == "torch" else {},
        "export": ["native", *formats_of(case.engine)],
    }
    (folder / "spec.yaml").write_text(dumps(spec), encoding="utf-8")  # JSON is YAML
    code, answer = command(["train", "spec.yaml", "--out", str(folder)], folder)
    if code:
        raise SystemExit(f"{case.name}: exit {code}: {answer['error']['message'][:500]}")
    run = Path(answer["run"])
    return run if run.is_absolute() else folder / run


def native_row(case: Case, run: Path) -> str:
    """The native model's own times, and its size on disk."""
    import pandas as pd

    native = run / "model" / "native"
    scorer = load_scorer(native)
    kept = run / "data" / "golden" / "rows.parquet"
    score: Callable[[np.ndarray], object]
    if kept.is_file():
        frame = pd.read_parquet(kept)
        rows, inside = len(frame), "inside"

        def score(at: np.ndarray) -> object:
            return scorer.predict(frame.iloc[at].reset_index(drop=True))

    else:
        X = np.load(run / "data" / "golden" / "rows.npz")["member_0"]
        rows, inside = len(X), "not timed"

        def score(at: np.ndarray) -> object:
            return scorer.members[0][1].predict(X[at])

    ones = sorted(timed(score, np.array([i % rows])) for i in range(30))
    size = sum(p.stat().st_size for p in native.rglob("*") if p.is_file())
    cells = [
        case.name, "native", inside, "", "", "", f"{size / 1e6:.2f}", f"{ones[15] * 1000:.2f}",
        f"{timed(score, np.resize(np.arange(rows), MANY)):.2f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def timed(score: Callable[[np.ndarray], object], at: np.ndarray) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    score(at)
    return time.perf_counter() - began


def export_rows(case: Case, run: Path) -> list[str]:
    """A row for each format; those that could not be had say why."""
    rows = []
    for name, entry in json.loads((run / "model" / "parity.json").read_text(encoding="utf-8"))["exports"].items():
        if entry["status"] != "passed":
            rows.append(f"| {case.name} | {name} | **{entry['status']}**: {entry['why'][:160]} | | | | | | |")
            continue
        latency = entry["latency"]
        many = latency["rows_s"] * MANY / latency["rows"]
        cells = [
            case.name, name, entry["features"], str(entry["rows"]["together"]),
            f"{entry['largest_difference']:.1e}", f"{entry['tolerance']['allowed']:.1e}", f"{entry['bytes'] / 1e6:.2f}",
            f"{latency['one_row_s'] * 1000:.2f}", f"{many:.2f}",
        ]  # fmt: skip
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def main() -> None:
    """Print the table, a model at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data")
    parser.add_argument("--only", nargs="+", help="names of models, or parts of them")
    given = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |\n" + "| --- " * len(COLUMNS) + "|", flush=True)
    for case in CASES:
        if given.only is not None and not any(part in case.name for part in given.only):
            continue
        with tempfile.TemporaryDirectory(prefix="trainwright-exports-") as scratch:
            run = train(case, given.data.resolve(), Path(scratch))
            print("\n".join([native_row(case, run), *export_rows(case, run)]), flush=True)


if __name__ == "__main__":
    main()
