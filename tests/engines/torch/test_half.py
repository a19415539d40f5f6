"""Half precision: fp16 has a scaler on the CPU too, overflows where it must, and gives way to a wider format."""

import math

import pytest
import torch

from tests.engines.torch.jobs import largest_difference, make_job, same, weights_of
from trainwright.core.tasks import Task
from trainwright.engines.repairs import Repair
from trainwright.engines.torch.optimizers import Optimizers
from trainwright.engines.torch.recipe import OPTIMIZERS
from trainwright.engines.torch.session import TorchSession

LOUD = {"gain": 1e6}  # activations of about 1e6, which fp16 does not hold
STEEP = {"gain": 1e7, "width": 8, "quiet": 1e-6}  # small activations, whose gradient is multiplied by 1e7


def to(session, precision):
    session.apply(Repair(action="precision", values={"precision": precision}))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fp16_trains_on_the_cpu_about_as_float32_does(optimizer):
    job = {"epochs": 2, "optimizer": {"name": optimizer, "lr": 0.01}, "clip_norm": 1.0, "ema": 0.9}
    session = TorchSession(make_job(Task.BINARY, precision="fp16", **job))
    units = list(session.units())
    assert session.facts().precision == "fp16"
    assert [unit.values["loss_scale"] for unit in units] == [65536.0, 65536.0]
    assert not any("skipped_steps" in unit.values for unit in units)
    exact = list(TorchSession(make_job(Task.BINARY, **job)).units())
    assert units[1].values["loss"] == pytest.approx(exact[1].values["loss"], rel=0.002)
    assert "loss_scale" not in exact[0].values


def test_activations_beyond_fp16_make_a_loss_that_only_fp16_has():
    session = TorchSession(make_job(precision="fp16", params=LOUD))
    unit = next(session.units())
    assert not math.isfinite(unit.values["loss"])
    assert unit.step == 1
    found = session.suspects()
    assert (found.only_rounded, found.rows, found.spoiled) == (True, (), False)
    for precision in ("bf16", "fp32"):
        wide = TorchSession(make_job(precision=precision, params=LOUD))
        assert math.isfinite(next(wide.units()).values["loss"])


def test_gradients_beyond_fp16_halve_the_scale_and_leave_the_weights_alone():
    session = TorchSession(make_job(epochs=3, precision="fp16", params=STEEP))
    before = {name: t.clone() for name, t in session._network.state_dict().items()}
    units = list(session.units())
    assert [unit.values["skipped_steps"] for unit in units] == [7, 7, 7]
    assert [unit.values["loss_scale"] for unit in units] == [2.0 ** (16 - 7 * n) for n in (1, 2, 3)]
    assert all(math.isfinite(unit.values["loss"]) for unit in units)
    assert same(session._network.state_dict(), before)


def test_a_wider_format_is_that_of_a_training_that_began_with_it():
    for precision in ("bf16", "fp32"):
        session = TorchSession(make_job(precision="fp16"))
        to(session, precision)
        assert session.facts().precision == precision
        list(session.units())
        assert same(session._network.state_dict(), weights_of(make_job(precision=precision)))


def test_a_format_changed_on_the_way_is_saved_and_taken_up(tmp_path):
    job = make_job(precision="fp16", optimizer={"name": "adamw", "lr": 0.01})
    whole = TorchSession(job)
    next(whole.units())
    to(whole, "fp32")
    next(whole.units())
    (tmp_path / "saved").mkdir()
    whole.save(tmp_path / "saved")
    again = TorchSession(job)
    again.restore(tmp_path / "saved")
    assert again.facts().precision == "fp32"
    for session in (whole, again):
        list(session.units())
    assert same(whole._network.state_dict(), again._network.state_dict())
    assert largest_difference(whole._network.state_dict(), weights_of(make_job(precision="fp16"))) > 0


def test_a_scale_is_saved_and_taken_up(tmp_path):
    job = make_job(epochs=4, precision="fp16", params=STEEP)
    session = TorchSession(job)
    next(session.units())
    session.save(tmp_path)
    again = TorchSession(job)
    again.restore(tmp_path)
    assert next(again.units()).values["loss_scale"] == next(session.units()).values["loss_scale"] == 4.0


def test_formats_that_are_none_are_refused():
    with pytest.raises(ValueError, match="precision is one of auto, fp32, bf16, fp16, got 'fp8'"):
        to(TorchSession(make_job()), "fp8")


def test_scaled_steps_of_an_optimizer_called_directly_share_its_state():
    """A scaler calls the optimiser itself; the steps after it are taken past it."""
    network, bare = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    bare.load_state_dict(network.state_dict())
    from trainwright.engines.torch.recipe import Optimizer

    optimizers = [Optimizers(net, Optimizer(lr=0.1), torch.device("cpu")) for net in (network, bare)]
    scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    for step in range(4):
        for net, one in zip((network, bare), optimizers, strict=True):
            one.set_rate(0.1)
            one.zero_grad()
            loss = net(torch.ones(4, 3)).square().mean()
            if net is network and step in (1, 2):
                scaler.scale(loss).backward()
                one.unscale(scaler)
                one.step_scaled(scaler)
                scaler.update()
            else:
                loss.backward()
                one.step()
    assert same(network.state_dict(), bare.state_dict())
