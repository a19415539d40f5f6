"""Synthetic runs, made once a session; each test gets its own copy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.folder import write_run
from trainwright.report.documents import write_documents


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("originals")
    found = {task: write_run(root / f"{task}-run", task) for task in ("binary", "multiclass", "regression")}
    for run in found.values():
        assert write_documents(run) == ()
    return found


@pytest.fixture
def copied(originals: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    def copy(task: str) -> Path:
        target = tmp_path / originals[task].name
        shutil.copytree(originals[task], target)
        return target

    return copy
