"""Run folders as a real run leaves them (docs/run-folder.md), with the numbers of a small model fitted here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets, dummy, ensemble, linear_model, metrics

JSON = dict[str, Any]
ROUNDS = 40
PARTS = ("train", "val", "test")


def write_run(
    run: Path, task: str, *, classes: tuple[str, ...] | None = None, columns: list[str] | None = None
) -> Path:
    """Write a finished run of the task into a new folder and return it."""
    X, y, names = _data(task)
    names = columns + names[len(columns) :] if columns else names
    labels = classes or _labels(task, y)
    parts = dict(zip(PARTS, np.split(np.arange(len(y)), [int(0.6 * len(y)), int(0.8 * len(y))]), strict=True))
    model = _fit(task, X[parts["train"]], y[parts["train"]])
    staged = {part: list(_staged(model, task, X[parts[part]])) for part in PARTS}
    primary, higher = {"binary": ("roc_auc", True), "multiclass": ("log_loss", False), "regression": ("rmse", False)}[
        task
    ]
    curve = {p: [_metrics(task, y[parts[p]], s) for s in staged[p]] for p in ("train", "val")}
    watched = [m["rmse" if task == "regression" else "log_loss"] for m in curve["val"]]
    best = int(np.argmin(watched)) + 1
    scores = {p: _metrics(task, y[parts[p]], staged[p][best - 1]) for p in PARTS}
    run.mkdir(parents=True)
    _write(run / "run.json", _record(run, task, labels, parts, model, names, best, scores, primary, higher, X, y))
    _write_log(run, curve, best, primary)
    _write_predictions(run, task, labels, y, parts, {p: s[best - 1] for p, s in staged.items()})
    _write_rest(run, names, X, y, parts, primary, scores)
    return run


def edit(path: Path, change: Callable[[JSON], None]) -> None:
    """Change a JSON file in place."""
    value = json.loads(path.read_text())
    change(value)
    _write(path, value)


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def _data(task: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    if task == "regression":
        found = datasets.load_diabetes()
        return found.data, found.target, list(found.feature_names)
    if task == "multiclass":
        found = datasets.load_wine()
        order = np.random.default_rng(0).permutation(len(found.target))
        noise = np.random.default_rng(1).normal(0, 1.2, found.data.shape) * found.data.std(axis=0)
        return (found.data + noise)[order], found.target[order], list(found.feature_names)
    X, y = datasets.make_classification(
        1200, 12, n_informative=5, n_redundant=3, weights=[0.72], flip_y=0.12, class_sep=0.8, random_state=0
    )
    return X, y, ["tenure", "monthly_charges", "sex", "age", *(f"service_{i}" for i in range(8))]


def _labels(task: str, y: np.ndarray) -> tuple[str, ...]:
    if task == "regression":
        return ()
    return ("No", "Yes") if task == "binary" else ("barolo", "grignolino", "barbera")


def _fit(task: str, X: np.ndarray, y: np.ndarray) -> Any:
    kind = ensemble.GradientBoostingRegressor if task == "regression" else ensemble.GradientBoostingClassifier
    return kind(n_estimators=ROUNDS, learning_rate=0.15, max_depth=3, random_state=0).fit(X, y)


def _staged(model: Any, task: str, X: np.ndarray) -> Any:
    return model.staged_predict(X) if task == "regression" else model.staged_predict_proba(X)


def _metrics(task: str, y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    if task == "regression":
        return {
            "rmse": float(metrics.root_mean_squared_error(y, predicted)),
            "mae": float(metrics.mean_absolute_error(y, predicted)),
            "r2": float(metrics.r2_score(y, predicted)),
        }
    score = predicted[:, 1] if task == "binary" else predicted
    return {
        "accuracy": float(metrics.accuracy_score(y, predicted.argmax(axis=1))),
        "log_loss": float(metrics.log_loss(y, predicted)),
        "roc_auc": float(metrics.roc_auc_score(y, score, multi_class="ovr")),
    }


def _record(
    run: Path,
    task: str,
    labels: tuple[str, ...],
    parts: dict[str, np.ndarray],
    model: Any,
    names: list[str],
    best: int,
    scores: dict[str, dict[str, float]],
    primary: str,
    higher: bool,
    X: np.ndarray,
    y: np.ndarray,
) -> JSON:
    train, val, test = (scores[p][primary] for p in PARTS)
    gap = train - val if higher else val - train
    shares = dict(zip(names, (float(v) for v in model.feature_importances_), strict=True))
    params = {"learning_rate": 0.15, "max_depth": 3, "subsample": 1.0}
    return {
        "format": 1,
        "name": "churn",
        "run": run.name,
        "version": "0.1.0",
        "status": "done",
        "created": "2026-11-23T07:12:00Z",
        "finished": "2026-11-23T07:12:09Z",
        "task": task,
        "target": {"name": "churned", "expression": "churned", "classes": list(labels)},
        "data": {
            "rows": {p: len(rows) for p, rows in parts.items()},
            "columns": len(names) + 2,
            "features": len(names),
            "split": {"strategy": "stratified", "column": None, "why": "a class target without groups or times"},
            "memory_bytes": int(X.nbytes),
        },
        "stages": [{"name": "fit", "status": "done", "seconds": 2.0, "inputs": "00"}],
        "model": {
            "family": "gradient_boosting",
            "engine": "sklearn",
            "engine_version": "scikit-learn 1.9.1",
            "estimator": "",
            "params": params,
            "loss": "squared error" if task == "regression" else "log loss",
            "unit": "round",
            "rounds_limit": ROUNDS,
            "rounds_run": ROUNDS,
            "rounds_best": best,
            "stopped_by": "early_stopping",
            "patience": ROUNDS - best,
            "watch": "rmse" if task == "regression" else "log_loss",
            "num_parameters": 1234,
            "parameters_kind": "leaf values and thresholds",
            "optimizer": "gradient boosting",
            "learning_rate": 0.15,
            "batch_size": None,
            "importance": shares,
            "importance_kind": "impurity decrease",
            "features": len(names),
            "threads": 2,
            "device": "cpu",
            "notes": [],
        },
        "primary": {"name": primary, "value": val, "direction": "maximize" if higher else "minimize", "part": "val"},
        "metrics": scores,
        "intervals": {
            p: {"low": v * 0.97, "high": v * 1.03, "level": 0.95, "resamples": 1000}
            for p, v in (("val", val), ("test", test))
        },
        "gap": {
            "metric": primary,
            "train": train,
            "val": val,
            "gap": gap,
            "verdict": "Concerning" if gap > 0.05 else "Acceptable",
            "rule": "Concerning when the gap is above 0.05 and training lies outside the interval of validation",
        },
        "baselines": _baselines(task, X, y, parts, primary, val, higher),
        "cross_validation": None,
        "best_params": params,
        "determinism": {
            "level": "exact on the same hardware, versions and threads",
            "why": "all randomness comes from the root seed",
            "resume": {"kind": "replay", "exact": True, "why": "short: trained again from round 0"},
        },
        "test_openings": ["final evaluation", "baseline dummy", "baseline linear"],
        "findings": [
            {
                "code": "column.imputed",
                "severity": "info",
                "where": "age",
                "what": "12 missing values were imputed",
                "why": "",
                "fix": "",
                "evidence": {},
            },
            {
                "code": "leak.group_suspected",
                "severity": "warning",
                "where": "tenure",
                "what": "rows of one customer may lie on both sides",
                "why": "a random split then measures memory",
                "fix": "Name the column under data.columns.group",
                "evidence": {"rows": 3},
            },
        ],
        "seconds": {
            "data": 0.1,
            "checks": 0.5,
            "baselines": 0.4,
            "fit": 2.0,
            "evaluate": 0.1,
            "export": 0.1,
            "total": 4.2,
        },
        "digests": {"spec": "a" * 64, "data": "b" * 64, "model": "c" * 64, "predictions": "d" * 64, "facts": "e" * 64},
        "artifacts": {"model": "model/native", "report": "report.md"},
        "launch": {"base": "/somewhere", "overrides": [], "frames": []},
        "threads": 2,
    }


def _baselines(
    task: str, X: np.ndarray, y: np.ndarray, parts: dict[str, np.ndarray], primary: str, val: float, higher: bool
) -> list[JSON]:
    regression = task == "regression"
    simple = {
        "dummy": dummy.DummyRegressor() if regression else dummy.DummyClassifier(strategy="prior"),
        "linear": linear_model.Ridge() if regression else linear_model.LogisticRegression(max_iter=5000),
    }
    found = []
    deviation = X[parts["train"]].std(axis=0)
    for name, model in simple.items():
        model.fit(X[parts["train"]] / deviation, y[parts["train"]])
        guess = model.predict if regression else model.predict_proba
        score = {p: _metrics(task, y[parts[p]], guess(X[parts[p]] / deviation))[primary] for p in ("val", "test")}
        beaten = val > score["val"] if higher else val < score["val"]
        found.append({"name": name, "family": name, "rows": len(parts["train"]), **score, "beaten": bool(beaten)})
    return found


def _write_log(run: Path, curve: dict[str, list[dict[str, float]]], best: int, primary: str) -> None:
    loss = "rmse" if "rmse" in curve["val"][0] else "log_loss"
    lines: list[JSON] = [{"event": "started", "step": 0, "time_s": 0.1, "stage": "baseline:linear", "facts": {}}]
    lines.append(
        {"event": "evaluated", "step": 1, "time_s": 0.1, "metrics": {"val": {loss: 99.0}}, "best": True, "seconds": 0.0}
    )
    lines.append(
        {"event": "finished", "step": 1, "time_s": 0.1, "stage": "baseline:linear", "reason": "rounds", "facts": {}}
    )
    lines.append({"event": "started", "step": 0, "time_s": 0.2, "stage": "fit", "facts": {"patience": 20}})
    for number, (train, val) in enumerate(zip(curve["train"], curve["val"], strict=True), start=1):
        values = {"train_loss": train[loss], "learning_rate": 0.15}
        lines.append(
            {
                "event": "trained",
                "step": number,
                "time_s": 0.2,
                "unit": "round",
                "seconds": 0.01,
                "values": values,
                "curves": {},
            }
        )
        kept = {p: {k: m[k] for k in {loss, primary}} for p, m in (("train", train), ("val", val))}
        lines.append(
            {
                "event": "evaluated",
                "step": number,
                "time_s": 0.2,
                "metrics": kept,
                "best": number == best,
                "seconds": 0.001,
            }
        )
    lines.append(
        {
            "event": "saved",
            "step": ROUNDS,
            "time_s": 0.4,
            "path": "checkpoints/last",
            "reason": "early_stopping",
            "size_bytes": 9,
            "seconds": 0.01,
        }
    )
    lines.append(
        {"event": "finished", "step": ROUNDS, "time_s": 0.4, "stage": "fit", "reason": "early_stopping", "facts": {}}
    )
    (run / "training_log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _write_predictions(
    run: Path,
    task: str,
    labels: tuple[str, ...],
    y: np.ndarray,
    parts: dict[str, np.ndarray],
    predicted: dict[str, np.ndarray],
) -> None:
    (run / "predictions").mkdir()
    for part, rows in parts.items():
        guess = predicted[part]
        if task == "regression":
            frame = pd.DataFrame({"row": rows, "target": y[rows], "prediction": guess})
        else:
            named = np.asarray(labels, dtype=object)
            frame = pd.DataFrame({"row": rows, "target": named[y[rows]], "prediction": named[guess.argmax(axis=1)]})
            for code, label in enumerate(labels):
                frame[f"proba_{label}"] = guess[:, code]
        frame.to_parquet(run / "predictions" / f"{part}.parquet", index=False)


def _write_rest(
    run: Path,
    names: list[str],
    X: np.ndarray,
    y: np.ndarray,
    parts: dict[str, np.ndarray],
    primary: str,
    scores: dict[str, dict[str, float]],
) -> None:
    columns = [
        {
            "name": "row_id",
            "kind": "identifier",
            "role": "ignored",
            "missing": 0,
            "distinct": len(y),
            "why": "a different value in every row",
            "categories": [],
            "examples": [],
        }
    ]
    columns += [
        {
            "name": n,
            "kind": "numeric",
            "role": "feature",
            "missing": 12 if n == "age" else 0,
            "distinct": 200,
            "why": "all values are numbers",
            "categories": [],
            "examples": [],
        }
        for n in names
    ]
    columns += [
        {
            "name": "churned",
            "kind": "categorical",
            "role": "target",
            "missing": 0,
            "distinct": 2,
            "why": "named as the target",
            "categories": [],
            "examples": [],
        }
    ]
    _write(run / "data" / "schema.json", {"columns": columns})
    _write(run / "data" / "fingerprint.json", {"digest": "b" * 64, "files": {}})
    pd.DataFrame({"row": np.arange(len(y))}).to_parquet(run / "data" / "split.parquet", index=False)
    _write(
        run / "checks.json",
        {
            "checks": [
                {
                    "name": "shared_rows",
                    "group": "data",
                    "verdict": "clean",
                    "saw": "0 of 240 validation rows are in training",
                    "findings": [],
                    "seconds": 0.01,
                    "lifted": False,
                },
                {
                    "name": "target_copy",
                    "group": "data",
                    "verdict": "not checked",
                    "saw": "only with numeric columns",
                    "findings": [],
                    "seconds": 0.01,
                    "lifted": False,
                },
                {
                    "name": "group_leak",
                    "group": "data",
                    "verdict": "warning",
                    "saw": "1 suspicious column",
                    "findings": [{}],
                    "seconds": 0.02,
                    "lifted": True,
                },
                {
                    "name": "overfits_few_rows",
                    "group": "model",
                    "verdict": "ok",
                    "saw": "64 rows learned to 0.99",
                    "findings": [],
                    "seconds": 0.2,
                    "lifted": False,
                },
            ]
        },
    )
    _write(run / "baselines.json", {"metric": primary, "baselines": [{"name": "dummy", "rows": 10, "val": 0.5}]})
    folds = [
        {"fold": i, "rows": 50, "rounds": 20 + i, "metrics": {primary: scores["val"][primary] + 0.01 * (i - 1)}}
        for i in range(3)
    ]
    _write(
        run / "cross_validation.json",
        {
            "primary": primary,
            "strategy": "stratified",
            "folds": folds,
            "mean": {primary: scores["val"][primary]},
            "std": {primary: 0.01},
        },
    )
    _write(
        run / "environment.json",
        {
            "trainwright": "0.1.0",
            "python": "3.11.9",
            "platform": "Linux",
            "packages": {"numpy": "2.3.1", "scikit-learn": "1.9.1"},
            "hardware": {"cpu": "Some CPU", "cores": 2, "memory_bytes": 8_000_000_000, "gpus": []},
            "threads": 2,
            "seeds": {"root": 42, "random": 42, "numpy": 42},
            "git": {"commit": "f" * 40, "dirty": False},
            "command": ["trainwright", "train", "spec.yaml"],
        },
    )
    (run / "spec.yaml").write_text("data: {train_path: churn.csv, target: churned}\n")
    (run / "resolved.yaml").write_text("name: churn  # from the file name\n")
    _write(run / "model" / "native" / "scorer.json", {"format": 1, "engine": "sklearn", "members": 1})
    (run / "model" / "native" / "member-0" / "features").mkdir(parents=True)
    (run / "model" / "native" / "member-0" / "model").mkdir()
    (run / "model" / "native" / "member-0" / "model" / "model.skops").write_bytes(b"model")
    (run / "model" / "native" / "member-0" / "features" / "features.json").write_text("{}")
    _write(run / "checkpoints" / "last" / "state.json", {})
    (run / ".lock").write_text("")
