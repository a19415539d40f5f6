"""Writes are whole or absent."""

import errno
import os
from pathlib import Path

import pytest

from trainwright.core.errors import ArtifactRefused, ResourceMissing
from trainwright.core.jsonable import JsonValue
from trainwright.run.files import read_json, recover_folder, whole_folder, write_json, write_text
from trainwright.run.folder import open_run, unfinished


def full_disk(_descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_previous_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a.txt", "first")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(ResourceMissing, match=r"No space left on device.*Free space"):
        write_text(tmp_path / "a.txt", "second")
    assert (tmp_path / "a.txt").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_leaves_the_previous_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with whole_folder(tmp_path / "m") as fresh:
        (fresh / "x").write_text("first")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(ResourceMissing, match="No space left"), whole_folder(tmp_path / "m"):
        pass
    assert (tmp_path / "m" / "x").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_an_error_while_filling_leaves_no_folder(tmp_path: Path) -> None:
    def fill_and_fail() -> None:
        with whole_folder(tmp_path / "m") as fresh:
            (fresh / "x").write_text("half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fill_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_recovery_after_a_kill_between_the_two_renames(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "m") as fresh:
        (fresh / "x").write_text("good")
    (tmp_path / "m").rename(tmp_path / ".m.old")
    (tmp_path / ".m.abcd.tmp").mkdir()
    recover_folder(tmp_path / "m")
    assert (tmp_path / "m" / "x").read_text() == "good"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_equal_values_give_equal_bytes(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": 1, "a": [1.5, None]})
    write_json(tmp_path / "b", {"a": [1.5, None], "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "is missing"), (b"{", "is damaged"), (b"\xff\xfe", "is damaged"), (b"[1]", "must hold a JSON object")],
)
def test_a_json_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactRefused, match=message):
        read_json(path)


def test_a_place_without_a_run_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "runs" / "a-1").mkdir(parents=True)
    with pytest.raises(ArtifactRefused, match="is no run folder: there is no such folder"):
        open_run(tmp_path / "none")
    with pytest.raises(ArtifactRefused, match=r"it holds no run\.json"):
        open_run(tmp_path / "runs")
    write_json(tmp_path / "runs" / "a-1" / "run.json", {})
    with pytest.raises(ArtifactRefused, match=r"it holds runs\. Name one of them, such as .*a-1;"):
        open_run(tmp_path / "runs")


def test_why_a_run_is_not_finished_is_said(tmp_path: Path) -> None:
    assert "is not finished" in unfinished(tmp_path, {"status": "running"}).message
    record: dict[str, JsonValue] = {"status": "failed", "error": {"message": "the checks failed:\n- a leak."}}
    assert "failed: the checks failed: - a leak. When" in unfinished(tmp_path, record).message
