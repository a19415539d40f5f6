"""What a search buys for its time: the mission's own example and a plain Optuna script against `trainwright train`.

    python benchmarks/search.py --data FOLDER                              # three tables, T = 300 s
    python benchmarks/search.py --data FOLDER --only adult --seconds 30

The mission's objective is GradientBoosting with its ranges, 5-fold ``cross_val_score``, TPE, 100 trials, within T
seconds; then its best parameters are fitted on all training rows. A trial that has not ended by then is broken off: on
a large table no trial may end, and there is no score to reach. The plain script is Optuna over LightGBM with early
stopping on the validation rows, for T seconds. Ours is the whole command, report included, with rising search budgets,
until its score on the test rows is at least theirs. All three have the same training, validation and test rows (the
run's own split); nobody chooses by test rows.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import Case as Table
from datasets import command, read, used_columns

if TYPE_CHECKING:
    import numpy as np
    import optuna

MISSION_TRIALS = 100
FOLDS = 5
LOWER_IS_BETTER = frozenset({"rmse"})
SHARES = (1 / 100, 1 / 30, 1 / 15, 1 / 10, 1 / 3, 1.0)  # of T, as the budget of our search


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A table, its target, the metric, its name in ``cross_val_score``, and the column a split keeps together."""

    name: str
    file: str
    target: str
    metric: str
    scoring: str
    group: str = ""

    @property
    def table(self) -> Table:
        """The same for the reader of the other benchmark."""
        return Table(name=self.name, file=self.file, target=self.target, metric=self.metric, published="-")


CASES = (
    Case(name="adult", file="adult.csv", target="income", metric="f1", scoring="f1"),
    Case(
        name="california",
        file="california_housing.csv",
        target="median_house_value",
        metric="rmse",
        scoring="neg_root_mean_squared_error",
    ),
    Case(
        name="diabetes130",
        file="diabetes130.parquet",
        target="readmitted",
        metric="f1_macro",
        scoring="f1_macro",
        group="patient_nbr",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """The run's rows as numbers: missing values imputed and categories coded for the mission's estimator."""

    X: "Mapping[str, np.ndarray]"
    y: "Mapping[str, np.ndarray]"
    regression: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A score on test rows (None: no trial ended), the wall seconds it took, and the trials that were finished."""

    score: float | None
    seconds: float
    trials: int


def rows_of(case: Case, data: Path, run: Path) -> Rows:
    """The rows of a run's own split."""
    import numpy as np
    import pandas as pd
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OrdinalEncoder

    frame = read(data / case.file, case.table)
    split = pd.read_parquet(run / "data" / "split.parquet")
    at = {part: split.loc[split["part"] == part, "row"].to_numpy() for part in ("train", "val", "test")}
    target = frame.pop(case.target)
    columns = used_columns(run, list(frame.columns))
    regression = case.metric == "rmse"
    classes = json.loads((run / "run.json").read_text(encoding="utf-8"))["target"]["classes"]
    codes = target.astype(float) if regression else target.astype(str).map({c: n for n, c in enumerate(classes)})
    words = [c for c in columns if not pd.api.types.is_numeric_dtype(frame[c])]
    frame[words] = frame[words].astype(object).where(frame[words].notna(), "missing").astype(str)
    numbers = [c for c in columns if c not in words]
    coder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    coder.fit(frame.iloc[at["train"]][words]) if words else None
    imputer.fit(frame.iloc[at["train"]][numbers]) if numbers else None
    X = {}
    for part, rows in at.items():
        parts = [imputer.transform(frame.iloc[rows][numbers])] if numbers else []
        parts += [coder.transform(frame.iloc[rows][words])] if words else []
        X[part] = np.hstack(parts)
    return Rows(X=X, y={part: codes.iloc[rows].to_numpy() for part, rows in at.items()}, regression=regression)


def scored(case: Case, y: "np.ndarray", predicted: "np.ndarray") -> float:
    """The metric of predicted values or labels."""
    from sklearn import metrics

    if case.metric == "rmse":
        return float(metrics.root_mean_squared_error(y, predicted))
    return float(metrics.f1_score(y, predicted, average="macro" if case.metric == "f1_macro" else "binary"))


def mission(case: Case, rows: Rows, seconds: float) -> Reached:
    """The mission's example as it stands, with its ranges."""
    import optuna
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
    from sklearn.model_selection import cross_val_score

    kind = GradientBoostingRegressor if rows.regression else GradientBoostingClassifier
    began = time.perf_counter()

    def objective(trial: "optuna.Trial") -> float:
        params = {
            "n_estimators": trial.suggest_int("n_estimators", 100, 1000),
            "max_depth": trial.suggest_int("max_depth", 3, 10),
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "min_samples_split": trial.suggest_int("min_samples_split", 2, 20),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 10),
        }
        model = kind(**params, random_state=42)
        found = cross_val_score(model, rows.X["train"], rows.y["train"], cv=FOLDS, scoring=case.scoring)
        return float(found.mean())

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=42))
    with suppress(TimeIsUp), time_out(seconds):
        study.optimize(objective, n_trials=MISSION_TRIALS, timeout=seconds)
    ended = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
    score = None
    if ended:
        best = kind(**study.best_params, random_state=42).fit(rows.X["train"], rows.y["train"])
        score = scored(case, rows.y["test"], best.predict(rows.X["test"]))
    return Reached(score=score, seconds=time.perf_counter() - began, trials=len(ended))


class TimeIsUp(BaseException):
    """No `Exception`: ``cross_val_score`` takes any of those for a score of NaN."""


@contextmanager
def time_out(seconds: float) -> Iterator[None]:
    """Raise `TimeIsUp` inside after so many seconds."""

    def end(_number: int, _frame: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def plain(case: Case, rows: Rows, seconds: float, threads: int) -> Reached:
    """Optuna over LightGBM as tutorials write it: early stopping on the validation rows, a data set built each time."""
    import lightgbm as lgb
    import numpy as np
    import optuna

    began = time.perf_counter()
    classes = len(np.unique(rows.y["train"]))
    objective_name = "regression" if rows.regression else "binary" if classes == 2 else "multiclass"
    fixed = {"objective": objective_name, "verbosity": -1, "seed": 42, "num_threads": threads}
    fixed |= {"num_class": classes} if objective_name == "multiclass" else {}
    best: tuple[float, Any] | None = None

    def labels(booster: "lgb.Booster", part: str) -> "np.ndarray":
        raw = np.asarray(booster.predict(rows.X[part]))
        return raw if rows.regression else raw.argmax(axis=1) if raw.ndim == 2 else (raw > 0.5).astype(int)

    def objective(trial: "optuna.Trial") -> float:
        nonlocal best
        params = {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 8, 256, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 5, 100),
            "feature_fraction": trial.suggest_float("feature_fraction", 0.5, 1.0),
            "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 10.0, log=True),
        }
        train = lgb.Dataset(rows.X["train"], label=rows.y["train"])
        val = lgb.Dataset(rows.X["val"], label=rows.y["val"], reference=train)
        stop = lgb.early_stopping(50, verbose=False)
        booster = lgb.train({**fixed, **params}, train, 1000, valid_sets=[val], callbacks=[stop])
        value = scored(case, rows.y["val"], labels(booster, "val"))
        value = -value if case.metric in LOWER_IS_BETTER else value
        if best is None or value > best[0]:
            best = value, booster
        return value

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=42))
    study.optimize(objective, timeout=seconds)
    assert best is not None
    score = scored(case, rows.y["test"], labels(best[1], "test"))
    return Reached(score=score, seconds=time.perf_counter() - began, trials=len(study.trials))


def ours(case: Case, data: Path, folder: Path, seconds: float, threads: int) -> tuple[Reached, Path]:
    """The whole command with a search of so many seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    table = {"train_path": str(data / case.file), "target": case.target, "missing_values": ["", "?", "NA", " "]}
    grouped = {"columns": {"group": case.group}, "split": {"strategy": "group"}} if case.group else {}
    spec = {
        "name": case.name,
        "architecture": {"model_type": "lightgbm"},
        "data": {**table, **grouped},
        "training": {"metric": case.metric, "threads": threads},
        "checks": {},
        "hyperparameter_search": {"budget": {"time": f"{seconds:g}s"}},
    }
    (folder / "spec.yaml").write_text(json.dumps(spec), encoding="utf-8")
    began = time.perf_counter()
    code, result = command(["train", str(folder / "spec.yaml"), "--out", str(folder / f"runs-{seconds:g}")], folder)
    wall = time.perf_counter() - began
    if code:
        raise SystemExit(f"{case.name}: trainwright train ended with {code}: {result.get('error')}")
    run = folder / result["run"]
    summary = json.loads((run / "search" / "summary.json").read_text(encoding="utf-8"))
    return Reached(score=result["metrics"]["test"][case.metric], seconds=wall, trials=summary["trials"]), run


def rising(
    case: Case, data: Path, folder: Path, seconds: float, threads: int, goals: Sequence[Reached]
) -> Iterator[Reached]:
    """Our runs with rising budgets, until all goals are met."""
    for share in SHARES:
        reached, _ = ours(case, data, folder, round(share * seconds, 1), threads)
        yield reached
        if all(goal.score is None or at_least(case, reached, goal) for goal in goals):
            return


def at_least(case: Case, reached: Reached, goal: Reached) -> bool:
    """Whether a score is as good as another that there is."""
    if reached.score is None or goal.score is None:
        return False
    return reached.score <= goal.score if case.metric in LOWER_IS_BETTER else reached.score >= goal.score


def told(case: Case, goal: Reached, runs: Sequence[Reached]) -> str:
    """Our seconds to a goal, and their ratio to its own."""
    if goal.score is None:
        return "nothing to reach"
    met = next((r for r in runs if at_least(case, r, goal)), None)
    return "not reached" if met is None else f"{met.seconds:.0f} s ({met.seconds / goal.seconds:.2f})"


def what_came(reached: Reached) -> str:
    """A score, its seconds and its trials."""
    score = "no trial ended" if reached.score is None else f"{reached.score:.5g}"
    return f"{score} in {reached.seconds:.0f} s, {reached.trials} trials"


def compare(case: Case, data: Path, folder: Path, seconds: float, threads: int) -> str:
    """One line of the table."""
    _, run = ours(case, data, folder / "split", 1.0, threads)  # for its split, and so that all caches are warm
    rows = rows_of(case, data, run)
    theirs, script = mission(case, rows, seconds), plain(case, rows, seconds, threads)
    runs = list(rising(case, data, folder, seconds, threads, (theirs, script)))
    cells = [
        case.name,
        case.metric,
        what_came(theirs),
        what_came(script),
        "; ".join(what_came(r) for r in runs),
        told(case, theirs, runs),
        told(case, script, runs),
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table, a line as each case ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with the tables")
    parser.add_argument("--only", nargs="+", choices=[c.name for c in CASES], help="some of them")
    parser.add_argument("--seconds", type=float, default=300.0, help="T: what the others are given")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of LightGBM, theirs and ours")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of the others' libraries; ours are findings
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    names = ("table", "metric", "the mission's search", "plain Optuna + LightGBM", "ours, rising budgets")
    header = [*names, "ours to the mission's score", "ours to the plain script's"]
    print("| " + " | ".join(header) + " |")
    print("| " + " | ".join("---" for _ in header) + " |", flush=True)
    with tempfile.TemporaryDirectory(prefix="trainwright-search-") as scratch:
        for case in CASES:
            if given.only is None or case.name in given.only:
                line = compare(case, given.data.resolve(), Path(scratch) / case.name, given.seconds, given.threads)
                print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
