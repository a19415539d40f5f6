"""The parts of the loop one by one: schedules, losses, augmentation, automatic choices, threads."""

import math

import numpy as np
import pytest
import torch

from tests.engines.torch.jobs import make_job, table
from trainwright.core.tasks import Task
from trainwright.engines import torch as engine
from trainwright.engines.contract import findings_of
from trainwright.engines.torch import automatic
from trainwright.engines.torch.augment import augmented, uniform
from trainwright.engines.torch.losses import row_losses
from trainwright.engines.torch.networks.contract import Inputs
from trainwright.engines.torch.optimizers import Optimizers
from trainwright.engines.torch.predictions import block_rows
from trainwright.engines.torch.problem import Problem, problem_from
from trainwright.engines.torch.recipe import SCHEDULES, Augment, Optimizer, Recipe, Schedule
from trainwright.engines.torch.schedules import Plateau, factor
from trainwright.engines.torch.session import TorchSession

INPUTS = Inputs(kind="table", shape=(3,))


def problem(goal, outputs):
    return Problem(goal=goal, inputs=INPUTS, outputs=outputs)


def curve(steps=100, **schedule):
    return [factor(Schedule(**schedule), step, steps) for step in range(steps)]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_every_schedule_is_a_share_of_the_highest_rate(name, steps):
    found = curve(steps, name=name, warmup=0.1)
    assert all(0 <= f <= 1 + 1e-12 for f in found)


def test_shapes_of_schedules():
    assert curve(name="constant") == [1.0] * 100
    warm = curve(name="constant", warmup=0.1)
    assert warm[:10] == pytest.approx([i / 10 for i in range(1, 11)])
    cosine = curve(name="cosine", final=0.1)
    assert cosine[0] == 1
    assert cosine[50] == pytest.approx(0.55)
    assert cosine == sorted(cosine, reverse=True)
    assert curve(name="linear")[25] == pytest.approx(0.75)
    wsd = curve(name="wsd", decay=0.2)
    assert wsd[:80] == [1.0] * 80
    assert wsd[85] == pytest.approx(1 - math.sqrt(0.25))
    coslog = curve(1500, name="coslog4")
    assert coslog[0] == 0
    for low in (100, 300, 700):  # 1/15, 3/15, 7/15: the ends of its cycles
        assert coslog[low] == pytest.approx(0, abs=1e-9)


def test_one_cycle_is_that_of_torch():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=100, cycle_momentum=False)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert curve(name="one_cycle") == pytest.approx(rates, abs=1e-6)


def test_plateau_cuts_after_its_patience_as_torch_does():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    schedule, ours = Schedule(name="plateau", factor=0.5, patience=2), Plateau()
    for loss in (5, 4, 4, 4, 4, 3.9, 3.95, 3.9, 3.9, 3.9, 3.9, 1.0):
        ours.see(loss, schedule)
        theirs.step(loss)
        assert ours.factor(schedule) == pytest.approx(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_binary_cross_entropy_is_that_of_two_classes(smoothing):
    logit, y = torch.randn(50, 1), torch.randint(0, 2, (50,))
    recipe = Recipe(label_smoothing=smoothing)
    ours = row_losses(problem("binary", 1), recipe)(logit, y.float())
    two = torch.cat([torch.zeros_like(logit), logit], 1)
    theirs = row_losses(problem("multiclass", 2), recipe)(two, y)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_focal_loss_forgets_what_is_known():
    scores, y = torch.tensor([[0.0, 0.0], [8.0, 0.0]]), torch.tensor([0, 0])
    focal = row_losses(problem("multiclass", 2), Recipe(loss="focal"))(scores, y)
    plain = row_losses(problem("multiclass", 2), Recipe())(scores, y)
    assert focal[0] == pytest.approx(0.25 * plain[0])
    assert focal[1] < 1e-6 * plain[1]
    one_logit = row_losses(problem("binary", 1), Recipe(loss="focal"))(-scores[:, :1], torch.zeros(2))
    assert torch.allclose(one_logit, focal, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mse", [1.0, 4.0]), ("mae", [1.0, 2.0]), ("huber", [0.5, 1.5]), ("quantile", [0.9, 0.2])],
)
def test_losses_of_values(name, expected):
    losses = row_losses(problem("regression", 1), Recipe(loss=name, quantile=0.9))
    assert losses(torch.tensor([[0.0], [2.0]]), torch.tensor([1.0, 0.0])).tolist() == pytest.approx(expected)


def test_members_are_judged_one_by_one():
    losses = row_losses(problem("regression", 1), Recipe())
    scores = torch.tensor([[[1.0], [3.0]]])
    assert losses(scores, torch.tensor([0.0])).tolist() == [5.0]  # not the loss of their mean, 4


def test_counts_are_predicted_as_rates():
    rng = np.random.default_rng(0)
    from dataclasses import replace

    data = table()
    counts = replace(data, y=rng.poisson(np.exp(0.5 * data.X[:, 0] + 1)).astype(np.float64))
    session = TorchSession(make_job(data=counts, loss="poisson", epochs=30))
    list(session.units())
    predicted = session.predict_part("train")
    assert (predicted > 0).all()
    assert np.corrcoef(predicted, np.exp(0.5 * data.X[:, 0] + 1))[0, 1] > 0.8


AUGMENT = Augment(flip=True, crop=2, brightness=0.3, contrast=0.3, cutout=4)


def test_an_augmented_row_is_the_same_in_any_batch():
    images = torch.randint(0, 256, (20, 3, 9, 11), dtype=torch.uint8)
    rows = torch.arange(100, 120)
    whole = augmented(images, rows, AUGMENT, seed=5)
    assert whole.dtype == torch.uint8
    assert whole.shape == images.shape
    picked = torch.tensor([7, 3, 19])
    assert torch.equal(augmented(images[picked], rows[picked], AUGMENT, seed=5), whole[picked])
    assert not torch.equal(augmented(images, rows, AUGMENT, seed=6), whole)
    assert not torch.equal(whole, images)


def test_flips_and_crops_do_what_they_say():
    images = torch.arange(12, dtype=torch.uint8).reshape(1, 1, 3, 4).repeat(64, 1, 1, 1)
    rows = torch.arange(64)
    flipped = augmented(images, rows, Augment(flip=True), seed=1)
    shares = [bool((f == images[0].flip(2)).all()) for f in flipped]
    assert 15 < sum(shares) < 49
    assert all(s or bool((f == images[0]).all()) for s, f in zip(shares, flipped, strict=True))
    padded = torch.nn.functional.pad(images[:1].float(), (1, 1, 1, 1), mode="reflect")[0, 0].to(torch.uint8)
    windows = {tuple(padded[i : i + 3, j : j + 4].flatten().tolist()) for i in range(3) for j in range(3)}
    cropped = augmented(images, rows, Augment(crop=1), seed=1)
    assert {tuple(c.flatten().tolist()) for c in cropped} == windows


def test_the_counter_draws_evenly():
    rows = torch.arange(20_000)
    draws = torch.stack([uniform(rows, seed, stream) for seed in (0, 1) for stream in (0, 1)])
    assert float(draws.min()) >= 0
    assert float(draws.max()) < 1
    assert torch.allclose(draws.mean(1), torch.full((4,), 0.5), atol=0.01)
    assert torch.allclose(draws.var(1), torch.full((4,), 1 / 12), atol=0.003)
    assert float((torch.corrcoef(draws) - torch.eye(4)).abs().max()) < 0.03


def test_lr_auto_is_deterministic_said_and_leaves_the_weights(tmp_path):
    found = []
    for _ in range(2):
        session = TorchSession(make_job(epochs=1, optimizer={"lr": "auto"}, params={"dropout": 0.2}))
        before = [p.detach().clone() for p in session._network.parameters()]
        with session._working():
            session._decide()
        assert all(torch.equal(a, b) for a, b in zip(before, session._network.parameters(), strict=True))
        (finding,) = [f for f in findings_of(session) if f.code == "torch.learning_rate"]
        found.append((session.facts().learning_rate, finding.evidence))
    assert found[0] == found[1]
    assert 1e-4 < found[0][0] < 0.3


@pytest.mark.parametrize(("rows", "size"), [(100, 16), (1000, 64), (10_000, 256), (100_000, 512), (10**6, 1024)])
def test_batch_size_auto_follows_the_rows(rows, size):
    found, finding = automatic.batch_size(rows, torch.device("cpu"), lambda n: None)
    assert found == size
    assert str(size) in finding.what


def test_a_batch_that_does_not_fit_is_halved():
    def probe(rows):
        if rows > 300:
            raise torch.OutOfMemoryError

    assert automatic._fitting(256, 4096, probe) == (256, [256, 512])
    assert automatic._fitting(512, 4096, probe) == (256, [512, 256])


def test_units_are_shorter_for_larger_networks():
    small, large = (automatic.unit_steps(problem("binary", 1), n, 256, "cpu") for n in (1_000, 10**8))
    assert small == 5_000
    assert large == 1


def test_blocks_are_powers_of_two():
    assert block_rows(problem("binary", 1), 1_000, "cpu") == 1024
    assert block_rows(problem("binary", 1), 10**8, "cpu") == 16


def test_a_problem_reads_back():
    inputs = Inputs(kind="table", shape=(3,), categorical=(1,), category_sizes=(4,), vocabulary=0)
    for one in (Problem(goal="regression", inputs=inputs, outputs=1, shift=0.1, scale=3.3), problem("language", 7)):
        assert problem_from(one.to_json()) == one


def test_the_threads_are_measured_and_said():
    threads, finding = engine.choose_threads(make_job(), 2)
    assert threads in (1, 2)
    assert set(finding.evidence["seconds_per_step"]) == {"1", "2"}
    assert f"threads: {threads}" in finding.fix


def test_schedule_free_finds_the_minimum_without_a_schedule():
    torch.manual_seed(0)
    network = torch.nn.Linear(5, 1)
    x = torch.randn(200, 5)
    y = x @ torch.arange(5.0) + 1
    optimizers = Optimizers(network, Optimizer(name="schedule_free_adamw", lr=0.1), torch.device("cpu"))
    for step in range(1200):
        optimizers.set_rate(0.1 * min(1, (step + 1) / 20))
        optimizers.zero_grad()
        ((network(x)[:, 0] - y) ** 2).mean().backward()
        optimizers.step()
    averaged = optimizers.averaged()
    assert averaged["weight"][0].tolist() == pytest.approx([0, 1, 2, 3, 4], abs=0.05)


def test_activation_checkpointing_changes_no_bit_and_is_said():
    from tests.engines.torch.jobs import same, weights_of

    assert same(*(weights_of(make_job(params={"dropout": 0.2}, activation_checkpointing=a)) for a in (False, True)))
    session = TorchSession(make_job(activation_checkpointing=True))
    assert [f.evidence["blocks"] for f in findings_of(session) if f.code.endswith("checkpointing")] == [1]


@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
def test_validation_loss_of_a_plateau_is_told(task):
    session = TorchSession(make_job(task, scheduler={"name": "plateau", "patience": 0}, epochs=2))
    assert all(math.isfinite(u.values["val_loss"]) for u in session.units())


def test_a_compiler_that_fails_is_said_and_training_goes_on(monkeypatch):
    from tests.engines.torch.jobs import same, weights_of

    def broken(network):
        def forward(x):
            raise RuntimeError("no C++ compiler\nand more")

        return forward

    monkeypatch.setattr(torch, "compile", broken)
    session = TorchSession(make_job(compile=True))
    list(session.units())
    (finding,) = [f for f in findings_of(session) if f.code == "torch.not_compiled"]
    assert "no C++ compiler)" in finding.what
    assert same(weights_of(make_job(compile=True)), weights_of(make_job()))


def test_an_error_of_the_network_is_told_without_a_traceback():
    from trainwright.core.errors import TrainingFailed

    with pytest.raises(TrainingFailed, match="PyTorch stopped: boom"):
        next(TorchSession(make_job(params={"fault": "crash"})).units())


def range_test(loss_at, optimizer="adamw"):
    """The rate that is found where a step at a rate has that loss."""
    return automatic.learning_rate(optimizer, iter(range(100)), lambda _step, _number, rate: loss_at(rate))


def test_the_range_test_takes_a_rate_from_the_middle_of_the_fall():
    rate, finding = range_test(lambda rate: 1.0 - 0.9 / (1 + 1e-2 / rate) + (rate > 0.3) * 50 * rate)
    assert 1e-3 < rate < 1e-1
    assert (finding.code, f"{rate:.3g}" in finding.fix) == ("torch.learning_rate", True)


def test_a_loss_that_has_gone_to_nothing_by_the_end_does_not_make_the_last_rates_good():
    fast = 1e-3  # as on a table of a hundred rows: everything is learned long before the rates get large
    rate, _ = range_test(lambda rate: max(1e-9, 1.0 - rate / fast) if rate < fast else 1e-9 / rate)
    assert rate < 0.05


@pytest.mark.parametrize(
    ("measured", "written", "taken"),
    [
        (0.023, 20.0, 0.02),
        (0.046, 2e-5, 0.02),
        (0.015, 14.0, 0.014),
        (0.02, 0.05, 0.02),
        (0.0063, 3.0, 0.003),
        (0.02, 2e-5 / 3, 0.02),
    ],
)
def test_a_rate_that_replaces_a_written_one_keeps_its_digits(measured, written, taken):
    assert automatic.same_digits(measured, written) == taken


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_range_test_that_is_lost_at_once_takes_the_lowest_rate(loss):
    rate, _ = range_test(lambda _rate: loss)
    assert rate == 1e-6
