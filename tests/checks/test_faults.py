"""Every planted fault is found by its check, and honest tables raise no alarm."""

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from tests.checks.builders import Wanted, build
from tests.checks.tables import FAULTS, Fault, honest, hours, people
from trainwright.checks.contract import Verdict
from trainwright.checks.examine import examine_data
from trainwright.core.tasks import Task
from trainwright.data.dataset import Dataset


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_planted_fault_is_found_where_it_is(fault: Fault) -> None:
    results = {r.name: r for r in examine_data(fault.make())}

    result = results[fault.check]
    assert result.verdict.value == fault.verdict, result
    assert fault.where in {f.where for f in result.findings}
    assert result.saw


def _sklearn(name: str, task: Task) -> Dataset:
    frame: pd.DataFrame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return build(frame, Wanted(target="target", task=task, strategy="together"))


def _lagged() -> Dataset:
    frame = hours().assign(
        before=lambda f: f.y.shift(1).bfill(), mean=lambda f: f.y.shift(1).rolling(24).mean().bfill()
    )
    return build(frame, Wanted(target="y", task=Task.REGRESSION, strategy="time", column="when", time="when"))


def _dated_but_independent() -> Dataset:
    frame = honest(Task.BINARY)
    return build(frame.assign(born=pd.date_range("1950-01-01", periods=len(frame), freq="D")), Wanted(target="y"))


def _few_values() -> Dataset:
    """Rows repeat by nature, and the label is noisy or follows from them."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 3, size=(2_000, 4)), columns=list("abcd")).astype(str)
    frame["y"] = np.where((frame.a == frame.b) ^ (rng.random(2_000) < 0.1), "yes", "no")
    parts = ["train"] * 1_200 + ["val"] * 400 + ["test"] * 400
    return build(frame, Wanted(target="y", strategy="given", parts=parts))


def _codes_of_places() -> Dataset:
    rng = np.random.default_rng(0)
    frame = honest(Task.REGRESSION)
    return build(
        frame.assign(admission_type_id=rng.integers(1, 9, len(frame)), households=rng.integers(50, 400, len(frame))),
        Wanted(target="y", task=Task.REGRESSION),
    )


HONEST = {
    "iris": lambda: _sklearn("iris", Task.MULTICLASS),
    "wine": lambda: _sklearn("wine", Task.MULTICLASS),
    "breast_cancer": lambda: _sklearn("breast_cancer", Task.BINARY),
    "digits": lambda: _sklearn("digits", Task.MULTICLASS),
    "diabetes": lambda: _sklearn("diabetes", Task.REGRESSION),
    "binary": lambda: build(honest(Task.BINARY), Wanted(target="y")),
    "multiclass": lambda: build(honest(Task.MULTICLASS), Wanted(target="y")),
    "regression": lambda: build(honest(Task.REGRESSION), Wanted(target="y", task=Task.REGRESSION)),
    "people apart": lambda: build(
        people(), Wanted(target="y", task=Task.REGRESSION, strategy="group", column="patient_id", group="patient_id")
    ),
    "time in order": lambda: build(
        hours(), Wanted(target="y", task=Task.REGRESSION, strategy="time", column="when", time="when")
    ),
    "lags of the target": _lagged,
    "dates without a trend": _dated_but_independent,
    "few values": _few_values,
    "codes of places": _codes_of_places,
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_table_raises_no_alarm(name: str) -> None:
    results = examine_data(HONEST[name]())

    leaks = [r for r in results if r.verdict is Verdict.LEAK or r.errors]
    suspicions = [r for r in results if r.verdict is Verdict.WARNING and r.name != "tiny_data"]
    assert not leaks
    assert not suspicions
