"""A worker of a shared search: ``trainwright search-worker RUN``."""

from pathlib import Path

from trainwright.core.errors import SpecError
from trainwright.run.folder import open_run
from trainwright.search.loop import Limits
from trainwright.search.shared import Shared, shared_study
from trainwright.stages.reports import SearchWorkerResult
from trainwright.stages.trial_process import bench_of


def help_search(run: Path, *, threads: int | None, trust_code: bool) -> SearchWorkerResult:
    """Take part in a run's search until it is over; see `trainwright.pipeline.search_worker` for errors."""
    open_run(run)
    states: dict[str, int] = {}
    with bench_of(run, threads, trust_code=trust_code) as (work, bench):
        wanted = work.loaded.spec.hyperparameter_search
        if wanted is None or wanted.storage is None:
            raise SpecError(
                f"the search of {run} is not shared: its spec has no hyperparameter_search.storage. "
                "Start the run with the URL of a database there."
            )
        with shared_study(wanted.storage, run.resolve().name, create=False) as study:
            limits = Limits(clock=work.clock, deadline_s=None)
            shared = Shared(study=study, settings=bench.settings, bench=bench, limits=limits)
            for outcome in shared.take_part():
                states[outcome.record.state] = states.get(outcome.record.state, 0) + 1
    return SearchWorkerResult(run=run, states=states)
