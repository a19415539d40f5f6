"""Trainwright with no hand edits on public tables, against LightGBM with its defaults on the very same split.

    python benchmarks/datasets.py --data FOLDER                    # all of them, a Markdown table
    python benchmarks/datasets.py --data FOLDER --only titanic adult --keep runs/benchmark

Each row runs ``trainwright init`` and ``trainwright train`` as a user would, in processes of their own. The floor is
LightGBM's defaults fitted on the run's own training rows and scored on its own test rows (``data/split.parquet``),
without what the checks left out of the features: a floor that keeps a leak is no floor.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One table: its file, its target, the metric to compare by, and the floor that was published with it."""

    name: str
    file: str
    target: str
    metric: str
    published: str
    column: str = ""
    positive: str = ""
    missing: tuple[str, ...] = field(default=("", "?", "NA", " "))

    @property
    def target_column(self) -> str:
        """The column behind the target, which may be an expression."""
        return self.column or self.target


CASES = (
    Case(name="titanic", file="titanic.csv", target="Survived", metric="roc_auc", published="0.823"),
    Case(name="adult", file="adult.csv", target="income", metric="roc_auc", published="0.931"),
    Case(name="telco_churn", file="telco_churn.csv", target="Churn", metric="roc_auc", published="0.832"),
    Case(
        name="california_housing",
        file="california_housing.csv",
        target="median_house_value",
        metric="rmse",
        published="47,631",
    ),
    Case(name="diabetes130", file="diabetes130.parquet", target="readmitted", metric="log_loss", published="-"),
    Case(
        name="diabetes130 <30",
        file="diabetes130.parquet",
        target='readmitted == "<30"',
        metric="roc_auc",
        published="0.641 (random split)",
        column="readmitted",
        positive="<30",
    ),
    Case(
        name="kddcup99",
        file="kddcup99_10pct.csv.gz",
        target="label",
        metric="log_loss",
        published="2.18 (60,000 rows; dummy 1.08)",
    ),
    Case(
        name="parkinsons_updrs",
        file="parkinsons_updrs.csv",
        target="total_UPDRS",
        metric="rmse",
        published="16.9 (by subject)",
    ),
    Case(name="beijing_pm25", file="beijing_pm25.csv", target="pm2.5", metric="rmse", published="67.7 (by time)"),
)

COLUMNS = (
    "table",
    "metric",
    "test",
    "floor, same split",
    "published floor",
    "beaten",
    "traps found",
    "seconds a stage",
    "wall, s",
    "status",
)
LOWER_IS_BETTER = frozenset({"rmse", "log_loss"})
TRAIN_LIMIT_S = 1_200  # twice what a run may take by the project's own aim, so that a late one is still reported


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one case came to."""

    case: Case
    status: str
    test: float | None = None
    floor: float | None = None
    traps: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    wall_s: float = 0.0


def command(arguments: Sequence[str], folder: Path) -> tuple[int, dict[str, Any]]:
    """Run ``trainwright ... --json`` and return its exit code and its object."""
    done = subprocess.run(
        [sys.executable, "-m", "trainwright", *arguments, "--json", *(["--quiet"] if arguments[0] == "train" else [])],
        capture_output=True, text=True, cwd=folder, timeout=TRAIN_LIMIT_S, check=False,
    )  # fmt: skip
    try:
        return done.returncode, json.loads(done.stdout)
    except json.JSONDecodeError:
        return done.returncode, {"status": "error", "error": {"message": done.stderr[-2000:], "findings": []}}


def advised(spec: Path) -> tuple[str, ...]:
    """What ``init`` wrote against traps: ignored columns, groups, time."""
    from ruamel.yaml import YAML

    columns = YAML(typ="safe", pure=True).load(spec.read_text()).get("data", {}).get("columns", {})
    return tuple(f"init: {role} {columns[role]}" for role in ("ignore", "group", "time") if role in columns)


def run_case(case: Case, data: Path, folder: Path) -> Outcome:
    """``init``, ``train``, then the floor on the same rows."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "spec.yaml"
    began = time.perf_counter()
    code, made = command(
        ["init", str(data / case.file), "--target", case.target, "--out", str(spec), "--force"], folder
    )
    if code:
        return failed(case, "init", code, made)
    code, result = command(["train", str(spec), "--out", str(folder)], folder)
    wall_s = time.perf_counter() - began
    if code:
        return failed(case, "train", code, result)
    run = Path(result["run"])
    run = run if run.is_absolute() else folder / run
    return Outcome(
        case=case,
        status=result["status"],
        test=result["metrics"].get("test", {}).get(case.metric),
        floor=floor(case, data / case.file, run),
        traps=(*advised(spec), *codes(made["findings"], result["findings"])),
        seconds=result["seconds"],
        wall_s=wall_s,
    )


def failed(case: Case, stage: str, code: int, answer: Mapping[str, Any]) -> Outcome:
    """A case that did not come to a model."""
    error = answer.get("error", {})
    print(f"{case.name}: {stage} exit {code}: {error.get('message')}", file=sys.stderr)
    return Outcome(case=case, status=f"{stage} exit {code}", traps=codes(error.get("findings", [])))


def codes(*findings: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Codes of findings with the place they name, each once, in order; notes are left out."""
    told = [f"{f['code']} ({f['where']})" for group in findings for f in group if f["severity"] != "info"]
    return tuple(dict.fromkeys(told))


def floor(case: Case, file: Path, run: Path) -> float:
    """LightGBM's defaults on the run's training rows, scored on its test rows."""
    import lightgbm as lgb
    import pandas as pd

    frame = read(file, case)
    split = pd.read_parquet(run / "data" / "split.parquet")
    rows = {part: split.loc[split["part"] == part, "row"].to_numpy() for part in ("train", "test")}
    target = frame.pop(case.target_column)
    X = frame[used_columns(run, list(frame.columns))]
    X = X.assign(**{c: X[c].astype("category") for c in X.columns if not pd.api.types.is_numeric_dtype(X[c])})
    X = X.rename(columns={c: f"c{number}" for number, c in enumerate(X.columns)})
    regression = case.metric == "rmse"
    y = (target == case.positive).astype(int) if case.positive else target
    y = y.astype(float) if regression else y
    train, test = rows["train"], rows["test"]
    model = (lgb.LGBMRegressor if regression else lgb.LGBMClassifier)(n_jobs=2, random_state=0, verbose=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the floor is what it is; its warnings are not ours to mend
        model.fit(X.iloc[train], y.iloc[train])
        predicted = model.predict(X.iloc[test]) if regression else model.predict_proba(X.iloc[test])
    return score(case.metric, y.iloc[test].to_numpy(), predicted, None if regression else model.classes_)


def read(file: Path, case: Case) -> "pd.DataFrame":
    """The whole file, its rows in order: row ids are positions."""
    import pandas as pd

    if file.suffix == ".parquet":
        return pd.read_parquet(file)
    return pd.read_csv(file, na_values=list(case.missing), keep_default_na=False, low_memory=False)


def used_columns(run: Path, columns: Sequence[str]) -> list[str]:
    """Columns the run used as features, by its stored schema."""
    schema = json.loads((run / "data" / "schema.json").read_text(encoding="utf-8"))
    features = {column["name"] for column in schema["columns"] if column["role"] == "feature"}
    return [column for column in columns if column in features]


def score(metric: str, y: "np.ndarray", predicted: "np.ndarray", classes: "np.ndarray | None") -> float:
    """The metric by scikit-learn; classes the floor never saw count as predicted with probability zero."""
    import numpy as np
    from sklearn import metrics

    if metric == "rmse":
        return float(metrics.root_mean_squared_error(y, predicted))
    assert classes is not None
    if metric == "roc_auc":
        return float(metrics.roc_auc_score(y == classes[1], predicted[:, 1]))
    position = {label: number for number, label in enumerate(classes)}
    own = np.array([predicted[i, position[label]] if label in position else 0.0 for i, label in enumerate(y)])
    return float(-np.log(np.clip(own, np.finfo(np.float64).eps, 1)).mean())


def row(outcome: Outcome) -> str:
    """One line of the table."""
    case = outcome.case
    verdict = "-"
    if outcome.test is not None and outcome.floor is not None:
        better = outcome.test < outcome.floor if case.metric in LOWER_IS_BETTER else outcome.test > outcome.floor
        verdict = "yes" if better else "**no**"
    stages = ", ".join(f"{name} {spent:.1f}" for name, spent in outcome.seconds.items() if name != "total")
    cells = [
        case.name, case.metric, number(outcome.test), number(outcome.floor), case.published, verdict,
        "; ".join(outcome.traps) or "-", stages or "-", f"{outcome.wall_s:.0f}", outcome.status,
    ]  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def number(value: float | None) -> str:
    """Four decimals for rates, whole numbers for money."""
    return "-" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}"


def main() -> None:
    """Print the table, a line as each case ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with the tables")
    parser.add_argument("--only", nargs="+", choices=[c.name for c in CASES], help="some of them")
    parser.add_argument("--keep", type=Path, help="keep the runs here instead of a temporary folder")
    given = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |")
    print("| " + " | ".join("---" for _ in COLUMNS) + " |", flush=True)
    with tempfile.TemporaryDirectory(prefix="trainwright-datasets-") as scratch:
        root = (given.keep or Path(scratch)).resolve()
        for case in CASES:
            if given.only is None or case.name in given.only:
                folder = root / case.name.replace(" ", "-").replace("<", "under")
                print(row(run_case(case, given.data.resolve(), folder)), flush=True)


if __name__ == "__main__":
    main()
