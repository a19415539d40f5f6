"""Networks from lists: their shapes are those the check inferred, on tables, images, arrays and tokens."""

import warnings
from collections.abc import Mapping
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from trainwright.core import registry
from trainwright.core.errors import SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import Task
from trainwright.engines.torch.building import find_network
from trainwright.engines.torch.networks.contract import Inputs
from trainwright.families.contract import Request

REQUEST = Request(task=Task.MULTICLASS, num_classes=3)
IMAGE = Inputs(kind="image", shape=(3, 8, 8))
SEQUENCE = Inputs(kind="array", shape=(20, 4))
VECTOR = Inputs(kind="array", shape=(6,))
TOKENS = Inputs(kind="tokens", shape=(12,), vocabulary=30)

IMAGE_GIVEN: Mapping[str, JsonValue] = {"input": "image", "shape": [3, 8, 8]}
SEQUENCE_GIVEN: Mapping[str, JsonValue] = {"input": "array", "shape": [20, 4]}
TOKENS_GIVEN: Mapping[str, JsonValue] = {"input": "tokens"}

GOOD: list[tuple[Inputs, Mapping[str, JsonValue], JsonValue]] = [
    (IMAGE, IMAGE_GIVEN, [{"conv2d": 4}, "batchnorm", "relu", "maxpool", {"conv2d": 8}, "gelu", "global_avgpool"]),
    (
        IMAGE,
        IMAGE_GIVEN,
        [{"conv2d": {"channels": 4, "kernel": 5, "stride": 2}}, "layernorm", "flatten", {"linear": 7}],
    ),
    (
        IMAGE,
        IMAGE_GIVEN,
        [{"residual": [{"conv2d": 3}, "batchnorm", "silu"]}, {"avgpool": 4}, "flatten", {"dropout": 0.5}],
    ),
    (IMAGE, IMAGE_GIVEN, [{"maxpool": {"size": 3, "stride": 2}}, "global_maxpool"]),
    (SEQUENCE, SEQUENCE_GIVEN, [{"conv1d": 8}, "batchnorm", "relu", "maxpool", {"lstm": 5}]),
    (SEQUENCE, SEQUENCE_GIVEN, [{"gru": {"width": 4, "bidirectional": True, "output": "all"}}, "avgpool", "flatten"]),
    (SEQUENCE, SEQUENCE_GIVEN, ["transpose", {"linear": 9}, "tanh", "global_avgpool"]),
    (SEQUENCE, SEQUENCE_GIVEN, [{"lstm": {"width": 4, "layers": 2, "dropout": 0.1, "bidirectional": True}}]),
    (VECTOR, {"input": "array"}, [{"linear": 5}, {"residual": ["layernorm", {"linear": 5}, "mish"]}]),
    (TOKENS, TOKENS_GIVEN, [{"embedding": 6}, {"lstm": 5}]),
    (TOKENS, TOKENS_GIVEN, [{"embedding": 6}, {"conv1d": 5}, "relu", "global_maxpool"]),
]


def rows(inputs: Inputs, count: int = 9) -> Tensor:
    random = torch.Generator().manual_seed(3)
    if inputs.kind == "image":
        return torch.randint(0, 256, (count, *inputs.shape), dtype=torch.uint8, generator=random)
    if inputs.kind == "tokens":
        ids = torch.randint(1, inputs.vocabulary, (count, *inputs.shape), generator=random)
        ids[::2, 7:] = 0
        return ids
    return torch.randn(count, *inputs.shape, generator=random) * 5 + 2


def network(inputs: Inputs, given: Mapping[str, JsonValue], layers: JsonValue) -> nn.Module:
    family = registry.load("families", "layers")
    params = {**given, "layers": layers}
    assert family.problems(params, REQUEST) == []
    torch.manual_seed(0)
    module = find_network("layers").build(family.build(params, REQUEST).params, inputs, 3)
    cast("Any", module).fit_inputs(rows(inputs, 50))
    return module


@pytest.mark.parametrize(("inputs", "given", "layers"), GOOD)
def test_a_list_that_passes_the_check_is_a_network(
    inputs: Inputs, given: Mapping[str, JsonValue], layers: JsonValue
) -> None:
    module = network(inputs, given, layers)
    assert module.training
    for batch in (1, 4):
        assert module(rows(inputs, batch)).shape == (batch, 3)
    module(rows(inputs)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
    module.eval()
    scores = module(rows(inputs))
    torch.testing.assert_close(module(rows(inputs)[2:3])[0], scores[2], rtol=1e-4, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its own internals
        program = torch.export.export(module, (rows(inputs, 5),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.testing.assert_close(program.module()(rows(inputs)), scores, rtol=1e-4, atol=1e-5)


def test_padding_after_a_text_changes_nothing() -> None:
    longer = Inputs(kind="tokens", shape=(16,), vocabulary=30)
    module = network(TOKENS, TOKENS_GIVEN, [{"embedding": 6}, {"lstm": 5}]).eval()
    wider = network(longer, TOKENS_GIVEN, [{"embedding": 6}, {"lstm": 5}]).eval()
    wider.load_state_dict(module.state_dict())
    ids = rows(TOKENS)
    padded = torch.cat([ids, torch.zeros(len(ids), 4, dtype=torch.long)], dim=1)
    torch.testing.assert_close(wider(padded), module(ids))


def test_missing_cells_of_arrays_are_zero() -> None:
    module = network(VECTOR, {"input": "array"}, [{"linear": 5}]).eval()
    assert module(torch.full((2, 6), torch.nan)).isfinite().all()


def test_a_layer_that_does_not_fit_the_rows_that_came_is_named() -> None:
    family = registry.load("families", "layers")
    params = {"input": "image", "layers": ["maxpool", "maxpool", {"residual": ["relu", "maxpool"]}, "flatten"]}
    small = Inputs(kind="image", shape=(1, 3, 3))
    unknown = family.build({**params, "layers": ["maxpool", "maxpool", "flatten"]}, REQUEST)
    with pytest.raises(SpecError, match=r"layers\.1 \(maxpool\) does not fit rows of shape \(1, 1, 1\)"):
        find_network("layers").build(unknown.params, small, 3)
    free = family.build({"input": "array", "layers": ["relu", {"lstm": 4}]}, REQUEST)
    with pytest.raises(SpecError, match=r"layers\.1 \(lstm\)"):
        find_network("layers").build(free.params, Inputs(kind="array", shape=(2, 3, 4)), 3)
    flat = family.build({"input": "array", "layers": ["relu"]}, REQUEST)
    with pytest.raises(SpecError, match="add flatten"):
        find_network("layers").build(flat.params, SEQUENCE, 3)
