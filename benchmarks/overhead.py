"""What training through Trainwright costs: the whole fit stage against the library's own call.

    python benchmarks/overhead.py                                 # 500,000 x 28 and 1,000 x 28, five pairs each
    python benchmarks/overhead.py --families lightgbm --pairs 3

Both sides get the same generated rows, parameters, number of rounds and threads, and each other's turn: ours, bare,
ours, bare... so that a busy machine slows both. Ours includes what a user's run includes: validation after every unit
that is due, events written to a log, checkpoints when due, choice of the best round. Bare is ``lgb.train``,
``xgb.train`` or ``estimator.fit`` on the same training rows without any validation: the strictest comparison there is.
Medians are reported; a ratio of at most 1.05 on the large table is the aim.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core import registry
from trainwright.core.clock import SystemClock
from trainwright.core.events import Event
from trainwright.core.metrics import find
from trainwright.core.plan import ModelPlan
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.engines.contract import Job, Table
from trainwright.families.contract import Request
from trainwright.fit.driver import Rules, fit
from trainwright.fit.recorder import Recorder
from trainwright.fit.stop import StopRequest

if TYPE_CHECKING:
    import numpy as np

COLUMNS = 28  # as in the HIGGS table, the usual yardstick of boosting libraries
VAL_SHARE = 0.1
SEED = 7


def generated_rows(rows: int) -> "tuple[np.ndarray, np.ndarray]":
    """A binary target that depends on products and thresholds of 28 numbers; shape (rows, 28), float32, and (rows,)."""
    import numpy as np

    generator = np.random.default_rng(SEED)
    X = generator.standard_normal((rows, COLUMNS), dtype=np.float32)
    score = X[:, 0] * X[:, 1] + np.abs(X[:, 2]) - (X[:, 3] > 0.5) + 0.5 * X[:, 4:8].sum(axis=1)
    return X, (score + generator.standard_normal(rows) > 0.5).astype(np.int64)


def make_job(family: str, rows: int, rounds: int, threads: int, workdir: Path) -> Job:
    """The family's defaults for these rows, with a fixed number of rounds."""
    X, y = generated_rows(rows)
    held = int(rows * VAL_SHARE)
    request = Request(task=Task.BINARY, num_classes=2, rows=rows - held, columns=COLUMNS, rounds=rounds)
    plan: ModelPlan = registry.load("families", family).build({}, request)
    return Job(
        task=Task.BINARY,
        num_classes=2,
        plan=plan,
        train=Table(X=X[held:], y=y[held:]),
        val=Table(X=X[:held], y=y[:held]),
        feature_names=tuple(f"f{number}" for number in range(COLUMNS)),
        categorical=(),
        category_sizes=(),
        seeds=Seeds(SEED),
        threads=threads,
        device="cpu",
        workdir=workdir,
    )


def ours(job: Job, folder: Path) -> float:
    """Seconds of the fit stage, as a run does it."""
    clock = SystemClock()
    metric = find("log_loss", Task.BINARY)
    with (folder / "training_log.jsonl").open("w", encoding="utf-8") as log:

        def listener(event: Event) -> None:
            log.write(json.dumps(event.to_json()) + "\n")
            log.flush()

        began = time.perf_counter()
        session = registry.load("engines", job.plan.engine).open(job)
        fit(
            session,
            job,
            Rules(watch=metric, primary=metric, patience=0),
            stage="fit",
            recorder=Recorder(clock=clock, started_s=clock.elapsed(), listeners=[listener]),
            stop=StopRequest(),
            checkpoints=folder / "checkpoints",
            resumable=True,
        )
        seconds = time.perf_counter() - began
    session.close()
    return seconds


def bare_lightgbm(job: Job) -> float:
    """Seconds of ``lgb.train`` with the same parameters."""
    import lightgbm as lgb

    params = {**job.plan.params, "num_threads": job.threads, "seed": SEED, "verbosity": -1}
    params.setdefault("objective", "binary")
    began = time.perf_counter()
    lgb.train(params, lgb.Dataset(job.train.X, job.train.y), num_boost_round=job.plan.rounds)
    return time.perf_counter() - began


def bare_xgboost(job: Job) -> float:
    """Seconds of ``xgb.train`` with the same parameters."""
    import xgboost as xgb

    params = {**job.plan.params, "nthread": job.threads, "seed": SEED}
    params.setdefault("objective", "binary:logistic")
    began = time.perf_counter()
    if params.get("tree_method", "hist") == "hist":
        data = xgb.QuantileDMatrix(job.train.X, job.train.y, nthread=job.threads, max_bin=params.get("max_bin", 256))
    else:
        data = xgb.DMatrix(job.train.X, job.train.y, nthread=job.threads)
    xgb.train(params, data, num_boost_round=job.plan.rounds)
    return time.perf_counter() - began


def bare_hist_gradient_boosting(job: Job) -> float:
    """Seconds of the estimator's own ``fit`` with the same parameters."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    estimator = HistGradientBoostingClassifier(
        **{**job.plan.params, "max_iter": job.plan.rounds, "early_stopping": False, "random_state": SEED}
    )
    with threadpool_limits(job.threads):
        began = time.perf_counter()
        estimator.fit(job.train.X, job.train.y)
        return time.perf_counter() - began


BARE: dict[str, Callable[[Job], float]] = {
    "lightgbm": bare_lightgbm,
    "xgboost": bare_xgboost,
    "hist_gradient_boosting": bare_hist_gradient_boosting,
}


def compare(family: str, rows: int, rounds: int, threads: int, pairs: int) -> tuple[float, float]:
    """Median seconds of ours and bare over interleaved pairs, after one unmeasured pair."""
    spent: list[tuple[float, float]] = []
    for pair in range(pairs + 1):
        with tempfile.TemporaryDirectory(prefix="trainwright-overhead-") as name:
            folder = Path(name)
            (folder / "work").mkdir()
            (folder / "checkpoints").mkdir()
            job = make_job(family, rows, rounds, threads, folder / "work")
            mine = ours(job, folder)
            spent.append((mine, BARE[family](job)))
        print(
            f"{family} {rows} rows, pair {pair}: ours {spent[-1][0]:.2f} s, bare {spent[-1][1]:.2f} s", file=sys.stderr
        )
    measured = spent[1:]  # the first pays for imports and cold caches
    return statistics.median(m for m, _ in measured), statistics.median(b for _, b in measured)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", choices=sorted(BARE), default=sorted(BARE))
    parser.add_argument("--rows", nargs="+", type=int, default=[500_000, 1_000])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    print(f"| family | rows x {COLUMNS} | rounds | ours, s | bare, s | ratio | added, s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for family in given.families:
        for rows in given.rows:
            mine, bare = compare(family, rows, given.rounds, given.threads, given.pairs)
            scores = f"{mine:.3f} | {bare:.3f} | {mine / bare:.3f} | {mine - bare:+.3f}"
            print(f"| {family} | {rows:,} | {given.rounds} | {scores} |", flush=True)


if __name__ == "__main__":
    main()
