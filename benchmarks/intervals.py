"""Prediction intervals on public data: how many test rows 90% intervals hold, by the way the rows were split.

    pip install -e '.[boost]'
    python benchmarks/intervals.py --data FOLDER --seeds 10              # all, a Markdown table
    python benchmarks/intervals.py --data FOLDER --only california

Each run is one of `trainwright.train`, with another seed and so another split (a split by time is always the same). The
numbers are those of ``run.json`` (``prediction_intervals``); ``chance`` is the standard deviation that the coverage of
one run has where rows are alike: sqrt(0.09 (1 / test rows + 1 / (validation rows + 2))).
"""

import argparse
import math
import statistics
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trainwright

COLUMNS = (
    "data and model", "split", "runs", "validation rows", "test rows", "held, %", "lowest to highest", "below, %",
    "above, %", "chance", "found",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to train: data section, family, and what else the spec says."""

    name: str
    file: str
    target: str
    split: Mapping[str, object]
    model: str = "lightgbm"
    columns: Mapping[str, object] = field(default_factory=dict)
    more: Mapping[str, object] = field(default_factory=dict)
    repeated: bool = True

    def spec(self, data: Path, seed: int) -> dict[str, object]:
        """What is trained."""
        return {
            "name": "intervals",
            "seed": seed,
            "task": "regression",
            "architecture": {"model_type": self.model},
            "data": {
                "train_path": str(data / self.file),
                "target": self.target,
                "split": {"val": 0.2, "test": 0.2, **self.split},
                "columns": dict(self.columns),
            },
            "training": {"threads": 1},
            "baselines": ["dummy"],
            **self.more,
        }


RANDOM = {"strategy": "random"}
SEARCH = {"hyperparameter_search": {"method": "random", "budget": {"trials": 20}}}
CASES = (
    Case(name="california/linear", file="california_housing.csv", target="median_house_value", split=RANDOM,
         model="linear"),
    Case(name="california/lightgbm", file="california_housing.csv", target="median_house_value", split=RANDOM),
    Case(name="california/lightgbm, 20 trials", file="california_housing.csv", target="median_house_value",
         split=RANDOM, more=SEARCH),
    Case(name="parkinsons/group", file="parkinsons_updrs.csv", target="total_UPDRS",
         split={"strategy": "group", "column": "subject#"}, columns={"ignore": ["motor_UPDRS"]}),
    Case(name="beijing_pm25/time", file="beijing_pm25.csv", target="pm2.5", repeated=False,
         split={"strategy": "time", "column": "year"}),
)  # fmt: skip


def row(case: Case, data: Path, seeds: int) -> str:
    """Train, and collect what the runs noted."""
    noted = []
    findings = 0
    for seed in range(seeds if case.repeated else 1):
        with tempfile.TemporaryDirectory(prefix="trainwright-intervals-") as scratch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = trainwright.train(case.spec(data, seed), out=Path(scratch))
            noted.append(result.record["prediction_intervals"])
            findings += any(f.code == "intervals.coverage" for f in result.findings)
    held = [100 * one["coverage"]["share"] for one in noted]
    sides = {side: 100 * statistics.fmean(one["coverage"][side] for one in noted) for side in ("below", "above")}
    rows, tested = noted[0]["rows"], noted[0]["coverage"]["rows"]
    chance = 100 * math.sqrt(0.09 * (1 / tested + 1 / (rows + 2)))
    cells = [
        case.name, str(case.split["strategy"]), str(len(noted)), f"{rows:,}", f"{tested:,}",
        f"{statistics.fmean(held):.1f}", f"{min(held):.1f} to {max(held):.1f}", f"{sides['below']:.1f}",
        f"{sides['above']:.1f}", f"{chance:.1f}", f"{findings} of {len(noted)}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table, a case at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data")
    parser.add_argument("--seeds", type=int, default=10, help="runs of each")
    parser.add_argument("--only", nargs="+", help="names of data, or parts of them")
    given = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |\n" + "| --- " * len(COLUMNS) + "|", flush=True)
    for case in CASES:
        if given.only is None or any(part in case.name for part in given.only):
            print(row(case, given.data.resolve(), given.seeds), flush=True)


if __name__ == "__main__":
    main()
