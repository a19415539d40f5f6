"""SIGKILL at random moments: whatever was lost is trained again, and the end is that of an undisturbed run."""

import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.builders import (
    TIMEOUT_S,
    Json,
    Project,
    assert_nothing_torn,
    assert_whole,
    digests,
    finish,
    points,
    spec,
    staged,
    table,
)

KILLS = 4  # for each of five families: twenty
ATTEMPTS = 12
ROUNDS = {"lightgbm": 150, "xgboost": 150, "catboost": 1000, "hist_gradient_boosting": 150, "sklearn_mlp": 100}
ROWS = {"sklearn_mlp": 1000}  # the others: 4000


def wanted(family: str) -> Json:
    """Slow enough for kills to land in it, with a checkpoint after nearly every round."""
    training = {"rounds": ROUNDS[family], "early_stopping": None, "checkpoint_every": "20ms"}
    params = {"subsample": 0.7} if family == "xgboost" else {}
    return spec(family, params=params, training=training, baselines=["dummy", "linear"])


def progress(log: Path) -> int:
    """Whole lines in a log; those of checkpoints depend on the time and do not count."""
    if not log.is_file():
        return 0
    lines = log.read_bytes().split(b"\n")[:-1]
    return sum(b'"event":"saved"' not in line for line in lines)


def kill_at(process: "subprocess.Popen[str]", folder: Path, lines: int, delay_s: float) -> bool:
    """Kill a process once the log of the run below a folder has that many lines; whether it was still there."""
    ends = time.monotonic() + TIMEOUT_S
    while process.poll() is None and not any(progress(log) >= lines for log in folder.glob("*/training_log.jsonl")):
        assert time.monotonic() < ends, "no progress"
        time.sleep(0.002)  # a file cannot be waited for
    time.sleep(delay_s)
    process.kill()
    process.communicate()
    return process.returncode == -9


def fit_lines(run: Path) -> tuple[int, int]:
    """The lines of the log, checkpoints not counted, between which the final fit lies."""
    stages = [stage for stage, event in staged(run) if event["event"] != "saved"]
    return stages.index("fit") + 1, stages.index("export") + 1


def evaluated(run: Path) -> dict[str, float]:
    """Every value of every evaluation."""
    return {
        f"{stage} {event['step']} {part} {name}": value
        for stage, event in staged(run)
        if event["event"] == "evaluated"
        for part, values in event["metrics"].items()
        for name, value in values.items()
    }


def killed_runs(project: Project, straight: Path, draw: random.Random) -> Iterator[tuple[Path, str]]:
    """Kill the run and each of its resumes; gives the folder and the stage of every kill that landed.

    A process that ended before its kill does not count: the next one is drawn for a new run.
    """
    begin, end = fit_lines(straight)
    total = progress(straight / "training_log.jsonl")
    landed, attempt, folder = 0, 0, project.folder / "runs-0"
    while landed < KILLS:
        attempt += 1
        assert attempt <= ATTEMPTS, f"only {landed} of {KILLS} kills landed"
        runs = list(folder.glob("*/run.json"))
        known = progress(runs[0].parent / "training_log.jsonl") if runs else 0
        lines = (
            draw.randint(known + 1, max(known + 10, total))
            if landed
            else draw.randint(begin, begin + (end - begin) // 4)
        )
        arguments = ("resume", runs[0].parent) if runs else ("train", "spec.yaml", "--out", folder)
        process = project.start(*arguments, "--quiet")
        if kill_at(process, folder, lines, draw.uniform(0.0, 0.1)):
            landed += 1
            (run,) = folder.iterdir()
            yield run, last_stage(run)
        else:
            assert process.returncode == 0
            folder = project.folder / f"runs-{attempt}"


def last_stage(run: Path) -> str:
    """The stage last started in a log whose last line may be torn."""
    lines = (run / "training_log.jsonl").read_text().split("\n")[:-1]
    began = [line for line in lines if '"event":"started"' in line]
    return began[-1].split('"stage":"')[1].split('"')[0]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", list(ROUNDS))
def test_a_run_killed_at_20_random_moments_ends_with_the_same_digests(family: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(wanted(family), table(rows=ROWS.get(family, 4000)))
    straight = project.train("--out", "straight")
    draw = random.Random(f"kills of {family}")

    stages: list[str] = []
    runs: list[Path] = []
    for run, stage in killed_runs(project, straight, draw):
        assert_nothing_torn(run)
        stages.append(stage)
        runs += [run] if run not in runs else []

    assert len(stages) == KILLS
    assert "fit" in stages, stages
    for run in runs:
        done = finish(project.start("resume", run, "--json"))
        assert done.returncode == 0, done.stdout
        assert digests(run) == digests(straight), stages
        assert points(run) == points(straight), "no point twice, none lost"
        # CatBoost adds up predictions block by block, and after a resume in one go: the last bit may differ.
        assert evaluated(run) == pytest.approx(evaluated(straight), abs=1e-12 if family == "catboost" else 0, rel=0)
        assert_whole(run)
