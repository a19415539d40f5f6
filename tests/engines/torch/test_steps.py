"""One step: what is not finite stays out, gradients are clipped, averages follow, units say what happened."""

import math

import numpy as np
import pytest
import torch

from tests.engines.torch.jobs import make_job, table
from trainwright.core.errors import SpecError
from trainwright.core.tasks import Task
from trainwright.engines.contract import Table
from trainwright.engines.torch.optimizers import Optimizers
from trainwright.engines.torch.recipe import OPTIMIZERS, Optimizer
from trainwright.engines.torch.session import TorchSession
from trainwright.engines.torch.step import Stepper, Tally


@pytest.mark.parametrize("bad", [np.inf, 1e30])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_non_finite_step_never_reaches_the_weights(bad, optimizer):
    data = table()
    X = data.X.copy()
    X[17] = bad
    job = make_job(data=Table(X=X, y=data.y), optimizer={"name": optimizer, "lr": 0.01}, ema=0.9)
    session = TorchSession(job)
    session._network.mean.zero_()
    units = []
    for unit in session.units():
        units.append(unit)
        if not math.isfinite(unit.values["loss"]):
            break
    assert units[-1].values["skipped_steps"] == 1
    assert not units[-1].whole or units[-1].rounds == 1
    for tensor in (*session._network.parameters(), *session._stepper.average.tensors.values()):
        assert bool(torch.isfinite(tensor).all())
    tensors, _ = session._optimizers.state()
    assert all(bool(torch.isfinite(t).all()) for t in tensors.values())


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_fused_optimizers_leave_a_step_out_on_the_device(name):
    """The form the GPU takes, exercised through the CPU's fused kernels."""
    network = torch.nn.Linear(4, 3)
    optimizers = Optimizers(network, Optimizer(name=name, lr=0.1, weight_decay=0.1), torch.device("cpu"))
    assert optimizers.skips_on_device
    optimizers.set_rate(0.1)
    for found_inf in (0.0, 1.0, 0.0):
        before = [p.detach().clone() for p in network.parameters()]
        for p in network.parameters():
            p.grad = torch.full_like(p, math.nan if found_inf else 1.0)
        optimizers.step_unless(torch.tensor(found_inf))
        moved = [not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True)]
        assert moved == [not found_inf] * 2
        assert all(bool(torch.isfinite(p).all()) for p in network.parameters())


@pytest.mark.parametrize("name", ["muon", "schedule_free_adamw"])
def test_other_optimizers_let_nothing_non_finite_in(name):
    network = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 3))
    optimizers = Optimizers(network, Optimizer(name=name, lr=0.1), torch.device("cpu"))
    optimizers.set_rate(0.1)
    for p in network.parameters():
        p.grad = torch.full_like(p, math.nan)
    optimizers.step_unless(torch.tensor(1.0))
    assert all(bool(torch.isfinite(p).all()) for p in network.parameters())


def test_the_device_path_of_a_step_agrees_with_the_host_path():
    found = []
    for on_host in (True, False):
        session = TorchSession(make_job(clip_norm=0.05))
        session._stepper._on_host = on_host
        values = [unit.values for unit in session.units()]
        weights = torch.cat([p.detach().flatten() for p in session._network.parameters()])
        found.append((values[-1]["loss"], values[-1]["grad_norm"], weights))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)
    assert float((found[0][2] - found[1][2]).abs().max()) < 1e-5


def test_clipping_bounds_the_gradient():
    plain = {"name": "sgd", "lr": 1.0, "momentum": 0.0}
    session = TorchSession(make_job(optimizer=plain, clip_norm=0.01, batch_size=200))
    session._network.train()
    before = torch.cat([p.detach().flatten() for p in session._network.parameters()]).clone()
    unit = next(session.units())
    after = torch.cat([p.detach().flatten() for p in session._network.parameters()])
    assert unit.values["grad_norm"] > 0.01
    assert float((after - before).norm()) == pytest.approx(0.01, rel=1e-3)


def test_an_average_is_what_is_predicted_with_and_exported(tmp_path):
    from trainwright.engines import torch as engine

    session = TorchSession(make_job(ema=0.99))
    list(session.units())
    X = session._job.val.X
    averaged = session.predict(X)
    own = session._evaluator.predict(X, None)
    assert not np.allclose(averaged, own)
    (tmp_path / "m").mkdir()
    session.export(tmp_path / "m")
    np.testing.assert_array_equal(engine.load(tmp_path / "m").predict(X), averaged)


def test_units_say_what_happened():
    session = TorchSession(make_job(checkpoint_steps=3))
    units = list(session.units())
    positions = [(u.rounds, u.step, u.whole) for u in units[:4]]
    assert positions == [(0, 3, False), (0, 6, False), (1, 0, True), (1, 3, False)]
    values = units[0].values
    assert {"loss", "grad_norm", "learning_rate", "samples_per_second", "data_wait_share", "rss_bytes"} <= set(values)
    assert 0 <= values["data_wait_share"] <= 1
    layer = units[0].statistics["blocks.0.0"]
    assert {"grad_mean", "grad_std", "grad_min", "grad_max", "grad_norm", "update_ratio"} == set(layer)
    assert layer["grad_min"] <= layer["grad_mean"] <= layer["grad_max"]
    assert 0 < layer["update_ratio"] < 1
    assert 0 <= units[0].statistics["blocks.0.1"]["saturated_share"] <= 1
    assert all(not u.statistics for u in TorchSession(make_job(statistics_every=0)).units())


def test_tokens_that_pad_count_nothing():
    data = table(kind="language")
    padded = Table(X=np.pad(data.X, ((0, 0), (0, 3))), y=data.y)
    found = []
    for one in (data, padded):
        session = TorchSession(make_job(Task.LANGUAGE, kind="language", data=one, val=False))
        found.append([u.values["loss"] for u in session.units()])
    np.testing.assert_allclose(*found, rtol=1e-5)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"loss": "focal"}, "loss focal does not fit a regression"),
        ({"label_smoothing": 0.1}, "label_smoothing has no effect"),
        ({"scheduler": {"name": "plateau"}, "val": False}, "plateau needs validation rows"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_at_the_start(recipe, said):
    with pytest.raises(SpecError, match=said):
        TorchSession(make_job(**recipe))


def test_a_missing_device_is_refused():
    from dataclasses import replace

    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(SpecError, match="cuda is not there"):
        TorchSession(replace(make_job(), device="cuda"))


def test_decay_spares_norms_biases_and_what_the_network_names():
    network = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2))
    network.undecayed = lambda: {"2.weight"}
    network.lr_factors = lambda: {"2.bias": 0.1}
    optimizers = Optimizers(network, Optimizer(weight_decay=0.5), torch.device("cpu"))
    optimizers.set_rate(1.0)
    named = {id(p): name for name, p in network.named_parameters()}
    (part,) = optimizers._parts
    decayed = {named[id(p)] for g in part.param_groups if g["weight_decay"] for p in g["params"]}
    slow = {named[id(p)] for g in part.param_groups if g["lr"] == 0.1 for p in g["params"]}
    assert decayed == {"0.weight"}
    assert slow == {"2.bias"}


def test_muon_takes_hidden_matrices_alone():
    network = torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
    optimizers = Optimizers(network, Optimizer(name="muon"), torch.device("cpu"))
    muon, rest = optimizers._parts
    assert isinstance(muon, torch.optim.Muon)
    assert [p is network[1].weight for g in muon.param_groups for p in g["params"]] == [True]
    assert len([p for g in rest.param_groups for p in g["params"]]) == 4


def test_a_tally_of_nothing_taken_has_no_norm():
    assert set(Tally(loss=math.nan, count=1.0, skipped=1.0, steps=1).read()) == {"loss", "skipped_steps"}


def test_a_stepper_has_a_scaler_for_fp16_only():
    optimizers = Optimizers(torch.nn.Linear(2, 2), Optimizer(), torch.device("cpu"))
    for amp, has in ((None, False), (torch.bfloat16, False)):
        stepper = Stepper(lambda x: x, lambda s, y: s, optimizers, device=torch.device("cpu"), amp=amp, average=None)
        assert (stepper.scaler is not None) is has


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_called_directly_is_torchs_own_bit_for_bit(name):
    """Also where a weight gets its first gradient late, or none once, and after a state was taken up."""

    def network():
        torch.manual_seed(0)
        return torch.nn.ModuleList([torch.nn.Linear(3, 3), torch.nn.LayerNorm(3), torch.nn.Linear(3, 1)])

    direct, bare = network(), network()
    optimizers = Optimizers(direct, Optimizer(name=name, weight_decay=0.1), torch.device("cpu"))
    kind = torch.optim.Adam if name == "adam" else torch.optim.AdamW
    matrices = [p for p in bare.parameters() if p.ndim == 2]
    others = [p for p in bare.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    reference = kind(groups, lr=1.0, fused=True)

    for step in range(9):
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
        rate = 0.1 / (step + 1)
        optimizers.set_rate(rate)
        for group in reference.param_groups:
            group["lr"] = rate
        for net in (direct, bare):
            first, norm, last = net
            for p in net.parameters():
                p.grad = None
            inner = first(x) if step in (0, 4) else norm(first(x))
            (last(inner) if step != 5 else inner).square().mean().backward()
        optimizers.step()
        reference.step()
        if step == 6:
            tensors, numbers = optimizers.state()
            optimizers.load({key: t.clone() for key, t in tensors.items()}, numbers, lambda stored, _: stored)
        assert all(torch.equal(a, b) for a, b in zip(direct.parameters(), bare.parameters(), strict=True)), step
