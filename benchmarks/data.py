"""Seconds and peak memory of reading, splitting and preparing 500,000 rows of 40 mixed columns.

Run with ``python benchmarks/data.py``: it makes a CSV file, measures each of three runs in a fresh process, and prints
the medians. ``peak growth`` is the peak resident memory above that of the process with all libraries imported, divided
by the size of the table as a pandas frame (``memory_usage(deep=True)``).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

RUNS = 3
SEED = 20_260


def make_file(path: Path, rows: int) -> None:
    """24 columns of decimals and whole numbers, 10 of text levels, 2 flags, 2 dates, an id and a target."""
    rng = np.random.default_rng(SEED)
    columns: dict[str, object] = {"row_id": [f"r{i:07d}" for i in range(rows)]}
    for i in range(14):
        values = rng.normal(size=rows).round(6)
        values[rng.random(rows) < 0.05 * (i % 3)] = np.nan
        columns[f"decimal_{i}"] = values
    for i in range(10):
        columns[f"whole_{i}"] = rng.integers(0, 10 ** (1 + i % 5), rows)
    for i in range(10):
        levels = np.array([f"level {k}" for k in range(4 ** (1 + i % 5))])
        columns[f"text_{i}"] = levels[np.minimum(rng.geometric(0.02, rows), len(levels)) - 1]
    for i in range(2):
        columns[f"flag_{i}"] = np.where(rng.random(rows) < 0.3, "yes", "no")
    for i in range(2):
        days = rng.integers(0, 3650, rows).astype("timedelta64[D]")
        columns[f"date_{i}"] = (np.datetime64("2015-01-01") + days).astype(str)
    columns["target"] = np.where(rng.random(rows) < 0.2, "yes", "no")
    pd.DataFrame(columns).to_csv(path, index=False)


def measure(path: Path, style: str) -> dict[str, float]:
    """Read, split and prepare once in this process; the caller gives it a fresh one."""
    import psutil
    import pyarrow.compute
    import pyarrow.csv  # noqa: F401 - imported before the baseline is taken
    import sklearn.compose
    import sklearn.preprocessing  # noqa: F401

    from trainwright.core.seeds import Seeds
    from trainwright.data.features import fit_features
    from trainwright.data.prepare import load_dataset
    from trainwright.spec.models import Data

    process = psutil.Process()
    before = process.memory_info().rss
    with Peak(process) as peak:
        start, cpu = time.perf_counter(), time.process_time()
        dataset = load_dataset(Data(train_path=str(path), target="target"), task="auto", seed=42, base=Path.cwd())
        loaded, loaded_peak = time.perf_counter(), peak.bytes
        features, X = fit_features(
            dataset.train, dataset.schema, dataset.target, style=style, accepts_sparse=True, seeds=Seeds(42)
        )
        V = features.transform(dataset.val.frame)
        done = time.perf_counter()
    return {
        "read_and_split_s": loaded - start,
        "features_s": done - loaded,
        "cpu_s": time.process_time() - cpu,
        "matrix_mb": (X.nbytes + V.nbytes) / 1e6,
        "load_growth_mb": (loaded_peak - before) / 1e6,
        "peak_growth_mb": (peak.bytes - before) / 1e6,
        "dataset_mb": dataset.memory_bytes / 1e6,
    }


class Peak:
    """The largest resident memory seen, sampled every 2 ms by a thread."""

    def __init__(self, process: "object") -> None:
        self._process = process
        self._done = threading.Event()
        self.bytes = 0

    def __enter__(self) -> "Peak":
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self.bytes = max(self.bytes, self._process.memory_info().rss)  # type: ignore[attr-defined]


def main() -> None:
    """Make the file, measure in fresh processes, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--style", default="native", choices=["native", "ordinal", "scaled", "nonnegative"])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        print(json.dumps(measure(arguments.child, arguments.style)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        make_file(path, arguments.rows)
        frame_mb = pd.read_csv(path).memory_usage(deep=True).sum() / 1e6
        command = [sys.executable, __file__, "--child", str(path), "--style", arguments.style]
        runs = [
            json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(RUNS)
        ]
        size_mb = path.stat().st_size / 1e6
    median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    print(f"{arguments.rows} rows x 40 columns, {size_mb:.0f} MB of CSV, {frame_mb:.0f} MB as a pandas frame")
    print(f"style {arguments.style}, median of {RUNS} runs, {os.cpu_count()} cores")
    print(
        f"read and split: {median['read_and_split_s']:.2f} s, peak growth {median['load_growth_mb'] / frame_mb:.2f} x"
    )
    print(f"features of train and val: {median['features_s']:.2f} s, matrices {median['matrix_mb']:.0f} MB")
    print(f"processor time of both: {median['cpu_s']:.2f} s")
    print(
        f"peak growth in all: {median['peak_growth_mb']:.0f} MB = {median['peak_growth_mb'] / frame_mb:.2f} x the frame"
    )


if __name__ == "__main__":
    main()
