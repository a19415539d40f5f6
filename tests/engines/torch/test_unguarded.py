"""Optimisers as torch has them, without its compiler."""

import copy
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from trainwright.engines.torch.unguarded import unguarded  # noqa: E402

WITHOUT = """
import sys
import torch
from trainwright.engines.torch.optimizers import Optimizers
from trainwright.engines.torch.recipe import Optimizer

for name in ("adam", "adamw", "sgd", "muon", "schedule_free_adamw"):
    network = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 1))
    made = Optimizers(network, Optimizer(name=name), torch.device("cpu"))
    made.set_rate(0.1)
    network(torch.ones(2, 3)).sum().backward()
    made.step()
    made.state()
    made.zero_grad()
print("torch._dynamo" in sys.modules)
"""


def trained(kind, **settings):
    """Weights after steps, a state that was taken up again, and one more step."""
    torch.manual_seed(0)
    network = torch.nn.Linear(4, 3)
    optimizer = kind([{"params": [network.weight]}], lr=0.05, **settings)
    optimizer.add_param_group({"params": [network.bias], "lr": 0.5} if "nesterov" not in settings else {"params": []})
    rows = torch.randn(8, 4)
    for number in range(4):
        optimizer.zero_grad()
        network(rows).square().sum().backward()
        optimizer.step()
        if number == 2:
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    return network.weight.detach(), optimizer.state_dict()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("AdamW", {"weight_decay": 0.1}),
        ("Adam", {"fused": True}),
        ("SGD", {"momentum": 0.9}),
        ("Muon", {"nesterov": True}),
    ],
)
def test_it_takes_the_same_steps(name, settings):
    kind = getattr(torch.optim, name)
    mine, state = trained(unguarded(kind), **settings)
    theirs, expected = trained(kind, **settings)
    assert torch.equal(mine, theirs)
    assert state["state"].keys() == expected["state"].keys()
    assert issubclass(unguarded(kind), kind)


@pytest.mark.slow
def test_a_training_without_compile_loads_no_compiler():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
