"""Every tracker, built in or installed, against the contract."""

import importlib.util

import pytest

from trainwright.core import registry
from trainwright.trackers.testing import Followed, TrackerContract, follow

NAMES = [name for name in registry.names("trackers") if name != "jsonl"]


@pytest.fixture(scope="session")
def outcomes() -> dict[str, Followed]:
    """What was followed already, by tracker."""
    return {}


@pytest.mark.slow
@pytest.mark.xdist_group("trackers")
@pytest.mark.parametrize("name", NAMES)
class TestEveryTracker(TrackerContract):
    """The contract suite over the registry."""

    @pytest.fixture
    def followed(self, name: str, outcomes: dict[str, Followed], tmp_path_factory: pytest.TempPathFactory) -> Followed:
        """Each tracker follows once for all tests."""
        missing = [p for p in registry.load("trackers", name).PACKAGES if importlib.util.find_spec(p) is None]
        if missing:
            pytest.skip(f"{missing[0]} is not installed")
        if name not in outcomes:
            outcomes[name] = follow(name, tmp_path_factory.mktemp(name), {})
        return outcomes[name]
