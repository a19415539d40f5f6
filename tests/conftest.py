"""Fixtures every test may use."""

import os
from pathlib import Path

import pytest

# Two tests run side by side, each with up to two threads: waiting threads that spin take the other's core (a third of
# the processor time of a small network's test, measured). Read when a library loads OpenMP, and by every command run.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow tests first: at the end two processes then share what is quick, and neither waits long for the other."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets beside the repository; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data beside the repository")
    return SHARED_DATA
