"""Checkpoints are verified before they are used; a damaged one counts as none."""

from pathlib import Path

import pytest

from trainwright.core.errors import ArtifactRefused, ResourceMissing
from trainwright.run.checkpoints import read_checkpoint, write_checkpoint
from trainwright.run.hashes import seal, verify_sealed
from trainwright.run.lock import locked


def fill(folder: Path) -> None:
    (folder / "model.txt").write_text("weights")


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "last", {"rounds": 3}, fill)
    checkpoint = read_checkpoint(tmp_path, "last")
    assert checkpoint is not None
    assert checkpoint.state == {"rounds": 3}
    assert (checkpoint.engine_folder / "model.txt").read_text() == "weights"
    assert checkpoint.size_bytes > 0


def test_a_newer_one_replaces_it(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "last", {"rounds": 3}, fill)
    write_checkpoint(tmp_path, "last", {"rounds": 4}, fill)
    checkpoint = read_checkpoint(tmp_path, "last")
    assert checkpoint is not None
    assert checkpoint.state == {"rounds": 4}
    assert [p.name for p in tmp_path.iterdir()] == ["last"]


def test_none_where_there_is_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path, "last") is None


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "add"])
def test_a_damaged_one_is_put_aside(tmp_path: Path, damage: str) -> None:
    write_checkpoint(tmp_path, "last", {"rounds": 3}, fill)
    file = tmp_path / "last" / "engine" / "model.txt"
    if damage == "flip":
        file.write_text("wEights")
    elif damage == "truncate":
        file.write_text("")
    elif damage == "remove":
        file.unlink()
    else:
        (file.parent / "extra").write_text("")
    assert read_checkpoint(tmp_path, "last") is None
    assert (tmp_path / "last.damaged").is_dir()
    assert read_checkpoint(tmp_path, "last") is None


def test_a_sealed_folder_names_the_file_that_changed(tmp_path: Path) -> None:
    fill(tmp_path)
    digest = seal(tmp_path)
    assert verify_sealed(tmp_path) == digest
    (tmp_path / "model.txt").write_text("other")
    with pytest.raises(ArtifactRefused, match=r"model\.txt changed since it was written"):
        verify_sealed(tmp_path)


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(ResourceMissing, match=r"in use by another process \(pid \d+\)"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


def positions(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def written(folder: Path, rounds: int, keep: int) -> None:
    write_checkpoint(folder, "last", {"rounds": rounds}, fill, label=f"{rounds:06d}", keep=keep)


def test_the_newest_are_kept_and_the_others_go(tmp_path: Path) -> None:
    for rounds in range(1, 6):
        written(tmp_path, rounds, 3)
    assert positions(tmp_path) == ["last", "last-000003", "last-000004"]
    written(tmp_path, 6, 2)
    assert positions(tmp_path) == ["last", "last-000005"]
    written(tmp_path, 7, 1)
    assert positions(tmp_path) == ["last"]


def test_a_damaged_one_gives_way_to_the_one_before(tmp_path: Path) -> None:
    for rounds in range(1, 4):
        written(tmp_path, rounds, 3)
    for name in ("last", "last-000002"):
        (tmp_path / name / "engine" / "model.txt").write_text("wEights")
    checkpoint = read_checkpoint(tmp_path, "last")
    assert checkpoint is not None
    assert checkpoint.state == {"rounds": 1}
    assert positions(tmp_path) == ["last-000001", "last-000002.damaged", "last.damaged"]
    written(tmp_path, 2, 3)
    assert positions(tmp_path) == ["last", "last-000001", "last-000002.damaged", "last.damaged"]


def test_a_kill_between_two_renames_leaves_the_newest_whole(tmp_path: Path) -> None:
    for rounds in range(1, 3):
        written(tmp_path, rounds, 2)
    (tmp_path / "last").rename(tmp_path / ".last.old")
    checkpoint = read_checkpoint(tmp_path, "last")
    assert checkpoint is not None
    assert checkpoint.state == {"rounds": 2}
