"""The stages of a run up to its search, in this process: what a whole run adds (export, report) is not needed here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tests.pipeline.builders import spec
from trainwright.core.clock import Clock, ManualClock
from trainwright.core.events import Event
from trainwright.engines.contract import Job
from trainwright.stages import launch, prepare, searching
from trainwright.stages.work import Work


@dataclass
class TickingClock(ManualClock):
    """A clock that a look at it moves on: time passes with the work, the same on every machine."""

    tick_s: float = 0.01

    def elapsed(self) -> float:
        """Seconds, after moving on."""
        self.advance(self.tick_s)
        return self.seconds


def searched(
    root: Path,
    search: Mapping[str, Any],
    frames: Mapping[str, pd.DataFrame],
    *,
    model: str = "lightgbm",
    params: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    listener: Callable[[Event], None] | None = None,
    clock: Clock | None = None,
    trust_code: bool = False,
) -> Work:
    """A run of ``tiny`` below ``root`` that ended with its search."""
    wanted = spec(model, params=params, training=training, hyperparameter_search=dict(search))
    wanted["data"].pop("train_path")
    new = launch.new_run(
        wanted, overrides=[], root=root, frames=frames, trust_code=trust_code, listener=listener, clock=clock, base=root
    )
    with new as work:
        _search(work)
    return work


def gone_on(run: Path) -> Work:
    """A run that `searched` left, resumed up to the end of its search."""
    with launch.old_run(run, trust_code=False, listener=None) as work:
        _search(work)
    return work


def job_after(run: Path) -> Job:
    """What the final fit of a run that `searched` left would train, where no model was kept."""
    with launch.old_run(run, trust_code=False, listener=None) as work:
        return _search(work).prepared.job


def _search(work: Work) -> searching.Searched:
    dataset = prepare.read_data(work)
    plan = prepare.plan_training(work, dataset)
    prepared = prepare.prepare_training(work, dataset, plan)
    found = searching.search(work, dataset, plan, prepared)
    if found.kept is not None:
        found.kept.close()
    return found
