"""Every family, built in or installed, against the contract."""

from pathlib import Path

import pytest

from tests.families import checkpoints
from tests.families.optional import needs_timm
from trainwright.core import registry
from trainwright.families import _hf
from trainwright.families.testing import FamilyContract


@pytest.mark.parametrize("name", registry.names("families"))
class TestEveryFamily(FamilyContract):
    """The contract suite over the registry."""


@pytest.mark.parametrize("name", ["timm"])
class TestTimm(FamilyContract):
    """The contract suite over ``timm/NAME``."""

    @pytest.fixture(autouse=True)
    def _timm(self) -> None:
        needs_timm()


@pytest.mark.parametrize("name", ["hf"])
class TestTransformers(FamilyContract):
    """The contract suite over ``hf/PATH``: a decoder, which has a model for every task."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("transformers")
        monkeypatch.setattr(_hf, "EXAMPLE", str(checkpoints.config(tmp_path, checkpoints.GPT)), raising=False)
