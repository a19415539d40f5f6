"""Trackers beside a run: started with it, ended after it; what they did not get is a finding."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from trainwright.core import registry
from trainwright.core.errors import Stopped, missing_extra
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.spec.tracking import RECORD
from trainwright.stages.work import Work
from trainwright.trackers._mirror import CLOSE_S, FAILING_S, Mirror

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainwright.spec.models import Spec


def need_trackers(spec: "Spec") -> None:
    """See that the packages of the trackers in a spec are there, before anything is begun.

    Raises:
        ResourceMissing: with the command that installs what is missing.
    """
    for name in spec.tracking:
        if name == RECORD:
            continue
        module = registry.load("trackers", name)
        for package in module.PACKAGES:
            if importlib.util.find_spec(package) is None:
                raise missing_extra(package, module.EXTRA)


@contextmanager
def tracked(work: Work) -> Iterator[None]:
    """Have the spec's trackers follow the run, and end them when it ends, however it does."""
    mirrors = [
        Mirror(
            name=name,
            params=cast("Mapping[str, JsonValue]", to_json(params)),
            run=work.folder.path,
            clock=work.clock,
        )
        for name, params in work.loaded.spec.tracking.items()
        if name != RECORD
    ]
    work.findings[:] = [
        f for f in work.findings if not f.code.startswith("tracker.")
    ]  # a resume sends what was missing
    for mirror in mirrors:
        mirror.start()
    try:
        yield
    except BaseException as error:  # Ctrl-C and a SystemExit too: a tracker left alone would show a run that goes on
        _end(work, mirrors, "stopped" if isinstance(error, Stopped | KeyboardInterrupt) else "failed")
        raise
    _end(work, mirrors, "done")


def _end(work: Work, mirrors: list[Mirror], status: str) -> None:
    """Wait for all of them together, within what is left of the run's time."""
    budget = work.loaded.spec.training.time_budget
    left = CLOSE_S if budget is None else min(CLOSE_S, max(FAILING_S, budget.seconds - work.elapsed_s))
    began = work.clock.elapsed()
    for mirror in mirrors:
        mirror.end(status)
    for mirror in mirrors:
        spent = work.clock.elapsed() - began
        mirror.wait(max(FAILING_S, left - spent), lambda: work.stop.requested)
        work.add(mirror.findings())
    if mirrors:
        seconds = work.record.setdefault("seconds", {})
        assert isinstance(seconds, dict)
        seconds["tracking"] = round(work.clock.elapsed() - began, 3)
