"""A process that trains trials of a run: ``python -m trainwright.stages.trial_process RUN THREADS``.

It reads the run's spec and data as the run itself does, in a scratch run of its own, and never writes into the run.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from trainwright.core.clock import SystemClock
from trainwright.core.errors import ArtifactRefused, TrainwrightError
from trainwright.core.jsonable import dumps
from trainwright.fit.worker import end_with_parent
from trainwright.run.files import read_json
from trainwright.search.ledger import read_ledger
from trainwright.search.loop import perform
from trainwright.search.processes import outcome_to_json, task_from_json
from trainwright.search.trial import Bench
from trainwright.stages import launch, prepare, search_setup
from trainwright.stages.work import Work


@contextmanager
def bench_of(run: Path, threads: int | None, *, trust_code: bool) -> Iterator[tuple[Work, Bench]]:
    """The bench of a run's search, on rows read anew, with the run's own number of threads where None is given.

    Raises:
        ArtifactRefused: the data is not that of the run.
    """
    record = read_json(run / "run.json")
    known = record.get("launch")
    assert isinstance(known, Mapping)
    threads = threads or int(str(record["threads"]))
    listed = known["overrides"]
    assert isinstance(listed, list)
    overrides = [str(o) for o in listed if not str(o).startswith("training.threads=")]
    with tempfile.TemporaryDirectory(prefix="trainwright-trials-") as folder:
        frames = launch.stored_frames(run) or {}
        with launch.new_run(
            run / "spec.yaml",
            overrides=[*overrides, f"training.threads={threads}"],
            root=Path(folder),
            frames=frames,
            trust_code=trust_code,
            listener=None,
            base=Path(str(known["base"])),
            document=launch.stored_document(run),
        ) as work:
            dataset = prepare.read_data(work)
            digests = record.get("digests")
            wanted = digests.get("data") if isinstance(digests, Mapping) else None
            if wanted is not None and dataset.fingerprint["digest"] != wanted:
                raise ArtifactRefused(f"the data read for {run} is not the data the run began with")
            plan = prepare.plan_training(work, dataset)
            yield work, search_setup.bench_for(work, dataset, plan)


def serve(run: Path, threads: int, *, trust_code: bool) -> None:
    """Train what standard input asks for, a line each, until it ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    with bench_of(run, threads, trust_code=trust_code) as (_, bench):
        print(dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            task = task_from_json(json.loads(line), SystemClock())
            outcome = perform(bench, task, read_ledger(run / "search" / "trials.jsonl"), keep=False)
            print(dumps(outcome_to_json(outcome)), file=answers, flush=True)
            shutil.rmtree(bench.workdir, ignore_errors=True)


def main() -> None:
    """The entry."""
    end_with_parent()
    try:
        serve(Path(sys.argv[1]), int(sys.argv[2]), trust_code="--trust-code" in sys.argv[3:])
    except TrainwrightError as error:
        print(error.message, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
