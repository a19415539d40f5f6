"""`trainwright verify`: every byte of a folder, the signature, and the training again."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import trainwright
from tests.pipeline.builders import Project, codes, command, record, spec, table
from trainwright.core.errors import ArtifactRefused, TrainwrightError, VerificationFailed

Copied = Callable[[], Path]


def test_a_finished_run_is_what_was_recorded(finished: Project) -> None:
    done = finished("verify", finished.only_run(), "--json")
    assert done.returncode == 0
    told = done.json
    assert (told["status"], told["kind"], told["retrain"], told["findings"]) == ("verified", "run", None, [])
    listed = json.loads((finished.only_run() / "handoff" / "manifest.json").read_text())["artifacts"]
    assert told["files"] == len(listed)
    text = finished("verify", finished.only_run())
    assert f"✓ {told['files']} files are what was recorded" in text.stdout


def moved(finished: Project, to: Path) -> Project:
    """A copy of a project at another place, whose run reads its data there."""
    project = Project(to)
    shutil.copytree(finished.folder, project.folder)
    run = project.only_run()
    told = record(run)
    told["launch"]["base"] = str(project.folder)
    (run / "run.json").write_text(json.dumps(told))
    return project


def _edit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "name",
    [
        "model/native/member-0/model/model.txt",
        "model/native/hashes.json",
        "predictions/val.parquet",
        "resolved.yaml",
        "report.md",
        "handoff/prompt.md",
        "baselines/dummy/scorer.json",
        "training_log.jsonl",
        "data/split.parquet",
    ],
)
def test_one_flipped_bit_is_found_and_named(copied: Copied, name: str) -> None:
    run = copied()
    _edit(run / name)
    with pytest.raises(VerificationFailed) as caught:
        trainwright.verify(run)
    assert [(f.code, f.where) for f in caught.value.findings] == [("verify.changed", name)]
    assert name in caught.value.message


def test_all_differences_come_at_once(copied: Copied) -> None:
    run = copied()
    (run / "report.md").unlink()
    _edit(run / "checks.json")
    (run / "model" / "native" / "member-0" / "model" / "extra.txt").write_text("x")
    (run / "notes.txt").write_text("mine")
    done = command("verify", run, "--json", cwd=run.parent)
    assert done.returncode == 6
    findings = done.json["error"]["findings"]
    assert {f["where"]: f["what"].split(":")[0] for f in findings} == {
        "report.md": "it is missing",
        "checks.json": "it changed",
        "model/native/member-0/model/extra.txt": "somebody added it",
    }


def test_files_nobody_listed_are_told(copied: Copied) -> None:
    run = copied()
    (run / "notes.txt").write_text("mine")
    (found,) = trainwright.verify(run).findings
    assert found.code == "verify.unlisted"
    assert found.evidence["files"] == ["notes.txt"]


def test_numbers_of_the_record_are_recomputed(copied: Copied) -> None:
    run = copied()
    told = record(run)
    told["metrics"]["test"]["roc_auc"] = 0.999
    (run / "run.json").write_text(json.dumps(told))
    with pytest.raises(VerificationFailed, match=r"run\.json: its numbers are not those"):
        trainwright.verify(run)
    told["digests"]["facts"] = "0" * 64
    (run / "run.json").write_text(json.dumps(told))
    with pytest.raises(VerificationFailed, match=r"run\.json: its digests are not those of the manifest"):
        trainwright.verify(run)


def test_a_log_that_grew_is_no_difference(copied: Copied) -> None:
    run = copied()
    with (run / "training_log.jsonl").open("a") as log:
        log.write('{"event":"finished"}\n')
    assert trainwright.verify(run).kind == "run"


def test_a_link_is_no_file(copied: Copied, tmp_path: Path) -> None:
    run = copied()
    shutil.copy(run / "report.md", tmp_path / "elsewhere.md")
    (run / "report.md").unlink()
    (run / "report.md").symlink_to(tmp_path / "elsewhere.md")
    with pytest.raises(VerificationFailed, match=r"report\.md: it is missing"):
        trainwright.verify(run)


def _manifest(run: Path, **changes: object) -> None:
    path = run / "handoff" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda run: (run / "handoff" / "manifest.json").unlink(),
        lambda run: (run / "handoff" / "manifest.json").write_text("{"),
        lambda run: (run / "handoff" / "manifest.json").write_text("[]"),
        lambda run: _manifest(run, format=9),
        lambda run: _manifest(run, artifacts=[]),
        lambda run: _manifest(run, artifacts=["x"]),
        lambda run: _manifest(run, artifacts=[{"path": "../../etc/passwd", "sha256": "0", "bytes": 1}]),
        lambda run: _manifest(run, artifacts=[{"path": "/etc/passwd", "sha256": "0", "bytes": 1}]),
        shutil.rmtree,
    ],
    ids=["absent", "torn", "a list", "another format", "empty", "no file", "climbs", "absolute", "no folder"],
)
def test_without_a_sound_manifest_nothing_is_verified(copied: Copied, spoil: Callable[[Path], object]) -> None:
    run = copied()
    spoil(run)
    done = command("verify", run, "--json", cwd=run.parent)
    assert (done.returncode, done.json["error"]["kind"]) == (7, "artifact")


@pytest.fixture
def keys(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    def make(name: str) -> tuple[Path, Path]:
        key = Ed25519PrivateKey.generate()
        private, public = tmp_path / f"{name}.pem", tmp_path / f"{name}.pub.pem"
        plain = form.NoEncryption()
        private.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, plain))
        public.write_bytes(key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
        return private, public

    return make


def test_a_signature_says_who_vouches(copied: Copied, keys: Callable[[str], tuple[Path, Path]]) -> None:
    run = copied()
    (mine, public), (_, others) = keys("mine"), keys("others")
    with pytest.raises(ArtifactRefused, match="is not signed"):
        trainwright.verify(run, key=public)
    signed = trainwright.verify(run, sign=mine).signed_with
    assert trainwright.verify(run, key=public).signed_by == signed
    assert [f.code for f in trainwright.verify(run).findings] == ["verify.signature_not_checked"]
    with pytest.raises(ArtifactRefused, match=r"others\.pub\.pem"):
        trainwright.verify(run, key=others)
    _manifest(run, name="another")
    done = command("verify", run, "--key", public, "--json", cwd=run.parent)
    assert done.returncode == 7
    assert "changed after it was" in done.json["error"]["message"]


def test_new_documents_take_the_signature_away(copied: Copied, keys: Callable[[str], tuple[Path, Path]]) -> None:
    run = copied()
    trainwright.verify(run, sign=keys("mine")[0])
    trainwright.write_report(run)
    assert not (run / "handoff" / "manifest.sig").exists()


def test_what_is_broken_is_not_signed(copied: Copied, keys: Callable[[str], tuple[Path, Path]]) -> None:
    run = copied()
    _edit(run / "report.md")
    with pytest.raises(VerificationFailed):
        trainwright.verify(run, sign=keys("mine")[0])
    assert not (run / "handoff" / "manifest.sig").exists()


@pytest.mark.parametrize("content", ["", "no key", None])
def test_a_file_that_is_no_key(copied: Copied, tmp_path: Path, content: str | None) -> None:
    pytest.importorskip("cryptography")
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_text(content)
    for option in ("key", "sign"):
        with pytest.raises(TrainwrightError) as caught:
            trainwright.verify(copied(), **{option: path})  # type: ignore[arg-type]
        assert caught.value.exit_code == (8 if content is None else 7)
        shutil.rmtree(next(tmp_path.glob("tiny-*")))


def test_openssl_makes_keys_that_are_read(copied: Copied, tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    key, public = tmp_path / "key.pem", tmp_path / "key.pub.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True, capture_output=True)
    run = copied()
    trainwright.verify(run, sign=key)
    assert trainwright.verify(run, key=public).signed_by


@pytest.mark.slow
def test_training_again_gives_the_same_bytes(finished: Project, tmp_path: Path) -> None:
    fresh = replace(finished, fresh=True)
    done = fresh("verify", finished.only_run(), "--retrain", "--out", tmp_path / "again", "--json")
    assert done.returncode == 0, done.stdout
    told = done.json["retrain"]
    again = Path(told["run"])
    assert again.parent == tmp_path / "again"
    assert told["files"] == len(list((again / "predictions").iterdir())) + sum(
        1 for p in (again / "model" / "native").rglob("*") if p.is_file() and p.name != "hashes.json"
    )
    assert len(list((finished.folder / "runs").iterdir())) == 1


@pytest.mark.slow
def test_another_result_is_exit_6_and_names_the_files(finished: Project, tmp_path: Path) -> None:
    """The run is made to claim other parameters than it was trained with; its hashes are set right."""
    project = moved(finished, tmp_path / "copy")
    run = project.only_run()
    resolved = run / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace("num_leaves: ", "num_leaves: 2 # "))
    assert project("report", run).returncode == 0
    done = project("verify", run, "--retrain", "--json")
    assert done.returncode == 6
    error = done.json["error"]
    assert {"model/native/member-0/model/model.txt", "predictions/val.parquet"} <= {
        f["where"] for f in error["findings"]
    }
    assert codes(error["findings"]) == {"verify.retrain_differs"}
    assert "apart" in error["message"]
    assert "Versions and processor are those of the run" in error["message"]


def test_other_data_is_named_before_anything_is_trained(finished: Project, tmp_path: Path) -> None:
    project = moved(finished, tmp_path / "copy")
    run = project.only_run()
    table(seed=1).to_csv(project.folder / "data.csv", index=False)
    done = project("verify", run, "--retrain", "--json")
    assert (done.returncode, codes(done.json["error"]["findings"])) == (6, {"verify.data_differs"})
    (project.folder / "data.csv").unlink()
    done = project("verify", run, "--retrain", "--json")
    assert "data.csv: it is not there any more" in done.json["error"]["message"]


def test_a_run_of_another_version_is_not_repeated(copied: Copied) -> None:
    run = copied()
    told = record(run)
    (run / "run.json").write_text(json.dumps({**told, "version": "0.0.9"}))
    with pytest.raises(ArtifactRefused, match=r"pip install trainwright==0\.0\.9"):
        trainwright.verify(run, retrain=True)


@pytest.mark.slow
def test_a_run_on_frames_that_the_clock_ended_is_repeated(tmp_path: Path) -> None:
    """The budget's place is taken by the rounds it allowed."""
    rows = table("regression", rows=4000)
    rows["noise"] = np.random.default_rng(0).normal(size=len(rows))
    wanted = spec(
        params={"learning_rate": 0.05},
        training={"rounds": 1_000_000, "time_budget": "12s", "early_stopping": None},
        baselines=["dummy"],
    )
    wanted["data"].pop("train_path")
    result = trainwright.train(wanted, train=rows, out=tmp_path)
    assert record(result.run)["model"]["stopped_by"] == "time_budget"
    again = trainwright.verify(result.run, retrain=True).retrain
    assert again is not None
    assert "the time budget ended the run" in again.notes
