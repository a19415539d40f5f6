"""The engine finds the small network of the tests beside its own."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from trainwright.engines.torch import networks


@pytest.fixture(autouse=True)
def _tiny_network(monkeypatch):
    monkeypatch.setattr(networks, "__path__", [*networks.__path__, str(Path(__file__).parent / "nets")])
