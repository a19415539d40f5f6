"""A finished run that several modules look at; each copies what it changes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.builders import Project, spec, table


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose only run is done: boosted trees on 320 rows with numbers, a category and gaps."""
    made = Project(tmp_path_factory.mktemp("finished"))
    made.write(spec(training={"rounds": 12}, cross_validation={"folds": 2}), table())
    made.train()
    return made


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Callable[[], Path]:
    """A copy of the run that may be changed."""

    def copy() -> Path:
        run = finished.only_run()
        return Path(shutil.copytree(run, tmp_path / run.name))

    return copy
