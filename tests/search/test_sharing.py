"""Jobs of the same rows share what an engine makes of them, and train the same bytes as alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.engines.test_boosters import job_of, plan_of
from trainwright.core import registry
from trainwright.core.tasks import Task

PARAMS = {
    "lightgbm": ({"min_data_in_leaf": 3, "num_leaves": 7}, {"min_data_in_leaf": 30, "learning_rate": 0.2}),
    "xgboost": ({"max_depth": 3}, {"max_depth": 5, "learning_rate": 0.2}),
    "catboost": ({"depth": 3}, {"depth": 5, "learning_rate": 0.2}),
}
BINNING = {"lightgbm": {"max_bin": 15}, "xgboost": {"max_bin": 16}, "catboost": {"border_count": 15}}


def model_bytes(job, folder: Path) -> dict[str, bytes]:
    session = registry.load("engines", job.plan.engine).open(job)
    for _ in session.units():
        session.predict_part("val")
    folder.mkdir()
    session.export(folder)
    session.close()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
@pytest.mark.parametrize("family", list(PARAMS))
def test_shared_rows_give_the_bytes_of_own_rows(family, task, tmp_path):
    shared = {}
    kept = 0
    for number, params in enumerate((*PARAMS[family], PARAMS[family][0])):
        job = job_of(family, task, params, tmp_path / f"work-{number}", rounds=20)
        alone = model_bytes(job, tmp_path / f"alone-{number}")
        together = model_bytes(replace(job, shared=shared), tmp_path / f"together-{number}")
        assert together == alone
        assert kept in (0, len(shared)), "made once, whatever the other parameters"
        kept = len(shared)
    assert kept


@pytest.mark.parametrize("family", list(PARAMS))
def test_other_bins_are_made_anew(family, tmp_path):
    shared = {}
    job = job_of(family, Task.BINARY, PARAMS[family][0], tmp_path / "work", rounds=10)
    model_bytes(replace(job, shared=shared), tmp_path / "one")
    before = len(shared)
    coarse = plan_of(family, Task.BINARY, {**PARAMS[family][0], **BINNING[family]}, rounds=10)
    other = replace(job, plan=coarse)
    together = model_bytes(replace(other, shared=shared), tmp_path / "two")
    assert len(shared) > before
    assert together == model_bytes(other, tmp_path / "three")


def test_two_open_sessions_on_shared_rows_do_not_disturb_each_other(tmp_path):
    """As the best trial so far and the next one are."""
    shared = {}
    engine = registry.load("engines", "lightgbm")
    jobs = [
        replace(job_of("lightgbm", Task.BINARY, params, tmp_path / f"work-{n}", rounds=20), shared=shared)
        for n, params in enumerate(PARAMS["lightgbm"])
    ]
    first = engine.open(jobs[0])
    list(first.units())
    before = first.predict(jobs[0].val.X, rounds=10)
    second = engine.open(jobs[1])
    list(second.units())
    second.close()
    np.testing.assert_array_equal(first.predict(jobs[0].val.X, rounds=10), before)
