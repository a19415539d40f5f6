"""Whole runs with trackers, through the real command."""

import importlib.metadata
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.pipeline.builders import Project, assert_whole, finish, record, spec, table
from tests.pipeline.kills import kill_at
from tests.report.browser import CHROMIUM, Browser
from tests.trackers.read_back import mlflow_runs
from trainwright import train
from trainwright.core.clock import SystemClock
from trainwright.core.errors import ResourceMissing
from trainwright.trackers import tensorboard, wandb
from trainwright.trackers._mirror import Mirror
from trainwright.trackers.testing import WrittenRun, log

SECRET = "hunter22-and-more"
TABLE = {
    "loss": ("train_loss", "val_loss", "per_batch_loss"),
    "performance": tuple(f"final/val_{m}" for m in ("accuracy", "precision", "recall", "f1", "roc_auc")),
    "training": ("learning_rate", "gradient_norm", "epoch_time"),
    "resources": ("system/cpu_usage", "system/memory", "batch_time"),
    "model": ("parameter_count", "checkpoint_size"),
}
"""The metrics that reach every tracker; GPU memory beside them where there is a GPU."""
PAGES_NEED = ("graphene<4", "graphql-core<3.3", "graphql-relay<3.3")
"""What the server answers its own pages with; plain Python, as MLflow requires it."""


def needs(*packages: str) -> None:
    """Skip where a package is absent."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="session")
def whole_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path | str:
    """A folder with the whole of MLflow, whose pages the slim one does not have; or why there is none.

    Without what it depends on: its own wish for an older pyarrow keeps it out of the environment of the tests.
    """
    if CHROMIUM is None:
        return "no Chromium is installed"
    folder = tmp_path_factory.mktemp("whole-mlflow")
    wanted = [f"mlflow=={importlib.metadata.version('mlflow-skinny')}", *PAGES_NEED]
    quiet = ["--quiet", "--no-compile", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
    command = [sys.executable, "-m", "pip", "install", "--no-deps", *quiet, "--target", str(folder), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    return folder if done.returncode == 0 else f"pip cannot get the whole of MLflow: {done.stderr.strip()[-300:]}"


@pytest.fixture(scope="module")
def server(whole_mlflow: Path | str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server, with its pages where they can be had."""
    needs("mlflow", "sqlalchemy", "alembic", "flask", "flask_cors", "aiohttp", "uvicorn")
    folder = tmp_path_factory.mktemp("server")
    address = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/kept"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    first = {"PYTHONPATH": str(whole_mlflow)} if isinstance(whole_mlflow, Path) else {}
    with (folder / "server.txt").open("w") as said:
        process = subprocess.Popen(
            command, env={**os.environ, **quiet, **first}, stdout=said, stderr=said, cwd=folder, start_new_session=True
        )
    try:
        ends = time.monotonic() + 120
        while not answers(f"{address}/health"):
            assert process.poll() is None, (folder / "server.txt").read_text()
            assert time.monotonic() < ends, "the server does not answer"
            time.sleep(0.2)  # a server cannot be waited for in another way
        yield address
    finally:
        os.killpg(process.pid, 9)
        process.wait()


@pytest.fixture(scope="module")
def searched(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with a finished search, whose trackers are the server, W&B and TensorBoard."""
    needs("torch", "wandb", "tensorboardX")
    project = Project(tmp_path_factory.mktemp("searched") / "project")
    options = {
        "mlflow": {"uri": server, "experiment": "demo", "register": "demo-model"},
        "wandb": {"mode": "offline"},
        "tensorboard": None,
    }
    wanted = spec(
        "mlp",
        params={"hidden_sizes": [8]},
        training={"epochs": 3, "batch_size": 64, "checkpoint_every": "1ms"},
        hyperparameter_search={"budget": {"trials": 2}, "search_space": {"dropout": [0.0, 0.1]}, "seeds": 1},
        tracking=options,
    )
    project.write(wanted, table())
    return project.train()


def answers(address: str) -> bool:
    """Whether a server is there."""
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def of_trackers(told: dict[str, Any]) -> list[str]:
    """What trackers did not get."""
    return [f["what"] for f in told["findings"] if f["code"].startswith("tracker.")]


def steps_of(run: dict[str, Any], name: str) -> list[int]:
    """The positions of a series, in their order."""
    return sorted(step for step, _ in run["points"][name])


@pytest.mark.slow
def test_a_search_with_everything_reaches_a_server_wandb_and_tensorboard(server: str, searched: Path):
    run = searched
    assert of_trackers(record(run)) == []
    assert_whole(run)

    *there, registered = mlflow_runs(server)
    (main,) = [r for r in there if "mlflow.parentRunId" not in r["tags"]]
    assert main["status"] == "FINISHED"
    assert main["experiment"] == "demo"
    assert main["params"]["training.batch_size"] == "64"
    assert set(main["data"]) == {"train", "val", "test"}
    assert {"report.md", "resolved.yaml", "plots/learning_curves.png"} <= set(main["artifacts"])
    assert registered["registered"] == {"demo-model": ["1"]}
    sample = pd.read_csv(run / "handoff" / "sample_predictions.csv")
    stored = pd.read_parquet(run / "predictions" / "test.parquet").set_index("row")
    expected = stored.loc[sample["row"], "proba_yes"]
    assert main["predicted"][0] == ["prediction", "proba_no", "proba_yes"]
    assert main["predicted"][1] == pytest.approx(expected.tolist(), abs=0)
    trials = {r["tags"]["trainwright.trial"]: r for r in there if r is not main}
    assert set(trials) == {"0", "1"}
    assert all(r["tags"]["mlflow.parentRunId"] == main["id"] for r in trials.values())
    assert all(r["points"]["val_loss"] for r in trials.values())
    assert {r["params"]["dropout"] for r in trials.values() if r["params"]} <= {"0.0", "0.1"}

    runs = run.parent
    (recorded,) = [p for p in (runs / "wandb").glob("*/*.wandb") if "-t" not in p.stem]
    events = tensorboard.event_files(runs / "tensorboard" / run.name)
    at_wandb = wandb.last_steps([recorded])
    at_tensorboard = tensorboard.last_steps(e for file in events for e in tensorboard.events(file))
    for names in TABLE.values():
        for name in names:
            assert name in main["points"], name
            assert name in at_wandb, name
            assert name in at_tensorboard, name
    assert len(list((runs / "tensorboard").glob("*-trial-*"))) == 2
    assert len([p for p in (runs / "wandb").glob("*/*.wandb") if "-t" in p.stem and p.parent.name != "latest-run"]) == 2


@pytest.mark.slow
def test_a_person_sees_the_search_in_the_pages_of_the_server(
    server: str, searched: Path, whole_mlflow: Path | str, tmp_path: Path
):
    if isinstance(whole_mlflow, str):
        pytest.skip(whole_mlflow)
    with urllib.request.urlopen(f"{server}/api/2.0/mlflow/experiments/get-by-name?experiment_name=demo") as answer:
        number = json.load(answer)["experiment"]["experiment_id"]
    link = f"[...document.querySelectorAll('a')].find(a => a.innerText === '{searched.name}')"
    final = record(searched)["metrics"]["val"]["roc_auc"]
    wanted = ["Finished", "Child runs", "trial 0", "trial 1", "demo-model", f"final/val_roc_auc\n{final}"]
    with Browser(tmp_path / "profile") as browser:
        browser.visit(f"{server}/#/experiments/{number}/runs", width=1600)
        browser.until(f"{link} !== undefined")
        assert "trial 0" not in browser.text()
        browser.value(f"{link}.closest('[role=gridcell]').querySelector('button').click()")
        browser.until("['trial 0', 'trial 1'].every(t => document.body.innerText.includes(t))")
        (tmp_path / "list.png").write_bytes(browser.picture())
        browser.visit(browser.value(f"{link}.href"), width=1600)
        browser.until(f"{json.dumps(wanted)}.every(t => document.body.innerText.includes(t))")
        (tmp_path / "run.png").write_bytes(browser.picture())
        shown = browser.text().splitlines()
    assert searched.name in shown
    for names in TABLE.values():
        assert set(names) <= set(shown)


@pytest.mark.slow
def test_trackers_that_cannot_work_cost_findings_and_tell_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    needs("mlflow", "sqlalchemy", "alembic", "tensorboardX")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{SECRET}@127.0.0.1:{free_port()}")
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    project = Project(tmp_path)
    (tmp_path / "file").write_text("")
    wanted = spec(
        training={"rounds": 5}, tracking={"mlflow": {}, "tensorboard": {"dir": str(tmp_path / "file" / "tb")}}
    )
    project.write(wanted, table())
    done = project("train", "spec.yaml", "--json")
    assert done.returncode == 0
    found = {f["where"]: f for f in done.json["findings"] if f["code"].startswith("tracker.")}
    assert found["tracking.mlflow"]["code"] == "tracker.unreachable"
    assert "refused" in found["tracking.mlflow"]["what"].lower()
    assert "Not a directory" in found["tracking.tensorboard"]["what"]
    texts = [done.stdout, done.stderr, *(p.read_bytes().decode("latin1") for p in tmp_path.rglob("*") if p.is_file())]
    assert not [text for text in texts if SECRET in text]


def test_a_server_that_never_answers_is_not_waited_for(tmp_path: Path):
    needs("mlflow", "sqlalchemy", "alembic")
    run = WrittenRun(tmp_path / "told-1")
    run.begin()
    run.append(log())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        params = {"uri": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        mirror = Mirror(name="mlflow", params=params, run=run.path, clock=SystemClock(), quiet_s=200.0)
        mirror.start()
        mirror.end("done")
        mirror.wait(200.0, lambda: False)
    (finding,) = mirror.findings()
    assert finding.code == "tracker.unreachable"
    assert "timed out" in finding.what.lower()


def test_a_tracker_whose_process_dies_or_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = WrittenRun(tmp_path / "told-1")
    run.begin()
    for program, words in ((sys.executable, "ended with code"), (str(tmp_path / "none"), "cannot be started: No such")):
        monkeypatch.setattr(sys, "executable", program)
        monkeypatch.setenv("PYTHONHOME", str(tmp_path))  # an interpreter that finds nothing ends at once
        mirror = Mirror(name="tensorboard", params={}, run=run.path, clock=SystemClock())
        mirror.start()
        mirror.end("done")
        mirror.wait(200.0, lambda: False)
        (finding,) = mirror.findings()
        assert words in finding.what


@pytest.mark.slow
def test_a_killed_run_goes_on_in_the_same_place_and_doubles_nothing(tmp_path: Path):
    needs("mlflow", "sqlalchemy", "alembic", "tensorboardX", "wandb", "torch")
    project = Project(tmp_path, fresh=True)
    training = {"epochs": 60, "batch_size": 16, "checkpoint_every": "200ms", "early_stopping": None}
    wanted = spec("mlp", params={"hidden_sizes": [8]}, training=training, tracking=["mlflow", "tensorboard", "wandb"])
    project.write(wanted, table(rows=600))
    process = project.start("train", "spec.yaml", "--quiet")
    assert kill_at(process, tmp_path / "runs", 60, 0.5)
    run = next(path.parent for path in (tmp_path / "runs").glob("*/run.json"))
    done = finish(project.start("resume", run, "--json"))
    assert done.returncode == 0, done.stdout
    assert of_trackers(done.json) == []

    (main, _) = mlflow_runs(f"sqlite:///{tmp_path}/runs/mlflow.db")
    assert main["status"] == "FINISHED"
    assert steps_of(main, "val_loss") == list(range(1, 61))
    for name in main["points"]:
        at = steps_of(main, name)
        assert at == sorted(set(at)), name
    events = [
        e
        for file in tensorboard.event_files(tmp_path / "runs/tensorboard" / run.name)
        for e in tensorboard.events(file)
    ]
    at = [e.step for e in events for value in e.summary.value if value.tag == "val_loss"]
    assert sorted(at) == list(range(1, 61))
    parts = [p for p in sorted((tmp_path / "runs/wandb").glob("*run-*/*.wandb")) if p.parent.name != "latest-run"]
    rows = [r.history.item for part in parts for r in wandb.records(part) if r.HasField("history")]
    row_of = [{item.key or item.nested_key[0]: item.value_json for item in row} for row in rows]
    assert sorted(int(row["round"]) for row in row_of if "val_loss" in row) == list(range(1, 61))


def test_a_missing_package_is_told_before_anything_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wandb" else there(name))
    with pytest.raises(ResourceMissing, match=r"wandb is not installed.*pip install 'trainwright\[wandb\]'"):
        train({"data": {"target": "y"}, "tracking": ["wandb"]}, train=table(), out=tmp_path)
    assert list(tmp_path.iterdir()) == []
