"""Every tracker, built in or installed, against the contract."""

import importlib.util
from pathlib import Path

import pytest

from trainwright.core import registry
from trainwright.trackers.testing import Followed, TrackerContract, follow

NAMES = [name for name in registry.names("trackers") if name != "jsonl"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
class TestEveryTracker(TrackerContract):
    """The contract suite over the registry."""

    @pytest.fixture
    def followed(self, name: str, tmp_path: Path) -> Followed:
        """A run that was followed."""
        missing = [p for p in registry.load("trackers", name).PACKAGES if importlib.util.find_spec(p) is None]
        if missing:
            pytest.skip(f"{missing[0]} is not installed")
        return follow(name, tmp_path, {})
