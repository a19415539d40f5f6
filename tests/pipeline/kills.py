"""Killing runs at random moments, and holding what comes of them against an undisturbed run."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pipeline.builders import (
    TIMEOUT_S,
    Process,
    Project,
    assert_nothing_torn,
    assert_whole,
    digests,
    points,
    staged,
)

ATTEMPTS = 12  # for four kills; a process may end before its kill


def progress(log: Path) -> int:
    """Whole lines in a log; those of checkpoints depend on the time and do not count."""
    if not log.is_file():
        return 0
    lines = log.read_bytes().split(b"\n")[:-1]
    return sum(b'"event":"saved"' not in line for line in lines)


def kill_at(process: Process, folder: Path, lines: int, delay_s: float) -> bool:
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


def killed_runs(
    project: Project, straight: Path, draw: random.Random, kills: int, *, options: Sequence[str] = ()
) -> Iterator[tuple[Path, str]]:
    """Kill the run and each of its resumes; gives the folder and the stage of every kill that landed.

    A process that ended before its kill does not count: the next one is drawn for a new run.
    """
    begin, end = fit_lines(straight)
    total = progress(straight / "training_log.jsonl")
    landed, attempt, folder = 0, 0, project.folder / "runs-0"
    while landed < kills:
        attempt += 1
        assert attempt <= max(ATTEMPTS, 3 * kills), f"only {landed} of {kills} kills landed"
        runs = list(folder.glob("*/run.json"))
        known = progress(runs[0].parent / "training_log.jsonl") if runs else 0
        lines = (
            draw.randint(known + 1, max(known + 10, total))
            if landed
            else draw.randint(begin, begin + (end - begin) // 4)
        )
        arguments = ("resume", runs[0].parent) if runs else ("train", "spec.yaml", "--out", folder)
        process = project.start(*arguments, *options, "--quiet")
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


def assert_ends_as_undisturbed(
    project: Project,
    straight: Path,
    draw: random.Random,
    kills: int,
    *,
    tolerance: float = 0.0,
    options: Sequence[str] = (),
) -> None:
    """Kill a run of ``spec.yaml`` that often, resume it, and hold everything against the ``straight`` one.

    The last resume has an interpreter of its own, so that nothing hangs on the seed of Python's hashes.

    ``tolerance`` is for the values of evaluations; digests are equal in any case.
    """
    stages: list[str] = []
    runs: list[Path] = []
    for run, stage in killed_runs(project, straight, draw, kills, options=options):
        assert_nothing_torn(run)
        stages.append(stage)
        runs += [run] if run not in runs else []

    assert len(stages) == kills
    assert "fit" in stages, stages
    for run in runs:
        done = replace(project, fresh=True)("resume", run, *options, "--json")
        assert done.returncode == 0, done.stdout
        assert digests(run) == digests(straight), stages
        assert points(run) == points(straight), "no point twice, none lost"
        assert evaluated(run) == pytest.approx(evaluated(straight), abs=tolerance, rel=0)
        assert_whole(run)
