"""What goes wrong through the real command: the right exit code, words to act on, never a traceback."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import trainwright
from tests.pipeline.builders import Project, assert_whole, codes, digests, finish, points, record, spec, staged, table
from tests.pipeline.test_resume import one_spec, wait_for
from trainwright.core.errors import ArtifactRefused, ChecksFailed


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A folder with a finished run. Tests work on copies of the run."""
    made = Project(tmp_path_factory.mktemp("finished"))
    made.write(spec(training={"rounds": 20}), table())
    made.train()
    return made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write(spec(training={"rounds": 20}), table())
    return made


# --- 2: the spec

BROKEN = """name: broken
seed: 3.5
data:
  train_path: dta.csv
  target: y
training:
  metrik: roc_auc
architecture: {model_type: lightgmb}
"""


def test_every_mistake_of_a_spec_is_told_at_once_with_its_place(project: Project) -> None:
    (project.folder / "spec.yaml").write_text(BROKEN)

    answer = project("train", "spec.yaml", "--json")

    assert answer.returncode == 2
    assert answer.json["error"]["kind"] == "spec"
    findings = {f["where"]: f["what"] + " " + f["fix"] for f in answer.json["error"]["findings"]}
    assert list(findings) == ["spec.yaml:2:7", "spec.yaml:4:15", "spec.yaml:7:3", "spec.yaml:8:28"]
    told = list(findings.values())
    for words, named in zip(("seed: 42", "data.csv", "metric", "lightgbm"), told, strict=True):
        assert words in named
    assert not (project.folder / "runs").exists()

    for_people = project("train", "spec.yaml")
    assert for_people.returncode == 2
    assert for_people.stdout == ""
    assert all(place in for_people.stderr for place in findings)


def test_all_unknown_columns_are_named_at_once_with_place_and_nearest_name(project: Project) -> None:
    text = 'data:\n  train_path: data.csv\n  target: "y"\n  columns:\n    ignore: [x9]\n    categorical: [color]\n'
    (project.folder / "spec.yaml").write_text(text)
    answer = project("train", "spec.yaml", "--json")
    assert answer.returncode == 2
    told = {f["where"]: f["what"] for f in answer.json["error"]["findings"]}
    assert set(told) == {"spec.yaml:5:13", "spec.yaml:6:18"}
    assert "'x9'" in told["spec.yaml:5:13"]
    assert "Did you mean 'colour'?" in told["spec.yaml:6:18"]


@pytest.mark.parametrize("text", ["", "just words", "a: [1", "\x00"])
def test_what_is_no_spec_is_said(project: Project, text: str) -> None:
    (project.folder / "spec.yaml").write_text(text)
    answer = project("train", "spec.yaml", "--json")
    assert answer.returncode == 2
    assert answer.json["error"]["message"].startswith("spec.yaml")


# --- 3: the data

REFUSED: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "target copy": (lambda f: f.assign(copy=(f.y == "yes") * 3 + 1), "copy"),
    "target of blanks": (lambda f: f.assign(y=np.nan), "all 320 rows are missing"),
    "one class": (lambda f: f.assign(y="yes"), "two classes"),
    "one row": (lambda f: f.head(1), "several rows"),
    "header alone": (lambda f: f.head(0), "a header and nothing below it"),
    "rows of train in val": (lambda f: f, "60 of 60 validation rows (100.00%) are also training rows"),
}


@pytest.mark.parametrize("fault", list(REFUSED))
def test_data_that_cannot_be_trusted_is_refused(project: Project, fault: str) -> None:
    change, said = REFUSED[fault]
    frame = change(table())
    data = {"val_path": "val.csv"} if "val" in fault else {}
    project.write(spec(data=data), frame, val=frame.head(60))
    answer = project("train", "spec.yaml", "--json")
    assert answer.returncode == 3, answer.stdout
    assert answer.json["error"]["kind"] == "data"
    assert said in answer.json["error"]["message"]
    assert record(project.only_run())["status"] == "failed"
    assert points(project.only_run()) == [], "nothing was trained"


def test_an_empty_file_is_refused(project: Project) -> None:
    (project.folder / "data.csv").write_text("")
    answer = project("train", "spec.yaml", "--json")
    assert answer.returncode == 3
    assert "the file is empty" in answer.json["error"]["message"]


# --- 4 and the budget


def test_a_plan_that_cannot_fit_its_budget_is_refused_before_it_trains(tmp_path: Path) -> None:
    with pytest.raises(ChecksFailed) as caught:
        trainwright.train(
            spec(training={"time_budget": "10ms"}) | {"data": {"target": "y"}}, out=tmp_path, train=table()
        )
    assert caught.value.exit_code == 4
    assert "plan.does_not_fit" in {f.code for f in caught.value.findings}
    (run,) = tmp_path.iterdir()
    assert points(run) == []


@pytest.mark.slow
def test_a_time_budget_is_kept_and_said(project: Project) -> None:
    endless = {"rounds": 1_000_000, "early_stopping": None, "time_budget": "20s"}
    project.write(spec(training=endless), table(rows=8000))
    run = project.train()
    written = record(run)
    times = [e["time_s"] for stage, e in staged(run) if stage == "fit" and e["event"] == "evaluated"]
    assert all(t < 12.0 for t in times[:-1]), "8 of 20 seconds are kept for export and report: no unit begins in them"
    busy = os.getloadavg()[0] > len(os.sched_getaffinity(0)) + 1.5
    assert written["seconds"]["total"] <= 20.0 or busy, "with more to do than cores nobody can promise the rest"
    assert written["model"]["stopped_by"] == "time_budget"
    assert 0 < written["model"]["rounds_run"] < 1_000_000
    assert written["determinism"]["level"] == "statistical"
    assert "budget.stopped" in codes(written["findings"])
    assert_whole(run)


# --- 7: artifacts


def test_a_damaged_model_is_refused_whichever_file_it_is(finished: Project, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished.only_run(), run)
    files = [p for p in (run / "model" / "native").rglob("*") if p.is_file()]
    assert len(files) >= 5
    for path in files:
        whole = path.read_bytes()
        middle = len(whole) // 2
        for damaged in (whole[:middle], whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], None):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            with pytest.raises(ArtifactRefused):
                trainwright.predict(run, table())
        path.write_bytes(whole)
    (run / "model" / "native" / "extra.py").write_text("")
    answer = finished("predict", run, "data.csv", "--json")
    assert answer.returncode == 7
    assert "extra.py" in answer.json["error"]["message"]


@pytest.mark.parametrize("command", [("predict", "nowhere", "data.csv"), ("resume", "nowhere"), ("report", "nowhere")])
def test_a_run_that_is_not_there_is_said(finished: Project, command: tuple[str, ...]) -> None:
    answer = finished(*command, "--json")
    assert answer.returncode == 7
    assert "nowhere" in answer.json["error"]["message"]


def test_a_damaged_record_does_not_hide_the_other_runs(finished: Project, tmp_path: Path) -> None:
    for name in ("good", "bad", "worse"):
        shutil.copytree(finished.only_run(), tmp_path / name)
    (tmp_path / "bad" / "run.json").write_text('{"status": "do')
    (tmp_path / "worse" / "run.json").write_bytes(b"\xff\xfe")
    listed = finished("runs", tmp_path, "--json")
    assert listed.returncode == 0
    assert {Path(r["run"]).name: r["status"] for r in listed.json["runs"]} == {
        "good": "done",
        "bad": "damaged",
        "worse": "damaged",
    }
    shown = trainwright.runs(tmp_path)
    assert len(shown.rows) == 3


# --- 8: resources


@pytest.mark.slow
def test_a_run_that_another_process_holds_is_left_alone(project: Project) -> None:
    project.write(one_spec())
    holder = project.start("train", "spec.yaml", "--json")
    wait_for(holder, "▸ baselines")
    holder.send_signal(signal.SIGSTOP)
    try:
        run = project.only_run()
        before = (run / "training_log.jsonl").read_bytes()
        answer = project("resume", run, "--json")
        assert answer.returncode == 8
        assert f"pid {holder.pid}" in answer.json["error"]["message"]
        assert (run / "training_log.jsonl").read_bytes() == before
    finally:
        holder.send_signal(signal.SIGCONT)
        done = finish(holder)
    assert done.returncode == 0
    assert_whole(run)


def test_an_output_folder_that_is_a_file_is_said(project: Project) -> None:
    (project.folder / "taken").write_text("")
    answer = project("train", "spec.yaml", "--out", "taken", "--json")
    assert answer.returncode == 8
    assert "taken" in answer.json["error"]["message"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_a_file_that_may_not_grow_stops_the_run_and_resume_ends_it(project: Project) -> None:
    """What a full disk does, by a limit on the size of files; works without the right to mount one."""
    project.write(one_spec())
    process = project.start("train", "spec.yaml", "--json")
    wait_for(process, "▸ fit")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (8_000, 8_000))
    done = finish(process)
    assert done.returncode == 8, done.stdout
    assert done.json["error"]["kind"] == "resource"
    _goes_on(project, project.only_run())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; skipped where nobody may mount one."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("needs the right to mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", folder], check=False)
    if made.returncode != 0:
        pytest.skip("cannot mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["▸ fit", "▸ evaluate"])
def test_a_disk_that_is_full_stops_the_run_and_resume_ends_it(project: Project, small_disk: Path, words: str) -> None:
    project.write(one_spec())
    process = project.start("train", "spec.yaml", "--out", str(small_disk), "--json")
    wait_for(process, words)
    process.send_signal(signal.SIGSTOP)
    _fill(small_disk / "filler")
    process.send_signal(signal.SIGCONT)
    done = finish(process)
    assert done.returncode == 8, done.stdout
    assert done.json["error"]["kind"] == "resource"
    (small_disk / "filler").unlink()
    (run,) = small_disk.iterdir()
    _goes_on(project, run)


def _fill(path: Path) -> None:
    """Write until the file system is full."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 10, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - the way out of the loop


def _goes_on(project: Project, run: Path) -> None:
    """A run that was stopped by its disk is resumed and comes to what an undisturbed one comes to."""
    resumed = project("resume", run, "--json")
    assert resumed.returncode == 0, resumed.stdout
    straight = trainwright.train(project.folder / "spec.yaml", out=project.folder / "straight").run
    assert digests(run) == digests(straight)
    assert points(run) == points(straight)
    assert_whole(run)


# --- folders


def test_paths_with_spaces_and_other_letters_work(tmp_path: Path) -> None:
    project = Project(tmp_path / "my data, größer")
    project.folder.mkdir()
    table().to_csv(project.folder / "the table.csv", index=False)
    (project.folder / "my spec.yaml").write_text(
        json.dumps(spec(data={"train_path": "the table.csv"}, training={"rounds": 20}))
    )
    trained = project("train", "my spec.yaml", "--out", "all runs", "--json")
    assert trained.returncode == 0, trained.stdout
    scored = project("predict", trained.json["run"], "the table.csv", "-o", "the scores.csv", "--json")
    assert scored.returncode == 0
    assert len(pd.read_csv(project.folder / "the scores.csv")) == 320


@pytest.mark.slow
def test_two_runs_at_once_in_one_folder_do_not_disturb_each_other(project: Project) -> None:
    processes = [project.start("train", "spec.yaml", "--json") for _ in range(2)]
    done = [finish(process) for process in processes]
    assert [d.returncode for d in done] == [0, 0]
    one, other = (project.folder / d.run for d in done)
    assert one != other
    assert digests(one) == digests(other)
    for run in (one, other):
        assert_whole(run)


def test_a_plot_that_cannot_be_drawn_costs_no_document(finished: Project, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished.only_run(), run)
    shutil.rmtree(run / "plots")
    (run / "plots").write_text("in the way")
    (run / "report.md").unlink()
    done = trainwright.write_report(run)
    assert (run / "report.md").is_file()
    assert any("plot" in f.where or "figure" in f.code for f in done.findings)
