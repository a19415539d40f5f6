"""Every family, built in or installed, against the contract."""

import pytest

from trainwright.core import registry
from trainwright.families.testing import FamilyContract


@pytest.mark.parametrize("name", registry.names("families"))
class TestEveryFamily(FamilyContract):
    """The contract suite over the registry."""
