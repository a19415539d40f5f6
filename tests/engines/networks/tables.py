"""A small table with everything a network for tables may meet."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainwright.core import registry
from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import Task
from trainwright.engines.torch.building import find_network
from trainwright.engines.torch.networks.contract import Inputs
from trainwright.families.contract import Request

# numeric 0, 2, 4 (never filled), 6 (constant); categories 1 (two levels), 3 (none), 5 (many), 7 (three)
TABLE = Inputs(kind="table", shape=(8,), categorical=(1, 3, 5, 7), category_sizes=(2, 0, 30, 3))
NUMBERS = Inputs(kind="table", shape=(3,))
CATEGORIES = Inputs(kind="table", shape=(2,), categorical=(0, 1), category_sizes=(12, 2))
NOTHING = Inputs(kind="table", shape=(1,), categorical=(0,), category_sizes=(0,))

CASES: dict[str, tuple[str, Mapping[str, JsonValue]]] = {
    "mlp": ("mlp", {"hidden_sizes": [16, 16]}),
    "mlp without embeddings": ("mlp", {"numeric_embedding": "none", "front_scale": False, "hidden_sizes": [32, 32]}),
    "resnet": ("resnet", {"d_block": 16}),
    "resnet with layer norms": ("resnet", {"d_block": 16, "normalization": "layernorm", "activation": "mish"}),
    "ft_transformer": ("ft_transformer", {"d_block": 16, "attention_n_heads": 4}),
    "ft_transformer of one block": ("ft_transformer", {"d_block": 8, "n_blocks": 1}),
    "tabm": ("tabm", {"d_block": 16, "k": 4, "one_hot_up_to": 9}),
    "tabm-mini": ("tabm", {"d_block": 16, "k": 4, "arch_type": "tabm-mini", "numeric_embedding": "piecewise"}),
    "layers": (
        "layers",
        {"layers": [{"linear": 16}, "batchnorm", "relu", {"residual": ["layernorm", {"linear": 16}]}]},
    ),
}


def network(case: str, inputs: Inputs = TABLE, outputs: int = 1, task: Task = Task.BINARY) -> nn.Module:
    """A fresh network of a case, in training mode."""
    family, given = CASES[case]
    request = Request(task=task, num_classes=outputs)
    found = registry.load("families", family)
    assert found.problems(given, request) == []
    plan = found.build(given, request)
    torch.manual_seed(0)
    return find_network(plan.estimator).build(plan.params, inputs, outputs)


def rows(count: int = 200, inputs: Inputs = TABLE, seed: int = 1) -> Tensor:
    """Rows with missing cells, a constant and an empty column."""
    random = torch.Generator().manual_seed(seed)
    cells = torch.randn(count, *inputs.shape, generator=random) * 3 + 1
    for column, size in zip(inputs.categorical, inputs.category_sizes, strict=True):
        codes = torch.randint(0, max(size, 1), (count,), generator=random)
        cells[:, column] = codes.float() if size else torch.nan
    if inputs is TABLE:
        cells[:, 4] = torch.nan
        cells[:, 6] = 5.0
        cells[::7, 0] = torch.nan
        cells[::5, 1] = torch.nan
    return cells
