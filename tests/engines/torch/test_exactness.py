"""The result is a function of the seed and the job: not of batches in memory, workers, threads before, or who asks."""

import numpy as np
import pytest
import torch

from tests.engines.torch.jobs import largest_difference, make_job, same, table, weights_of
from trainwright.core.tasks import Task
from trainwright.engines.contract import Table
from trainwright.engines.torch.batches import Grid, epoch_order
from trainwright.engines.torch.session import TorchSession


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("task", "kind"), [(Task.REGRESSION, "table"), (Task.MULTICLASS, "table"), (Task.LANGUAGE, "language")]
)
def test_four_batches_of_16_are_one_of_64(task, kind, weighted):
    whole = weights_of(make_job(task, kind=kind, weighted=weighted, batch_size=64))
    parts = weights_of(make_job(task, kind=kind, weighted=weighted, batch_size=16, accumulate=4))
    assert largest_difference(whole, parts) < 1e-6


@pytest.mark.parametrize("kind", ["table", "image", "language"])
def test_streamed_rows_give_the_same_bits_with_any_number_of_workers(kind):
    task = Task.LANGUAGE if kind == "language" else Task.BINARY
    augment = {"flip": True, "crop": 2, "brightness": 0.2, "contrast": 0.2, "cutout": 3} if kind == "image" else {}
    found = [
        weights_of(make_job(task, kind=kind, weighted=True, augment=augment, **where))
        for where in ({"data_on": "device"}, {"data_on": "stream"}, {"data_on": "stream", "num_workers": 2})
    ]
    assert same(found[0], found[1])
    assert same(found[0], found[2])


def test_augmentation_has_an_effect():
    assert not same(*(weights_of(make_job(Task.BINARY, kind="image", augment={"flip": f})) for f in (False, True)))


def test_the_size_of_a_unit_changes_nothing():
    params = {"dropout": 0.3}
    assert same(*(weights_of(make_job(params=params, checkpoint_steps=n)) for n in (0, 3)))


def test_order_is_a_function_of_seed_and_epoch():
    assert torch.equal(epoch_order(50, 7), epoch_order(50, 7))
    assert not torch.equal(epoch_order(50, 7), epoch_order(50, 8))
    assert sorted(epoch_order(50, 7).tolist()) == list(range(50))


@pytest.mark.parametrize(
    ("rows", "size", "accumulate"), [(1, 32, 1), (33, 32, 1), (65, 16, 4), (130, 16, 4), (200, 32, 3)]
)
def test_a_grid_holds_each_row_once_and_leaves_none_alone(rows, size, accumulate):
    grid = Grid(rows, size, size * accumulate)
    spans = [span for step in range(grid.steps) for span in grid.batches(step)]
    assert [i for a, b in spans for i in range(a, b)] == list(range(rows))
    assert all(b - a > 1 for a, b in spans) or rows == 1
    assert all(len(grid.batches(step)) <= accumulate for step in range(grid.steps))


def test_weights_of_rows_count_like_copies():
    data = table(Task.BINARY, rows=64)
    twice = np.r_[np.arange(64), np.arange(32)]
    weighted = Table(X=data.X, y=data.y, weight=np.where(np.arange(64) < 32, 2.0, 1.0))
    copied = Table(X=data.X[twice], y=data.y[twice])
    predictions = []
    for one in (weighted, copied):
        job = make_job(Task.BINARY, data=one, batch_size=128, optimizer={"name": "sgd", "lr": 0.1})
        session = TorchSession(job)
        session._network.mean.zero_()  # the one thing that is learnt from rows without their weights
        list(session.units())
        predictions.append(session.predict(data.X))
    np.testing.assert_allclose(*predictions, rtol=1e-5)


def test_rng_and_threads_of_the_caller_stay():
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    session = TorchSession(make_job(params={"dropout": 0.5}, threads=2, optimizer={"lr": "auto"}))
    seen = []
    for _ in session.units():
        seen.append((bool((torch.get_rng_state() == before).all()), torch.get_num_threads()))
        session.predict_part("val")
    assert set(seen) == {(True, threads)}


def test_randomness_of_the_caller_changes_nothing():
    torch.manual_seed(1)
    first = weights_of(make_job(params={"dropout": 0.5}))
    torch.manual_seed(2)
    assert same(first, weights_of(make_job(params={"dropout": 0.5})))


def test_predictions_do_not_depend_on_company():
    session = TorchSession(make_job(params={"norm": True}))
    list(session.units())
    X = table(rows=150, seed=9).X
    whole = session.predict(X)
    for picked in (slice(0, 1), slice(70, 71), slice(140, 150), slice(None, None, -1)):
        np.testing.assert_allclose(session.predict(X[picked]), whole[picked], rtol=1e-9)


def test_a_target_keeps_its_scale():
    session = TorchSession(make_job(epochs=30))
    list(session.units())
    y = session._job.train.y
    assert np.mean((session.predict_part("train") - y) ** 2) < 0.1 * np.var(y)


def test_nats_of_a_language_model_are_those_of_its_tokens():
    session = TorchSession(make_job(Task.LANGUAGE, kind="language"))
    list(session.units())
    X = session._job.val.X
    with torch.no_grad():
        scores = session._network.eval()(torch.from_numpy(X).long()).double()
    wanted = torch.from_numpy(X[:, 1:]).long()
    logs = scores.log_softmax(2).gather(2, wanted[:, :, None])[:, :, 0]
    nats = -(logs * (wanted != 0)).sum(1).numpy()
    np.testing.assert_allclose(session.predict_part("val"), nats, rtol=1e-5)
