"""All checks together: names, lifting, blocking, the machine, speed."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.checks.builders import Wanted, build
from tests.checks.jobs import BOOSTING, job, plan
from tests.checks.tables import honest, people
from trainwright.checks.contract import Verdict, raise_if_blocked
from trainwright.checks.environment import check_device, check_disk, check_memory, check_threads
from trainwright.checks.examine import DATA_CHECKS, NAMES, examine_data, examine_model
from trainwright.core.errors import ChecksFailed, DataRefused, ResourceMissing, SpecError
from trainwright.core.jsonable import dumps
from trainwright.core.tasks import TABLE_TASKS, Task
from trainwright.data.dataset import Dataset


def _leaky() -> Dataset:
    return build(people(), Wanted(target="y", task=Task.REGRESSION))


def test_a_leak_blocks_and_a_lifted_check_still_runs_and_says_so() -> None:
    with pytest.raises(DataRefused, match="patient_id") as refused:
        raise_if_blocked(examine_data(_leaky()))
    assert refused.value.exit_code == 3

    results = examine_data(_leaky(), lifted={"group_leakage": False, "time_leakage": True})
    raise_if_blocked(results)
    lifted = [r for r in results if r.lifted]
    assert [(r.name, r.verdict) for r in lifted] == [("group_leakage", Verdict.LEAK)]


def test_unknown_check_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(SpecError, match="Did you mean 'group_leakage'"):
        examine_data(_leaky(), lifted={"group_leekage": False})


def test_results_are_json_and_repeat(tmp_path: Path) -> None:
    first, second = (examine_data(_leaky()) for _ in range(2))

    assert [r.name for r in first] == list(DATA_CHECKS)
    assert [dumps(f) for r in first for f in r.findings] == [dumps(f) for r in second for f in r.findings]
    assert [(r.verdict, r.saw) for r in first] == [(r.verdict, r.saw) for r in second]
    assert '"verdict":"leak"' in dumps(first)


def test_examining_a_model_covers_every_other_name(tmp_path: Path) -> None:
    dataset = build(honest(Task.BINARY), Wanted(target="y"))
    results = examine_model(dataset, job(tmp_path, Task.BINARY, plan(BOOSTING + "Classifier")), time_budget_s=60.0)

    assert {r.name for r in results} | set(DATA_CHECKS) == set(NAMES)
    assert all(r.verdict is Verdict.OK for r in results), results
    raise_if_blocked(results)


def test_a_model_that_does_not_fit_is_exit_4_and_has_no_forecast(tmp_path: Path) -> None:
    dataset = build(honest(Task.BINARY), Wanted(target="y"))
    results = examine_model(dataset, job(tmp_path, Task.BINARY, plan(BOOSTING + "Classifier", learning_rate="many")))

    assert next(r for r in results if r.name == "cost").verdict is Verdict.NOT_CHECKED
    with pytest.raises(ChecksFailed):
        raise_if_blocked(results)


def test_machine(tmp_path: Path) -> None:
    assert check_disk(tmp_path / "not" / "there", 0).verdict is Verdict.OK
    assert check_memory(2**30, available=2**31).verdict is Verdict.OK
    assert check_threads(1).verdict is Verdict.OK
    assert check_device("cpu").verdict is Verdict.OK

    assert check_disk(tmp_path, 2**60).verdict is Verdict.FAILED
    assert check_threads(10_000).verdict is Verdict.WARNING
    assert check_device("cuda:99").verdict is not Verdict.OK
    with pytest.raises(ResourceMissing):
        raise_if_blocked([check_memory(2**30, available=2**31 - 1)])


@pytest.mark.parametrize("rows", [0, 1, 2, 21])
@pytest.mark.parametrize("task", sorted(TABLE_TASKS))
def test_no_check_breaks_on_next_to_nothing(rows: int, task: Task) -> None:
    frame = honest(task, rows=max(rows, 3)).assign(empty=np.nan, none=pd.Series([None] * max(rows, 3), dtype="str"))
    parts = ["train"] * rows + ["val"] * (len(frame) - rows)
    results = examine_data(build(frame, Wanted(target="y", task=task, parts=parts, strategy="given")))

    tiny = next(r for r in results if r.name == "tiny_data")
    assert (tiny.verdict is Verdict.FAILED) == (rows < 20 or rows == len(frame))


@pytest.mark.slow
def test_half_a_million_rows_in_time() -> None:
    rng = np.random.default_rng(0)
    rows = 500_000
    frame = pd.DataFrame(rng.normal(size=(rows, 25)), columns=[f"x{i}" for i in range(25)])
    for i in range(8):
        frame[f"c{i}"] = np.array([f"level {k}" for k in range(50 * (i + 1))])[rng.integers(0, 50 * (i + 1), rows)]
    for i in range(5):
        frame[f"n{i}"] = rng.integers(0, 10 ** (i + 1), rows)
    frame["customer_id"] = rng.integers(0, 200_000, rows)
    frame["when"] = pd.date_range("2020-01-01", periods=rows, freq="min")
    frame["y"] = (frame.x0 + rng.normal(size=rows) > 0).astype(int)
    dataset = build(frame, Wanted(target="y"))

    start = time.process_time()  # other work on the machine does not count
    results = examine_data(dataset)

    assert time.process_time() - start < 20, {r.name: r.seconds for r in results}
    assert not any(r.errors for r in results)
