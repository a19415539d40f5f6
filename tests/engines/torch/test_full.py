"""Memory that has no room for a step: nothing has changed, and smaller passes give the same step."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.engines.torch.jobs import largest_difference, make_job, same, weights_of
from trainwright.core.errors import ResourceMissing
from trainwright.core.tasks import Task
from trainwright.doctor.capacity import Equivalence, Pass
from trainwright.engines.repairs import OutOfMemory, Repair
from trainwright.engines.torch.batches import Grid
from trainwright.engines.torch.full import is_full
from trainwright.engines.torch.session import TorchSession


def state_of(session):
    tensors, _ = session._optimizers.state()
    found = {**session._network.state_dict(), **tensors}
    return {name: t.clone() for name, t in found.items()}


def halve(session, batch_size, step_rows=32):
    session.apply(Repair(action="halve_batch", values={"batch_size": batch_size, "step_rows": step_rows}))


def finished(session):
    for _ in session.units():
        pass
    return {name: t.clone() for name, t in session._network.state_dict().items()}


@pytest.mark.parametrize("rows", [1, 2, 5, 32, 33, 65, 200])
@pytest.mark.parametrize("step_rows", [1, 4, 32, 33])
@pytest.mark.parametrize("parts", [1, 2, 3, 8, 33])
def test_smaller_passes_divide_the_same_steps(rows, step_rows, parts):
    whole = Grid(rows, step_rows, step_rows)
    size = max(1, -(-step_rows // parts))
    small = Grid(rows, size, step_rows)
    assert small.steps == whole.steps
    for step in range(whole.steps):
        spans, (span,) = small.batches(step), whole.batches(step)
        assert (spans[0][0], spans[-1][1]) == span
        assert all(a[1] == b[0] for a, b in pairwise(spans))
        assert all(b - a <= size + 1 for a, b in spans)
        assert size == 1 or len(spans) == 1 or all(b - a > 1 for a, b in spans)


def test_a_step_that_does_not_fit_changes_nothing_and_is_taken_again():
    session = TorchSession(make_job(epochs=1, params={"most": 20, "full_from": 3, "norm": True}))
    units = session.units()
    unit = next(units)
    assert (unit.rounds, unit.step, unit.whole, len(unit.step_losses)) == (0, 3, False, 3)
    before = state_of(session)
    with pytest.raises(OutOfMemory, match="out of memory in a pass over 32 rows") as full:
        next(units)
    assert full.value.tried == Pass(device="cpu", batch_rows=32, step_rows=32, least_rows=2)
    assert same(state_of(session), before)
    assert all(p.grad is None for p in session._network.parameters())
    with pytest.raises(OutOfMemory):
        next(session.units())
    assert same(state_of(session), before)
    halve(session, 16)
    (rest,) = session.units()
    assert (rest.rounds, rest.step, rest.steps, len(rest.step_losses)) == (1, 0, 7, 4)


def test_running_statistics_of_a_pass_before_the_one_that_failed_are_put_back():
    session = TorchSession(
        make_job(epochs=1, params={"most": 20, "full_from": 5, "norm": True}, batch_size=32, accumulate=2)
    )
    units = session.units()
    next(units)
    before = state_of(session)  # after two steps of two passes; the third failed in its second pass
    assert session._step == 2
    with pytest.raises(OutOfMemory):
        next(units)
    undisturbed = TorchSession(
        make_job(epochs=1, params={"norm": True}, batch_size=32, accumulate=2, checkpoint_steps=2)
    )
    next(undisturbed.units())
    assert same(state_of(undisturbed), before)


def test_a_range_test_that_does_not_fit_is_made_again_in_smaller_passes():
    session = TorchSession(make_job(epochs=1, params={"most": 20}, optimizer={"lr": "auto"}))
    before = state_of(session)
    with pytest.raises(OutOfMemory):
        next(session.units())
    assert same(state_of(session), before)
    halve(session, 16)
    assert next(session.units()).whole
    assert session.facts().learning_rate is not None


@pytest.mark.parametrize(
    ("task", "kind", "weighted", "accumulate"),
    [
        (Task.REGRESSION, "table", True, 1),
        (Task.MULTICLASS, "table", False, 3),
        (Task.BINARY, "image", True, 1),
        (Task.LANGUAGE, "language", True, 1),
    ],
)
def test_a_training_in_smaller_passes_is_the_same_but_for_rounding(task, kind, weighted, accumulate):
    """200 rows in steps of 32 end in one of 8; targets, weights and tokens count as in the whole step."""
    kinds = {"kind": kind, "weighted": weighted, "val": kind != "language"}
    whole = weights_of(make_job(task, epochs=1, accumulate=accumulate, **kinds))
    session = TorchSession(make_job(task, epochs=1, accumulate=accumulate, **kinds))
    halve(session, 7, 32 * accumulate)
    assert largest_difference(finished(session), whole) < 2e-6


def compared(**job):
    session = TorchSession(make_job(epochs=2, **job))
    next(session.units())
    before, position = state_of(session), (session._epoch, session._step)
    generator = torch.get_rng_state()
    halve(session, 16)
    found = session.compare_batches()
    assert same(state_of(session), before)
    assert (session._epoch, session._step) == position
    assert torch.equal(torch.get_rng_state(), generator)
    return found


@pytest.mark.parametrize(
    ("job", "noise"),
    [
        ({}, False),
        ({"params": {"dropout": 0.5}}, True),
        ({"weighted": True}, False),
        ({"task": Task.LANGUAGE, "kind": "language", "val": False}, False),
        ({"precision": "bf16"}, False),
    ],
    ids=str,
)
def test_the_gradient_of_a_batch_is_the_same_in_two_passes(job, noise):
    found = compared(**job)
    assert (found.rows, found.noise, found.holds) == (32, noise, True)
    assert found.difference is not None
    assert 0 <= found.difference < found.tolerance < 1e-4


def test_batch_norm_is_seen_by_its_gradient_and_named():
    found = compared(params={"norm": True})
    assert (found.batch_norms, found.holds) == (1, False)
    assert found.difference is not None
    assert found.difference > 100 * found.tolerance


def test_rows_that_look_at_each_other_are_seen():
    found = compared(params={"fault": "leak in training"})
    assert found.batch_norms == 0
    assert not found.holds


def test_as_many_rows_are_compared_as_fit():
    session = TorchSession(make_job(params={"most": 9}))
    halve(session, 16)
    found = session.compare_batches()
    assert (found.rows, found.holds) == (8, True)
    nothing = TorchSession(make_job(params={"most": 1}))
    assert (nothing.compare_batches().rows, nothing.compare_batches().holds) == (0, False)


def test_a_halved_session_is_saved_and_taken_up(tmp_path):
    job = make_job(batch_size="auto")
    whole = TorchSession(job)
    halve(whole, 5, 10)
    next(whole.units())
    whole.save(tmp_path)
    again = TorchSession(job)
    again.restore(tmp_path)
    assert (again.facts().pass_rows, again.facts().batch_size) == (5, 10)
    assert same(finished(again), finished(whole))


def test_units_end_where_an_earlier_training_was_repaired():
    session = TorchSession(make_job(epochs=2))
    session.break_at(1, 3)
    assert [(u.rounds, u.step) for u in session.units()] == [(1, 0), (1, 3), (2, 0)]
    assert same(finished(session), weights_of(make_job(epochs=2)))


@pytest.mark.parametrize(
    "values", [{}, {"batch_size": 0, "step_rows": 32}, {"batch_size": 4}, {"batch_size": "x", "step_rows": 1}]
)
def test_sizes_that_are_none_are_refused(values):
    with pytest.raises(ValueError, match="halve_batch needs batch_size and step_rows above 0"):
        TorchSession(make_job()).apply(Repair(action="halve_batch", values=values))


def test_timing_steps_without_room_for_them_says_so():
    with pytest.raises(ResourceMissing):
        TorchSession(make_job(params={"most": 20})).time_steps(2)


def test_what_full_memory_looks_like():
    assert is_full(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_full(MemoryError())
    assert is_full(np._core._exceptions._ArrayMemoryError((1,), np.dtype(float)))
    with pytest.raises(RuntimeError) as wanted:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_full(wanted.value)
    assert not is_full(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_full(ValueError("out of memory"))


def test_more_threads_gather_the_same_batches_and_are_saved(tmp_path):
    job = make_job(data_on="stream")
    session = TorchSession(job)
    next(session.units())
    assert (session.loading().streamed, session.loading().workers) == (True, 0)
    session.apply(Repair(action="num_workers", values={"num_workers": 2}))
    next(session.units())
    assert (session.loading().streamed, session.loading().workers) == (True, 2)
    session.save(tmp_path)
    again = TorchSession(job)
    again.restore(tmp_path)
    assert again.loading().workers == 2
    wanted = weights_of(job)
    assert same(finished(session), wanted)
    assert same(finished(again), wanted)
    for one in (session, again):
        one.close()
    with pytest.raises(ValueError, match="num_workers needs num_workers above 0"):
        session.apply(Repair(action="num_workers", values={"num_workers": 0}))


@pytest.mark.parametrize(
    ("difference", "norms", "holds"), [(1e-7, 0, True), (1e-7, 1, False), (1e-3, 0, False), (None, 0, False)]
)
def test_passes_are_the_same_by_their_gradient_and_never_with_batch_norm(difference, norms, holds):
    found = Equivalence(rows=8, difference=difference, tolerance=1e-5, batch_norms=norms, noise=False)
    assert found.holds is holds
