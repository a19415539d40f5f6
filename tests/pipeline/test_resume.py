"""Stopping and going on: a resumed run comes to what an undisturbed one comes to, and does nothing twice."""

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import trainwright
from tests.pipeline.builders import (
    Json,
    Process,
    Project,
    assert_whole,
    codes,
    digests,
    finish,
    points,
    record,
    spec,
    table,
)
from trainwright.core.errors import TrainwrightError

ROUNDS = 200


def one_spec() -> Json:
    """Long enough to be stopped in between: many rounds, no early stop."""
    return spec("xgboost", training={"rounds": ROUNDS, "early_stopping": None})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run that all others must equal."""
    project = Project(tmp_path_factory.mktemp("undisturbed"))
    project.write(one_spec(), table())
    return project.train()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write(one_spec(), table())
    return made


def stop_at(project: Project, words: str, number: signal.Signals, *arguments: str | Path) -> tuple[int, Json]:
    """Start a command, signal it when its progress says ``words``; its exit code and its answer."""
    process = project.start(*(arguments or ("train", "spec.yaml")), "--json")
    wait_for(process, words)
    process.send_signal(number)
    done = finish(process)
    return done.returncode, done.json


def wait_for(process: Process, words: str) -> None:
    """Read the progress of a command until it says ``words``."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"the command ended before it said {words!r}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGTERM, 75, "▸ data"), (signal.SIGTERM, 75, "▸ fit"), (signal.SIGINT, 130, "▸ fit")],
)
def test_a_signal_stops_the_run_and_resume_ends_as_undisturbed(
    project: Project, undisturbed: Path, number: signal.Signals, code: int, words: str
) -> None:
    returned, answer = stop_at(project, words, number)

    assert returned == code
    assert (answer["status"], answer["exit_code"], answer["error"]["kind"]) == ("stopped", code, "stopped")
    run = project.only_run()
    assert f"trainwright resume {run.relative_to(project.folder)}" in answer["error"]["message"]
    assert record(run)["status"] == "stopped"
    trained = points(run)

    resumed = replace(project, fresh=True)("resume", run, "--json")

    assert resumed.returncode == 0, resumed.stdout
    assert resumed.json["status"] == "done"
    assert digests(run) == digests(undisturbed)
    assert points(run)[: len(trained)] == trained, "what was trained stays on record"
    assert points(run) == points(undisturbed), "no point twice, none lost"
    assert points(run, "evaluated") == points(undisturbed, "evaluated")
    assert "error" not in record(run)
    assert_whole(run)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["▸ export", "▸ evaluate", "▸ report"])
def test_a_kill_outside_of_training_loses_nothing(project: Project, undisturbed: Path, words: str) -> None:
    process = project.start("train", "spec.yaml", "--json")
    wait_for(process, words)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    run = project.only_run()
    (run / "model" / ".native.0badcafe.tmp").mkdir(parents=True)  # what a kill in the middle of a write leaves
    (run / "plots").mkdir(exist_ok=True)
    (run / "plots" / ".baselines.png.0badcafe.tmp").write_text("half")

    resumed = replace(project, fresh=True)("resume", run, "--json")

    assert resumed.returncode == 0, resumed.stdout
    assert resumed.json["status"] == "done"
    assert digests(run) == digests(undisturbed)
    assert points(run) == points(undisturbed)
    assert_whole(run)


@pytest.mark.slow
def test_a_second_interrupt_ends_at_once_and_can_be_resumed(project: Project, undisturbed: Path) -> None:
    process = project.start("train", "spec.yaml", "--json")
    wait_for(process, "▸ data")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.returncode == 130
    assert done.json["status"] == "stopped"
    run = project.only_run()
    assert project("resume", run, "--quiet").returncode == 0
    assert digests(run) == digests(undisturbed)


def test_resuming_a_finished_run_trains_nothing_and_changes_nothing(undisturbed: Path) -> None:
    before = {p: p.read_bytes() for p in undisturbed.rglob("*") if p.is_file()}
    again = Project(undisturbed.parent.parent)("resume", undisturbed, "--json")
    assert again.returncode == 0
    assert again.json["status"] == "done"
    assert {p: p.read_bytes() for p in undisturbed.rglob("*") if p.is_file()} == before


def test_resume_does_not_train_what_a_checkpoint_holds(project: Project, tmp_path: Path) -> None:
    """The record says so: a run that lost everything after training starts its fit where it ended."""
    run = project.train()
    before = digests(run)
    written = record(run)
    _go_back_to(run, "fit", written)
    assert project("resume", run, "--quiet").returncode == 0
    assert digests(run) == before
    assert len(points(run)) == len(set(points(run)))
    assert record(run)["seconds"]["fit"] < 2 * written["seconds"]["fit"] + 1


def _go_back_to(run: Path, stage: str, written: Json) -> None:
    """Make the folder that of a process killed right after a stage: everything later is not there yet."""

    log = (run / "training_log.jsonl").read_text().splitlines(keepends=True)
    ends = [i for i, line in enumerate(log) if json.loads(line).get("stage") == stage and '"finished"' in line]
    kept = "".join(log[: ends[-1] + 1])
    (run / "training_log.jsonl").write_text(kept)
    names = [s["name"] for s in written["stages"]]
    done = written["stages"][: names.index(stage) + 1]
    for key in ("metrics", "intervals", "primary", "gap", "best_params", "artifacts", "finished"):
        written.pop(key, None)
    left = {"status": "running", "stages": done, "log_bytes": len(kept.encode()), "test_openings": []}
    (run / "run.json").write_text(json.dumps({**written, **left}))
    for name in ("model", "predictions", "handoff", "plots"):
        shutil.rmtree(run / name)
    for name in ("report.md", "report.html", "model_card.md"):
        (run / name).unlink()


# --- what must not be resumed


def _other_data(run: Path, project: Project) -> None:
    table(seed=9).to_csv(project.folder / "data.csv", index=False)


def _no_data(run: Path, project: Project) -> None:
    (project.folder / "data.csv").unlink()


def _no_record(run: Path, project: Project) -> None:
    (run / "run.json").unlink()


def _half_a_record(run: Path, project: Project) -> None:
    whole = (run / "run.json").read_bytes()
    (run / "run.json").write_bytes(whole[: len(whole) // 2])


def _other_version(run: Path, project: Project) -> None:
    text = (run / "run.json").read_text().replace('"version": "', '"version": "0.0.')
    (run / "run.json").write_text(text)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A folder whose only run was stopped while it trained."""
    made = Project(tmp_path_factory.mktemp("stopped"))
    made.write(one_spec(), table())
    assert stop_at(made, "▸ fit", signal.SIGTERM)[0] == 75
    return made


@pytest.mark.parametrize(
    ("damage", "code", "said"),
    [
        (_other_data, 3, "the data changed"),
        (_no_data, 2, "no such file"),
        (_no_record, 7, "no run folder"),
        (_half_a_record, 7, "is damaged"),
        (_other_version, 7, "was made by Trainwright 0.0."),
    ],
)
def test_what_cannot_be_resumed_is_said(
    stopped: Project, tmp_path: Path, damage: Callable[[Path, Project], None], code: int, said: str
) -> None:
    project = Project(tmp_path / "copy")
    shutil.copytree(stopped.folder, project.folder)
    run = project.only_run()
    text = (run / "run.json").read_text().replace(str(stopped.folder), str(project.folder))
    (run / "run.json").write_text(text)
    damage(run, project)

    with pytest.raises(TrainwrightError, match=said) as caught:
        trainwright.resume(run)
    assert caught.value.exit_code == code


@pytest.mark.slow
def test_a_damaged_checkpoint_is_put_aside_and_trained_again(
    stopped: Project, tmp_path: Path, undisturbed: Path
) -> None:
    project = Project(tmp_path / "copy")
    shutil.copytree(stopped.folder, project.folder)
    run = project.only_run()
    for path in (run / "checkpoints" / "last" / "engine").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    resumed = project("resume", run, "--json")
    assert resumed.returncode == 0
    (said,) = (f for f in resumed.json["findings"] if f["code"] == "checkpoint.damaged")
    assert "goes on from the beginning" in said["what"]
    assert digests(run) == digests(undisturbed)
    assert len(points(run)) == len(set(points(run)))


# --- cross-validation and `auto`, stopped in between


@pytest.mark.slow
def test_finished_folds_are_not_trained_again_and_stay_on_record(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write({**one_spec(), "cross_validation": {"folds": 3}}, table())
    straight = project.train("--out", "straight")
    returned, _ = stop_at(project, "▸ fold:1", signal.SIGTERM)
    assert returned == 75
    run = project.only_run()
    first = (run / "folds" / "0" / "model" / "hashes.json").stat().st_mtime_ns
    assert project("resume", run, "--quiet").returncode == 0
    assert (run / "folds" / "0" / "model" / "hashes.json").stat().st_mtime_ns == first
    assert digests(run) == digests(straight)
    assert points(run) == points(straight)


@pytest.mark.slow
def test_a_simpler_model_that_was_chosen_survives_a_kill(tmp_path: Path) -> None:
    from tests.pipeline.test_cross_validation import LINEAR_WINS, linear_table

    project = Project(tmp_path)
    project.write(LINEAR_WINS, linear_table())
    straight = project.train("--out", "straight")
    assert "plan.simpler_chosen" in codes(record(straight)["findings"])
    process = project.start("train", "spec.yaml", "--json")
    wait_for(process, "▸ evaluate")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    run = project.only_run()
    assert project("resume", run, "--quiet").returncode == 0
    assert digests(run) == digests(straight)
    assert points(run) == points(straight)
    assert_whole(run)
