"""Every engine, built in or installed, against the contract, through every family that names it."""

import pytest

from trainwright.engines.testing import EngineContract, engine_cases


@pytest.mark.parametrize("case", engine_cases(), ids=str)
class TestEveryEngine(EngineContract):
    """The contract suite over the registry."""
