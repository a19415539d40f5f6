"""Gradients of one batch: the numbers are autograd's, the verdicts those of networks known to be ill."""

import math

import pytest
import torch
from torch import nn

import trainwright
from trainwright.core.errors import SpecError
from trainwright.doctor import gradients, layers


def batch(width=8, rows=32):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, width, generator=generator), torch.randn(rows, 1, generator=generator)


def looked_at(network):
    x, y = batch()
    return trainwright.check_gradients(network, x, y, nn.functional.mse_loss)


def verdicts(network):
    return [layer.verdict.value for layer in looked_at(network).layers]


def test_the_numbers_are_autograds():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 1))
    found = looked_at(network)
    x, y = batch()
    loss = nn.functional.mse_loss(network(x), y)
    loss.backward()
    for layer, module in zip(found.layers, (network[0], network[2]), strict=True):
        flat = torch.cat([module.weight.grad.flatten(), module.bias.grad])
        expected = (
            flat.mean(),
            flat.std(correction=0),
            flat.min(),
            flat.max(),
            flat.norm(),
            (flat == 0).float().mean(),
        )
        got = (layer.mean, layer.std, layer.min, layer.max, layer.norm, layer.zero_share)
        assert got == pytest.approx([float(e) for e in expected], rel=1e-6)
        assert layer.size == flat.numel()
        assert layer.weight_norm == pytest.approx(math.hypot(module.weight.norm().item(), module.bias.norm().item()))
    assert [layer.layer for layer in found.layers] == ["0", "2"]
    assert found.loss == pytest.approx(loss.item())
    assert found.rows == 32
    assert found.findings() == ()


def test_the_network_is_left_as_it_was():
    network = nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 1))
    network[1].weight.grad = torch.ones(1, 8)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    looked_at(network)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert torch.equal(network[1].weight.grad, torch.ones(1, 8))
    assert network[1].bias.grad is None


def test_a_deep_network_of_sigmoids_vanishes():
    torch.manual_seed(0)
    parts = [part for _ in range(12) for part in (nn.Linear(8, 8), nn.Sigmoid())]
    found = looked_at(nn.Sequential(*parts, nn.Linear(8, 1)))
    assert found.layers[0].verdict == "vanishing"
    assert found.layers[-1].verdict == "ok"
    (finding,) = found.findings()
    assert finding.code == "gradients.vanishing"
    assert "0" in finding.evidence["layers"]


def test_a_layer_in_front_of_huge_weights_explodes():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 1))
    with torch.no_grad():
        network[0].weight.mul_(1e-4)
        network[0].bias.mul_(1e-4)
        network[1].weight.mul_(1e4)
    assert verdicts(network)[0] == "exploding"


def test_dead_frozen_missing_and_broken_layers_are_told_apart():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.dead, self.frozen = nn.Linear(8, 8), nn.Linear(8, 8).requires_grad_(requires_grad=False)
            self.unused, self.last = nn.Linear(8, 8), nn.Linear(8, 1)

        def forward(self, x):
            return self.last(torch.relu(self.dead(x) - 100) + self.frozen(x))

    assert verdicts(Odd()) == ["zero", "frozen", "none", "ok"]
    broken = nn.Linear(8, 1)
    with torch.no_grad():
        broken.weight.fill_(math.nan)
    found = looked_at(broken)
    assert [f.code for f in found.findings()] == ["gradients.non_finite"]
    assert found.to_json()["layers"][0]["norm"] == "nan"


def test_mistakes_are_explained():
    x, y = batch()
    with pytest.raises(SpecError, match=r"torch\.nn\.Module is required, got int"):
        trainwright.check_gradients(3, x, y, nn.functional.mse_loss)
    with pytest.raises(SpecError, match="one number"):
        trainwright.check_gradients(nn.Linear(8, 1), x, y, lambda scores, target: scores - target)


def test_the_marks_are_the_doctors():
    assert gradients.VANISHED == layers._VANISHED
    assert gradients.EXPLODED == layers._GREW
