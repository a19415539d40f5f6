"""What trackers cost a run: the whole command with each of them, and with a server that is dead, against none.

    python benchmarks/tracking.py                       # five rounds of all
    python benchmarks/tracking.py --rounds 3 --epochs 40

A small network with full logging (every step's loss, statistics, checkpoints) is trained. The ways take turns, a run
without a tracker between any two: none, mlflow, none, wandb, none... so that a busy machine slows all of them. A
ratio is the way's seconds over the mean of the two runs beside it; medians over rounds are told: of the fit stage
alone (the loop), of all stages up to the report, of the whole run, which waits at its end for what a tracker still
has to get, and of the processor time that the run's own process took, which a busy machine changes little. ``dead``
is a port nobody listens on, ``silent`` a server that takes connections and never answers. The SQLite file of MLflow
is made beforehand, as it is by the first run.
"""

import argparse
import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS, COLUMNS = 20_000, 20
PARTS = ("fit", "stages", "whole", "cpu")
_RUN = """
import json, sys, time
import trainwright
result = trainwright.train(sys.argv[1])
print(json.dumps({"seconds": result.record["seconds"], "cpu": time.process_time()}))
"""
WAYS = ("mlflow", "wandb", "tensorboard", "dead", "silent")
NEEDED = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboardX", "dead": "mlflow", "silent": "mlflow"}


def write_table(path: Path) -> None:
    """A binary target that follows products of numbers."""
    import numpy as np
    import pandas as pd

    generator = np.random.default_rng(3)
    frame = pd.DataFrame(generator.standard_normal((ROWS, COLUMNS)), columns=[f"x{n}" for n in range(COLUMNS)])
    frame["y"] = (frame.x0 * frame.x1 + frame.x2 + generator.standard_normal(ROWS) > 0).astype(int)
    frame.to_csv(path, index=False)


def spec_for(way: str, epochs: int, silent_port: int) -> dict[str, object]:
    """The same training, followed in that way."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead_port = free.getsockname()[1]
    servers = {"dead": dead_port, "silent": silent_port}
    tracking: object = {} if way == "none" else {way: {}}
    if way in servers:
        tracking = {"mlflow": {"uri": f"http://127.0.0.1:{servers[way]}"}}
    return {
        "name": way,
        "architecture": {"model_type": "mlp"},
        "data": {"train_path": "data.csv", "target": "y"},
        "training": {"epochs": epochs, "early_stopping": None, "threads": 1, "checkpoint_every": "1s"},
        "baselines": ["dummy"],
        "tracking": tracking,
    }


def seconds_of(way: str, folder: Path, epochs: int, silent_port: int) -> dict[str, float]:
    """Seconds of one run: of its fit, of its stages, of all, and of the processor."""
    (folder / f"{way}.yaml").write_text(json.dumps(spec_for(way, epochs, silent_port)))
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _RUN, f"{way}.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    whole = time.perf_counter() - began
    told = json.loads(done.stdout)
    seconds = told["seconds"]
    stages = sum(value for name, value in seconds.items() if name not in ("total", "tracking"))
    return {
        "fit": seconds["fit"],
        "stages": stages,
        "whole": whole,
        "cpu": told["cpu"],
        "waited": seconds.get("tracking", 0.0),
    }


def main() -> None:
    """Take turns, then print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    given = parser.parse_args()
    ways = [way for way in WAYS if importlib.util.find_spec(NEEDED[way]) is not None]
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as scratch, socket.create_server(("127.0.0.1", 0)) as silent:
        folder, port = Path(scratch), silent.getsockname()[1]
        write_table(folder / "data.csv")
        for way in ways[:1]:  # disk caches are warm, tables of MLflow are made
            seconds_of(way, folder, 1, port)
        before = seconds_of("none", folder, given.epochs, port)
        for number in range(given.rounds):
            for way in ways:
                seconds = seconds_of(way, folder, given.epochs, port)
                after = seconds_of("none", folder, given.epochs, port)
                found[way].append({part: 2 * seconds[part] / (before[part] + after[part]) for part in PARTS})
                found[way][-1]["waited"] = seconds["waited"]
                print(f"round {number}, {way}: {found[way][-1]}", file=sys.stderr, flush=True)
                before = after
    print("| followed by | fit | all stages | whole run | processor time of its process | seconds waited at the end |")
    print("| --- | --- | --- | --- | --- | --- |")
    for way in ways:
        medians = {name: statistics.median(one[name] for one in found[way]) for name in (*PARTS, "waited")}
        ratios = " | ".join(f"{medians[part]:.3f}" for part in PARTS)
        print(f"| {way} | {ratios} | {medians['waited']:.1f} |")


if __name__ == "__main__":
    main()
