"""Settings and records for tests of the search that train nothing."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainwright.core.metrics import find
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.families.contract import Range
from trainwright.search.ledger import Record, read_ledger
from trainwright.search.settings import Known, Settings

SPACE: Mapping[str, Range] = {
    "rate": Range(low=0.01, high=1.0, log=True),
    "leaves": Range(low=2, high=64, integer=True, log=True),
    "kind": Range(choices=("plain", "dart")),
    "drop": Range(low=0.0, high=0.5, when={"kind": ("dart",)}),
}


def settings(**changed: Any) -> Settings:
    """A search of `SPACE` for a small log loss."""
    loss = find("log_loss", Task.BINARY)
    made = Settings(
        space=SPACE,
        fixed={},
        known=(Known(params={"rate": 0.1, "leaves": 31, "kind": "plain"}, source="the family's defaults"),),
        method="bayesian",
        sampler="tpe",
        pruner="none",
        trials=30,
        seconds=None,
        primary=loss,
        watch=loss,
        rounds=100,
        seeds=Seeds(7),
    )
    return replace(made, **changed)


def record(number: int, value: float | None = None, **changed: Any) -> Record:
    """A complete trial, or what ``changed`` makes of it."""
    made = Record(number=number, params={"rate": 0.1 + number / 100, "leaves": 8, "kind": "plain"}, state="complete")
    return replace(made, value=value, **changed)


def told(run: Path) -> list[dict[str, Any]]:
    """Every record of a run's ledger without what depends on time."""
    return [
        {k: v for k, v in one.to_json().items() if k != "seconds"}
        for one in read_ledger(run / "search" / "trials.jsonl")
    ]
