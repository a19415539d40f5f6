"""Whole runs by several processes, through the real command; lost processes, signals, and going on after them."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.pipeline.builders import Json, Project, assert_whole, codes, digests, finish, points, record, spec, table

pytest.importorskip("torch")

EPOCHS = 150  # some seconds of training: time to be disturbed in
LONG = 600
CURVE = 1e-4
"""Between the log losses of one process and several over a whole run: float32 sums in another order, at a low rate."""
BOUND_S = 60.0  # a lost rank must end the command within this; the launcher gives the others 10 s


def shared_spec(epochs: int = 4, **wanted: object) -> Json:
    """Two processes, every epoch a checkpoint."""
    training = {
        "epochs": epochs,
        "early_stopping": None,
        "checkpoint_every": "0.2s",
        "distributed": {"strategy": "ddp", "processes": 2},
        **wanted,
    }
    layers = [{"linear": 32}, "relu", {"dropout": 0.1}, {"linear": 32}, "relu"]
    return spec("layers", params={"layers": layers}, training=training)


def made(folder: Path, epochs: int = 4, **wanted: object) -> Project:
    project = Project(folder)
    project.write(shared_spec(epochs, **wanted), table(rows=600))
    return project


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished distributed run that disturbed ones must equal."""
    return made(tmp_path_factory.mktemp("undisturbed"), EPOCHS).train("--quiet")


def worker(run: Path, rank: int) -> psutil.Process:
    """The process of a rank of a run, once it trains."""
    deadline = time.monotonic() + BOUND_S
    while time.monotonic() < deadline:
        for process in psutil.process_iter(["cmdline"]):
            if "trainwright.fit.worker" in (process.info["cmdline"] or []) and str(run) in process.info["cmdline"]:
                try:
                    if process.environ().get("RANK") == str(rank):
                        return process
                except psutil.Error:
                    continue
        time.sleep(0.05)
    raise AssertionError(f"rank {rank} never started")


def until_saved(project: Project, *, after: float = 0.0, by: str = "state.json") -> Path:
    """Wait until the only run has a checkpoint of its fit, written after a time, that holds a file."""
    deadline = time.monotonic() + BOUND_S
    while time.monotonic() < deadline:
        runs = list((project.folder / "runs").glob(f"*/checkpoints/last/engine/{by}"))
        if runs and modified(runs[0]) > after:
            return runs[0].parents[3]
        time.sleep(0.02)
    raise AssertionError("no checkpoint was written")


def modified(path: Path) -> float:
    """When a file was written; 0 where it is being replaced."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def left_of(run: Path) -> list[int]:
    """Processes that still work on a run."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if any(m in line for m in ("trainwright.fit.worker", "trainwright.fit.agent")) and str(run) in line:
            found.append(process.pid)
    return found


@pytest.mark.slow
def test_a_table_is_trained_by_two_processes(tmp_path: Path) -> None:
    project = made(tmp_path)
    run = project.train()
    written = record(run)
    assert written["status"] == "done"
    assert "distributed.world" in codes(written["findings"])
    assert written["processes"] == [2]
    assert "2 processes" in written["determinism"]["why"]
    assert [step for stage, step in points(run) if stage == "fit"] == [1, 2, 3, 4]
    assert (run / "report.md").is_file()
    assert_whole(run)
    assert left_of(run.resolve()) == []


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_ends_the_command_and_resume_completes(tmp_path: Path, undisturbed: Path, rank: int) -> None:
    project = made(tmp_path, EPOCHS)
    process = project.start("train", "spec.yaml", "--json")
    run = until_saved(project).resolve()
    worker(run, rank).kill()
    began = time.monotonic()
    done = finish(process)
    assert time.monotonic() - began < BOUND_S
    assert done.returncode == 5
    message = done.json["error"]["message"]
    assert f"rank {rank} of 2 was killed by SIGKILL" in message
    assert f"trainwright resume {run.relative_to(project.folder.resolve())}" in message
    assert left_of(run) == []
    assert project("resume", run, "--quiet").returncode == 0
    assert digests(run) == digests(undisturbed)
    assert points(run) == points(undisturbed)
    assert_whole(run)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75)])
def test_a_signal_stops_all_ranks_and_resume_ends_as_undisturbed(
    tmp_path: Path, undisturbed: Path, number: signal.Signals, code: int
) -> None:
    project = made(tmp_path, EPOCHS)
    process = project.start("train", "spec.yaml", "--json")
    run = until_saved(project).resolve()
    process.send_signal(number)
    done = finish(process)
    assert done.returncode == code, done.stdout
    assert done.json["status"] == "stopped"
    assert left_of(run) == []
    assert project("resume", run, "--quiet").returncode == 0
    assert digests(run) == digests(undisturbed)
    assert points(run) == points(undisturbed)
    assert_whole(run)


@pytest.mark.slow
def test_a_killed_command_leaves_no_orphans_and_resume_completes(tmp_path: Path, undisturbed: Path) -> None:
    project = made(tmp_path, EPOCHS)
    process = project.start("train", "spec.yaml", "--json")
    run = until_saved(project).resolve()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    time.sleep(3)
    assert left_of(run) == []
    assert project("resume", run, "--quiet").returncode == 0
    assert digests(run) == digests(undisturbed)


@pytest.mark.slow
def test_weights_in_shares_survive_a_signal_a_lost_process_and_another_number(tmp_path: Path) -> None:
    """One run: begun by one process, gone on with by two, stopped, robbed of one, ended by one; and by one alone."""
    layers = {"layers": [{"linear": 32}, "relu", {"linear": 32}, "relu"]}
    training = {"epochs": LONG, "early_stopping": None, "checkpoint_every": "0.2s", "optimizer": {"lr": 1e-4}}
    shared = {**training, "distributed": {"strategy": "fsdp", "processes": 2}}
    project, alone = Project(tmp_path / "shared"), Project(tmp_path / "alone")
    project.write(spec("layers", params=layers, training=shared), table(rows=600))
    alone.write(spec("layers", params=layers, training=training), table(rows=600))

    process = project.start("train", "spec.yaml", "--json", "-o", "training.distributed.processes=1")
    run = until_saved(project).resolve()
    process.send_signal(signal.SIGTERM)
    assert finish(process).returncode == 75

    process = project.start("resume", run, "--processes", "2", "--json")
    until_saved(project, by="weights-1.safetensors")
    process.send_signal(signal.SIGTERM)
    assert finish(process).returncode == 75
    assert left_of(run) == []

    process = project.start("resume", run, "--json")
    left = worker(run, 1)
    until_saved(project, after=time.time())
    left.kill()
    done = finish(process)
    assert done.returncode == 5
    assert "rank 1 of 2 was killed by SIGKILL" in done.json["error"]["message"]
    assert left_of(run) == []

    assert project("resume", run, "--processes", "1", "--quiet").returncode == 0
    written = record(run)
    assert written["processes"] == [1, 2, 1]
    assert written["determinism"]["level"] == "within tolerance"
    assert "distributed.processes_changed" in codes(written["findings"])
    assert_whole(run)
    once = alone.train("--quiet")
    assert points(run) == points(once)
    np.testing.assert_allclose(curve(run), curve(once), rtol=CURVE)


def curve(run: Path) -> list[float]:
    """Log loss on validation rows after each epoch of the fit."""
    events = [json.loads(line) for line in (run / "training_log.jsonl").read_text().splitlines()]
    return [e["metrics"]["val"]["log_loss"] for e in events if e["event"] == "evaluated"]


@pytest.mark.parametrize(
    ("wanted", "where", "words"),
    [
        ({"strategy": "dpp"}, "training.distributed.strategy", "ddp"),
        ({"processes": 0}, "training.distributed.processes", "above 0 or auto"),
        ({"processes": "many"}, "training.distributed.processes", "above 0 or auto"),
        ({"nodes": 0}, "training.distributed.nodes", "above 0"),
        ({"ranks": 2}, "training.distributed.ranks", "ranks"),
    ],
)
def test_a_broken_section_is_refused(tmp_path: Path, wanted: Json, where: str, words: str) -> None:
    done = made(tmp_path, distributed=wanted)("train", "spec.yaml", "--json")
    assert done.returncode == 2
    (finding,) = done.json["error"]["findings"]
    assert where in finding["what"]
    assert words in finding["what"] + finding["fix"]


@pytest.mark.parametrize(
    ("model", "training", "words"),
    [
        ("lightgbm", {"distributed": "ddp"}, "no effect"),
        ("mlp", {"distributed": {"processes": 2}, "device": "cuda:1"}, "names one"),
        ("mlp", {"distributed": "ddp", "device": "mps"}, "Metal"),
        ("mlp", {"distributed": "fsdp", "device": "cuda", "batch_size": "auto"}, "cannot be tried"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, model: str, training: Json, words: str) -> None:
    project = Project(tmp_path)
    project.write(spec(model, training=training), table())
    done = project("train", "spec.yaml", "--json")
    assert done.returncode == 2
    assert words in done.stdout
