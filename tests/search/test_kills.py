"""SIGKILL in the middle of a search: no trial lost, none counted twice, the same best configuration and model."""

import json
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pipeline.builders import TIMEOUT_S, Project, assert_whole, digests, points, record, spec, table
from tests.search.builders import told

KILLS = int(os.environ.get("TRAINWRIGHT_KILLS", "2"))
TRIALS = 12


def whole_lines(ledger: Path) -> bytes:
    """The ledger up to its last whole line."""
    content = ledger.read_bytes() if ledger.is_file() else b""
    return content[: content.rfind(b"\n") + 1]


def kill_at(process, folder: Path, lines: int, delay_s: float, ledger: str = "trials.jsonl") -> bool:
    """Kill once a ledger of the run below a folder has that many lines; whether the process was still there."""
    ends = time.monotonic() + TIMEOUT_S
    while process.poll() is None:
        assert time.monotonic() < ends, "no progress"
        if any(whole_lines(p).count(b"\n") >= lines for p in folder.glob(f"*/search/{ledger}")):
            break
        time.sleep(0.002)  # a file cannot be waited for
    time.sleep(delay_s)
    process.kill()
    process.communicate()
    return process.returncode == -9


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("parallel", [1, 2])
def test_a_search_killed_at_random_moments_ends_as_if_it_had_not_been(tmp_path, parallel):
    project = Project(tmp_path)
    search = {"budget": f"{TRIALS} trials", "parallel": parallel}
    training = {"rounds": 120, "threads": parallel}
    project.write(spec("lightgbm", training=training, hyperparameter_search=search), table(rows=3000))
    straight = project.train("--out", "straight")
    expected = told(straight)
    draw = random.Random(f"kills of a search, {parallel}")

    folder, landed, attempt = tmp_path / "killed-0", 0, 0
    runs = []
    while landed < KILLS:
        attempt += 1
        assert attempt <= 4 * KILLS, f"only {landed} of {KILLS} kills landed"
        found = list(folder.glob("*/run.json"))
        ledger = found[0].parent / "search" / "trials.jsonl" if found else folder / "none"
        before = whole_lines(ledger)
        lines = min(before.count(b"\n") + draw.randint(0, TRIALS // 2), len(expected) - 1)
        command = ("resume", found[0].parent) if found else ("train", "spec.yaml", "--out", folder)
        if not kill_at(project.start(*command, "--quiet"), folder, lines, draw.uniform(0.0, 0.15)):
            folder = tmp_path / f"killed-{attempt}"
            continue
        landed += 1
        (run,) = folder.iterdir()
        runs += [run] if run not in runs else []
        after = whole_lines(run / "search" / "trials.jsonl")
        assert after.startswith(before), "what was in the ledger stays in it"

    for run in runs:
        done = replace(project, fresh=True)("resume", run, "--json")
        assert done.returncode == 0, done.stdout
        assert told(run) == expected
        assert digests(run) == digests(straight)
        assert record(run)["best_params"] == record(straight)["best_params"]
        assert points(run, "trial") == points(straight, "trial")
        assert_whole(run)


@pytest.mark.slow
def test_a_nested_estimate_that_is_killed_goes_on_where_it_was(tmp_path):
    project = Project(tmp_path)
    search = {"budget": "5 trials", "optimism": "nested", "optimism_folds": 3}
    project.write(spec("lightgbm", training={"rounds": 60}, hyperparameter_search=search), table(rows=1500))
    straight = project.train("--out", "straight")
    process = project.start("train", "spec.yaml", "--out", tmp_path / "killed", "--quiet")
    assert kill_at(process, tmp_path / "killed", 2, 0.02, ledger="optimism/1/trials.jsonl")
    (run,) = (tmp_path / "killed").iterdir()
    ledger = run / "search" / "optimism" / "1" / "trials.jsonl"
    before = whole_lines(ledger)
    done = replace(project, fresh=True)("resume", run, "--json")
    assert done.returncode == 0, done.stdout
    assert ledger.read_bytes().startswith(before), "finished trials of the fold are kept"
    assert told(run) == told(straight)
    assert digests(run) == digests(straight)
    assert optimism(run) == optimism(straight)
    assert_whole(run)


def optimism(run: Path) -> list[object]:
    """The folds' numbers without their seconds."""
    found = json.loads((run / "search" / "optimism.json").read_text())["measured"]
    return [found["optimism"], found["corrected"], [(d["inner"], d["scores"], d["trials"]) for d in found["divisions"]]]
