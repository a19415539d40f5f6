"""One search by several workers over a real PostgreSQL server, one of them killed."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Barrier

import pytest
from optuna.trial import TrialState

from tests.pipeline.builders import TIMEOUT_S, Project, assert_whole, codes, finish, record, spec, table
from tests.search.builders import record as record_of
from tests.search.builders import settings, told
from trainwright.core.clock import ManualClock
from trainwright.fit.stop import StopRequest
from trainwright.search.loop import Limits
from trainwright.search.shared import Shared, shared_study
from trainwright.search.trial import Outcome

TRIALS = 14


def postgres_folder() -> Path | None:
    """Where Debian's package, or the PATH, has the server's programs."""
    found = shutil.which("initdb") or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
    return Path(found).resolve().parent if found else None


def as_server(command: list[str]) -> list[str]:
    """A command as a user that PostgreSQL accepts: it refuses root."""
    return command if os.getuid() else ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


@pytest.fixture(scope="module")
def server_folder():
    """A folder the server's user may enter: those of pytest are closed to others."""
    with tempfile.TemporaryDirectory(prefix="tw-pg-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def database(server_folder):
    """The URL of a database of a server that lives as long as these tests."""
    pytest.importorskip("psycopg")
    programs = postgres_folder()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    folder = server_folder
    if not os.getuid():
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("root may not run PostgreSQL, and there is no user postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data = folder / "data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = [str(programs / "initdb"), "-D", str(data), "-U", "tester", "--auth=trust", "--no-sync"]
    subprocess.run(as_server(made), check=True, capture_output=True, cwd=folder)
    serve = [str(programs / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-F"]
    with (folder / "postgres.log").open("w") as log:
        server = subprocess.Popen(as_server(serve), stdout=log, stderr=log, cwd=folder)
    try:
        ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
        ends = time.monotonic() + TIMEOUT_S
        while subprocess.run(ready, capture_output=True, check=False).returncode:
            assert server.poll() is None, (folder / "postgres.log").read_text()
            assert time.monotonic() < ends
            time.sleep(0.1)  # a server cannot be waited for
        yield f"postgresql+psycopg://tester@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(30)


def wait_for(found, what):
    """Until something is there."""
    ends = time.monotonic() + TIMEOUT_S
    while not (value := found()):
        assert time.monotonic() < ends, what
        time.sleep(0.05)  # another process cannot be waited for
    return value


def trials_of(url, name):
    """The trials of a study as they are now; none before it is there."""
    import optuna

    storage = optuna.storages.RDBStorage(url)
    try:
        return optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
    except KeyError:
        return []
    finally:
        storage.remove_session()
        storage.engine.dispose()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_worker_costs_no_trial_and_none_counts_twice(tmp_path, database):
    project = Project(tmp_path)
    search = {"budget": f"{TRIALS} trials", "storage": database, "seeds": 2, "pruner": "none"}
    training = {"rounds": 250, "early_stopping": None}
    project.write(spec("lightgbm", training=training, hyperparameter_search=search), table(rows=4000))
    main = project.start("train", "spec.yaml", "--json")
    run = wait_for(lambda: next(iter((tmp_path / "runs").glob("*/run.json")), None), "no run").parent
    wait_for(lambda: trials_of(database, run.name), "no trial")

    doomed = project.start("search-worker", run, "--json")
    helper = project.start("search-worker", run, "--json")
    wait_for(lambda: len(trials_of(database, run.name)) >= 4 or main.poll() is not None, "no progress")
    doomed.kill()
    doomed.communicate()
    assert finish(helper).returncode == 0
    done = finish(main)
    assert done.returncode == 0, done.stdout + done.stderr

    whole = [t for t in told(run) if t["repeat"] == 0]
    lost = [t for t in whole if t["state"] == "failed"]
    finished = [t for t in whole if t["state"] != "failed"]
    assert len(finished) == TRIALS
    assert len({str(t["params"]) for t in finished}) == TRIALS, "nothing twice"
    assert all(any(t["params"] == other["params"] for other in finished) for t in lost), "nothing lost"
    assert "search.shared" in codes(record(run)["findings"])
    assert_whole(run)


@pytest.mark.slow
def test_a_database_that_is_not_there_is_told_without_a_traceback(tmp_path):
    pytest.importorskip("psycopg")
    project = Project(tmp_path)
    search = {"budget": 2, "storage": "postgresql+psycopg://nobody@127.0.0.1:1/none"}
    project.write(spec("lightgbm", training={"rounds": 5}, hyperparameter_search=search), table())
    done = project("train", "spec.yaml", "--json")
    assert done.returncode == 8
    assert "hyperparameter_search.storage cannot be used" in done.json["error"]["message"]


@pytest.mark.slow
def test_a_run_that_shares_nothing_needs_no_worker(tmp_path):
    project = Project(tmp_path)
    project.write(spec("lightgbm", training={"rounds": 5}), table())
    run = project.train()
    done = project("search-worker", run, "--json")
    assert done.returncode == 2
    assert "is not shared" in done.json["error"]["message"]
    assert project("search-worker", "nowhere", "--json").returncode == 7


class Racing:
    """A bench that trains nothing, and tells what was asked of it."""

    def __init__(self) -> None:
        self.stop = StopRequest()
        self.asked: list[int] = []

    def run(self, proposal, _records, *, deadline_s, keep):
        assert deadline_s is None
        assert not keep
        self.asked.append(proposal.number)
        return Outcome(record=record_of(proposal.number, 0.5, params=proposal.params), lines="")


class Ticking(ManualClock):
    """A clock on which a second goes by whenever it is read."""

    def elapsed(self):
        self.seconds += 1
        return self.seconds


NO_LIMITS = Limits(clock=ManualClock(), deadline_s=None)


@contextmanager
def racer(url, bench, *, limits=NO_LIMITS, **changed):
    """A worker with a connection of its own."""
    with shared_study(url, "race", create=True) as study:
        yield Shared(study=study, settings=settings(**changed), bench=bench, limits=limits)


def test_workers_that_ask_at_the_same_moment_hand_out_the_budget_once(tmp_path):
    url = f"sqlite:///{tmp_path / 'race.db'}"
    start = Barrier(4)

    def work(worker):
        start.wait()
        return [o.record.number for o in worker.take_part()]

    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        workers = [stack.enter_context(racer(url, Racing(), trials=9)) for _ in range(4)]
        trained = [number for done in pool.map(work, workers) for number in done]
        records = workers[0].records()
    assert sorted(trained) == sorted(r.number for r in records)
    assert len(records) == 9
    assert len({str(r.params) for r in records}) == 9


def test_a_number_whose_worker_died_before_a_first_sign_of_life_holds_nobody_up(tmp_path, monkeypatch):
    bench = Racing()
    with racer(f"sqlite:///{tmp_path / 'race.db'}", bench, trials=3) as worker:
        monkeypatch.setattr("trainwright.search.shared.GRACE_S", 0.2)
        worker.study.ask()  # and never a word more
        assert len(list(worker.take_part())) == 3
    assert bench.asked == [1, 2, 3]


def test_what_was_lost_while_the_last_worker_waited_is_tried_again(tmp_path):
    bench = Racing()
    with racer(f"sqlite:///{tmp_path / 'race.db'}", bench, trials=2) as worker:
        lost = worker.study.ask()
        for name, value in (("params", {"rate": 0.3}), ("origin", "sampler"), ("share", 1.0)):
            lost.set_user_attr(name, value)
        part = worker.see_out()
        assert next(part).record.number == 1
        worker.study.tell(lost, state=TrialState.FAIL)
        again = [o.record for o in part]
        assert [(r.number, r.params) for r in again] == [(2, {"rate": 0.3})]
        assert sorted(r.state for r in worker.records()) == ["complete", "complete", "failed"]


def test_time_ends_a_worker_that_waits_for_the_one_before_it(tmp_path):
    bench, limits = Racing(), Limits(clock=Ticking(), deadline_s=5.0)
    with racer(f"sqlite:///{tmp_path / 'race.db'}", bench, limits=limits, trials=3) as worker:
        worker.study.ask()  # and never a word more
        assert list(worker.take_part()) == []
        assert worker.records() == ()
    assert bench.asked == []
