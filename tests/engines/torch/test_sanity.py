"""Every planted mistake is caught by the experiment made for it; a sound network passes all of them."""

import pytest

from tests.engines.torch.jobs import make_job
from trainwright.core.tasks import Task
from trainwright.engines import torch as engine


def failed(job):
    return {r.name: r for r in engine.sanity(job) if not r.passed and r.name != "loader_speed"}


@pytest.mark.parametrize("kind", ["table", "image", "language"])
def test_a_sound_network_passes(kind):
    task = Task.LANGUAGE if kind == "language" else Task.BINARY
    results = engine.sanity(make_job(task, kind=kind, params={"dropout": 0.2}))
    # The small language model sees one token at a time, so it cannot learn whole rows by heart.
    cannot = {"overfits_one_batch"} if kind == "language" else set()
    assert {r.name for r in results if not r.passed} - {"loader_speed"} == cannot
    assert len(results) == 8 + (kind == "language")


@pytest.mark.parametrize(
    ("fault", "kind", "check", "said"),
    [
        ("crash", "table", "forward_backward", "boom"),
        ("shape", "table", "output_shape", "needs (64, 3)"),
        ("nan", "table", "output_shape", "not finite"),
        ("loud", "table", "initial_loss", "times the"),
        ("leak", "table", "no_leak_between_rows", "changing one row"),
        ("leak", "table", "batch_size_independence", "single rows differ"),
        ("unused", "table", "gradients", "extra.bias"),
        ("dead", "table", "gradients", "blocks.0.0"),
        ("cut", "table", "overfits_one_batch", "learns nothing"),
        ("looks ahead", "language", "no_look_ahead", "the network sees the tokens it predicts"),
    ],
)
def test_a_planted_mistake_is_caught(fault, kind, check, said):
    task = Task.LANGUAGE if kind == "language" else Task.MULTICLASS
    found = failed(make_job(task, kind=kind, params={"fault": fault}))
    assert check in found
    assert said in found[check].saw + found[check].what
    assert found[check].fix


def test_the_same_is_seen_each_time():
    first, again = (engine.sanity(make_job(Task.BINARY, params={"dropout": 0.2})) for _ in range(2))
    assert [r for r in first if r.name != "loader_speed"] == [r for r in again if r.name != "loader_speed"]
