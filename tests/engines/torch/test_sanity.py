"""Every planted mistake is caught by the experiment made for it; a sound network passes all of them."""

import time
from dataclasses import replace

import numpy as np
import pytest

from tests.engines.torch.jobs import make_job, table
from trainwright.core.errors import ResourceMissing, SpecError
from trainwright.core.findings import Severity
from trainwright.core.tasks import Task
from trainwright.engines import torch as engine
from trainwright.engines.contract import Experiments, Table
from trainwright.engines.torch.experiments.examine import MAKERS


def failed(job):
    return {r.name: r for r in engine.sanity(job) if r.passed is False and r.name != "loader_speed"}


def test_the_engine_names_its_experiments():
    assert isinstance(engine, Experiments)
    assert tuple(MAKERS) == engine.EXPERIMENTS


@pytest.mark.parametrize("kind", ["table", "image", "language"])
def test_a_sound_network_passes(kind):
    task = Task.LANGUAGE if kind == "language" else Task.BINARY
    results = engine.sanity(make_job(task, kind=kind, params={"dropout": 0.2}))
    # The small language model sees one token at a time, so it cannot learn whole rows by heart.
    cannot = {"overfit_batch"} if kind == "language" else set()
    assert {r.name for r in results if not r.passed} - {"loader_speed"} == cannot
    made = [name for name in engine.EXPERIMENTS if kind == "language" or name != "no_look_ahead"]
    assert [r.name for r in results] == made


@pytest.mark.parametrize(
    ("fault", "kind", "check", "said"),
    [
        ("crash", "table", "forward_backward", "boom"),
        ("pair", "table", "forward_backward", "forward gave a tuple"),
        ("shape", "table", "output_shape", "needs (64, 3)"),
        ("eval", "table", "output_shape", "fails in eval mode"),
        ("nan", "table", "finite_output", "NaN or infinite"),
        ("loud", "table", "initial_loss", "times the"),
        ("leak", "table", "no_leak_between_rows", "changing one row"),
        ("leak in training", "table", "no_leak_between_rows", "in training mode"),
        ("leak", "table", "batch_size_independence", "single rows differ"),
        ("batch norm", "table", "batch_size_independence", "fails on a single row"),
        ("unused", "table", "gradients_flow", "extra.bias"),
        ("detached", "table", "gradients_flow", "blocks.0.0"),
        ("frozen", "table", "gradients_flow", "all frozen"),
        ("nan gradient", "table", "gradients_finite", "in batch 1"),
        ("dead", "table", "gradients_alive", "blocks.0.0"),
        ("cut", "table", "overfit_batch", "learns nothing"),
        ("looks ahead", "language", "no_look_ahead", "sees the tokens it predicts"),
    ],
)
def test_a_planted_mistake_is_caught(fault, kind, check, said):
    task = Task.LANGUAGE if kind == "language" else Task.MULTICLASS
    found = failed(make_job(task, kind=kind, params={"fault": fault}))
    assert check in found
    assert said in found[check].saw + found[check].what
    assert found[check].fix
    assert found[check].severity is Severity.ERROR


def test_what_cannot_be_seen_is_not_passed():
    results = engine.sanity(make_job(Task.MULTICLASS, params={"fault": "shape"}))
    assert [r.passed for r in results] == [True, False, *[None] * (len(results) - 2)]
    assert "as output_shape failed" in results[-1].saw


def test_one_cause_is_told_once():
    """That a network without gradients cannot learn by heart goes without saying."""
    assert set(failed(make_job(Task.MULTICLASS, params={"fault": "detached"}))) == {"gradients_flow"}


def test_a_spec_that_builds_no_network_is_no_failed_experiment():
    with pytest.raises(SpecError, match="loss focal does not fit"):
        engine.sanity(make_job(loss="focal"))


def test_a_full_memory_is_no_failed_experiment():
    with pytest.raises(ResourceMissing, match=r"ran out of memory\. Lower training\.batch_size"):
        engine.sanity(make_job(params={"fault": "memory"}))


def test_a_network_is_tried_on_as_many_rows_as_fit():
    assert failed(make_job(params={"most": 20})) == failed(make_job())
    with pytest.raises(ResourceMissing, match="ran out of memory"):
        engine.sanity(make_job(params={"most": 3}))


def test_a_target_that_is_mostly_one_value_is_no_false_alarm():
    """64 rows that hold no other value would make any first loss look enormous."""
    data = table(rows=3000)
    y = np.where(np.arange(3000) % 1000 == 0, data.y, 0.0)
    assert "initial_loss" not in failed(make_job(data=Table(X=data.X, y=y)))


def test_a_network_that_starts_at_the_class_shares_is_no_false_alarm():
    data = table(Task.BINARY, rows=3000)
    rare = Table(X=data.X, y=(np.arange(3000) % 100 == 0).astype(np.int64))
    assert "initial_loss" not in failed(make_job(Task.BINARY, data=rare, params={"prior": 0.01}))


def test_counts_whose_loss_cannot_vanish_are_no_false_alarm():
    data = table(rows=200)
    counts = Table(X=data.X, y=(data.X[:, 0] > 0).astype(np.float64))
    assert failed(make_job(data=counts, loss="poisson")) == {}


class Slow(np.ndarray):
    """Rows that come from far away."""

    def __getitem__(self, rows):
        time.sleep(0.02)
        return np.asarray(self)[rows]


def test_a_slow_source_is_warned_of_and_stops_nothing():
    data = table(Task.BINARY)
    job = make_job(Task.BINARY, data_on="stream")
    results = engine.sanity(replace(job, train=Table(X=data.X.view(Slow), y=data.y)))
    slow = next(r for r in results if r.name == "loader_speed")
    assert (slow.passed, slow.severity) == (False, Severity.WARNING)
    assert "num_workers" in slow.fix


def test_the_same_is_seen_each_time():
    first, again = (
        [
            replace(r, seconds=0.0)
            for r in engine.sanity(make_job(Task.BINARY, params={"dropout": 0.2}))
            if r.name != "loader_speed"
        ]
        for _ in range(2)
    )
    assert first == again
