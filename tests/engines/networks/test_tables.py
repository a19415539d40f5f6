"""Networks for tables: shapes, missing and unseen cells, independence of rows, export, gradients, sizes, learning."""

import warnings
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.engines.networks.tables import CASES, CATEGORIES, NOTHING, NUMBERS, TABLE, network, rows
from trainwright.core import registry
from trainwright.core.tasks import Task
from trainwright.engines.torch.building import find_network
from trainwright.engines.torch.networks._table import FlatTable, OneHot, QuantileScale, RobustScale, TableEncoder
from trainwright.engines.torch.networks.contract import Inputs
from trainwright.engines.torch.recipe import recipe_from
from trainwright.families.contract import Request

INPUTS = {"everything": TABLE, "numbers": NUMBERS, "categories": CATEGORIES, "nothing": NOTHING}


def fitted(case: str, inputs: Inputs = TABLE, outputs: int = 1, task: Task = Task.BINARY) -> nn.Module:
    module = network(case, inputs, outputs, task)
    cast("Any", module).fit_inputs(rows(inputs=inputs))
    return module


def odd_rows() -> Tensor:
    """Cells no training row had: missing everywhere, unseen and negative codes, infinite and huge numbers."""
    odd = rows(9, seed=2)
    odd[0] = torch.nan
    odd[1, 5], odd[1, 7] = 30.0, 99.0
    odd[2, 1] = -1.0
    odd[3, 0], odd[3, 2] = torch.inf, -torch.inf
    odd[4, 0], odd[4, 2], odd[4, 4], odd[4, 6] = 3e38, -3e38, 1.0, 3e38
    return odd


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize(("task", "outputs"), [(Task.BINARY, 1), (Task.MULTICLASS, 4), (Task.REGRESSION, 1)])
def test_scores_have_the_shape_of_the_contract(case: str, inputs: str, task: Task, outputs: int) -> None:
    module = fitted(case, INPUTS[inputs], outputs, task)
    for batch in (1, 5):
        scores = module(rows(batch, INPUTS[inputs]))
        members = (4,) if case.startswith("tabm") else ()
        assert scores.shape == (batch, *members, outputs)
        assert scores.dtype == torch.float32
        assert scores.isfinite().all()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("fit", [True, False])
def test_no_cell_makes_a_score_that_is_no_number(case: str, fit: bool) -> None:
    module = (fitted if fit else network)(case).eval()
    assert module(odd_rows()).isfinite().all()


@pytest.mark.parametrize("case", CASES)
def test_one_training_row_and_training_rows_without_a_number(case: str) -> None:
    for sample in (rows(1), torch.full((10, 8), torch.nan), torch.zeros(10, 8)):
        module = network(case)
        cast("Any", module).fit_inputs(sample)
        assert all(value.isfinite().all() for value in module.state_dict().values()), case
        assert module.eval()(odd_rows()).isfinite().all()


@pytest.mark.parametrize("case", CASES)
def test_a_row_does_not_depend_on_its_batch(case: str) -> None:
    module = fitted(case).eval()
    batch = rows(20)
    alone = torch.cat([module(row[None]) for row in batch])
    torch.testing.assert_close(module(batch), alone, rtol=1e-4, atol=1e-5)
    changed = batch.clone()
    changed[3] = odd_rows()[4]
    torch.testing.assert_close(module(changed)[4:], module(batch)[4:])


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_gives_the_same_network_whatever_was_drawn_since(case: str) -> None:
    first, second = network(case), network(case)
    cast("Any", first).fit_inputs(rows())
    torch.rand(7)
    cast("Any", second).fit_inputs(rows())
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


@pytest.mark.parametrize("case", CASES)
def test_the_state_is_the_model(case: str) -> None:
    trained = fitted(case).eval()
    fresh = network(case).eval()
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(fresh(odd_rows()), trained(odd_rows()))


@pytest.mark.parametrize("case", CASES)
def test_exports_with_a_dynamic_batch_and_with_its_preprocessing(case: str) -> None:
    module = fitted(case).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its own internals
        program = torch.export.export(module, (rows(5),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    for batch in (rows(17), odd_rows()):
        torch.testing.assert_close(program.module()(batch), module(batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_gradients_reach_every_parameter(case: str) -> None:
    module = fitted(case)
    module(rows(64)).square().sum().backward()
    dead = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []


@pytest.mark.parametrize("case", CASES)
def test_factors_and_undecayed_names_are_parameters(case: str) -> None:
    module = network(case)
    known = {name for name, _ in module.named_parameters()}
    for method in ("lr_factors", "undecayed"):
        if hasattr(module, method):
            assert set(getattr(module, method)()) <= known
            assert getattr(module, method)()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
def test_learns_a_simple_table(case: str, task: Task) -> None:
    """The sign of a number unless it is missing, turned by a category: no linear function of its columns."""
    data = rows(256)
    truth = torch.nan_to_num(data[:, 2] - 1) * torch.where(data[:, 1] == 1, -1.0, 1.0)
    target = (truth > 0).float() if task is Task.BINARY else truth / truth.std()
    module = network(case, task=task)
    cast("Any", module).fit_inputs(data)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.03 if case.startswith("mlp") else 0.005)
    for _ in range(80):
        scores = module(data)[..., 0]
        wanted = target[:, None].expand_as(scores) if scores.ndim == 2 else target
        loss = F.binary_cross_entropy_with_logits(scores, wanted) if task is Task.BINARY else F.mse_loss(scores, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        scores = module.eval()(data)[..., 0]
    scores = scores.mean(1) if scores.ndim == 2 else scores
    if task is Task.BINARY:
        assert ((scores > 0).float() == target).float().mean() > 0.9
    else:
        assert F.mse_loss(scores, target) < 0.25


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def built(family: str, inputs: Inputs, outputs: int = 1) -> nn.Module:
    plan = registry.load("families", family).build({}, Request(task=Task.BINARY, num_classes=2))
    return find_network(plan.estimator).build(plan.params, inputs, outputs)


def test_sizes_are_those_of_the_published_networks() -> None:
    """Ten numbers and one output; beside the published weights only those of the marks of missing cells."""
    ten = Inputs(kind="table", shape=(10,))
    pbld = 10 * (16 + 16 + 16 * 3 + 3)
    marks = 10 * 3
    layers = 40 + (40 * 256 + 256 + 256) + 2 * (256 * 256 + 256 + 256) + 256 + 1
    assert count(built("mlp", ten)) == pbld + marks + layers
    block = 2 * 128 + (128 * 256 + 256) + (256 * 128 + 128)
    assert count(built("resnet", ten)) == (20 * 128 + 128) + 2 * block + 2 * 128 + 128 + 1
    d, hidden = 192, 256
    attention = 4 * (d * d + d)
    feed_forward = 2 * d + (d * 2 * hidden + 2 * hidden) + (hidden * d + d)
    published = d + 10 * 2 * d + 3 * (attention + feed_forward) + 2 * 2 * d + 2 * d + d + 1
    assert count(built("ft_transformer", ten)) == published + 10 * d
    k, wide = 32, 512
    first = 20 * wide + k * (20 + 2 * wide)
    later = 2 * (wide * wide + k * 3 * wide)
    assert count(built("tabm", ten)) == first + later + k * (wide + 1)


def test_members_of_tabm_differ_and_share_their_matrices() -> None:
    module = fitted("tabm").eval()
    scores = module(rows(50))[..., 0]
    assert scores.std(dim=1).min() > 0
    assert len({tuple(column.tolist()) for column in scores.detach().T}) == 4
    matrices = [p for name, p in module.named_parameters() if name.startswith("backbone") and name.endswith("weight")]
    assert all(p.ndim == 2 for p in matrices)


def test_the_first_scale_of_tabm_is_a_sign_for_each_column() -> None:
    module = cast("Any", network("tabm"))
    first = module.backbone[0].r
    assert set(first.detach().abs().unique().tolist()) == {1.0}
    start = 0
    for width in module.table.chunks:
        chunk = first[:, start : start + width]
        assert (chunk == chunk[:, :1]).all()
        start += width
    assert start == first.shape[1]


def test_realmlp_starts_with_outputs_of_deviation_one_and_kinks_among_the_data() -> None:
    module = cast("Any", fitted("mlp")).eval()
    hidden = module.scale(module.table(rows()))
    before = hidden @ module.blocks[0].linear.weight * module.blocks[0].linear.gain
    torch.testing.assert_close(before.std(0, correction=0), torch.ones(before.shape[1]), rtol=1e-3, atol=1e-3)
    after = module.blocks[0].linear(hidden)
    assert ((after.min(0).values <= 0) & (after.max(0).values >= 0)).all()


def test_realmlp_learns_at_the_published_rates() -> None:
    factors = cast("Any", network("mlp")).lr_factors()
    assert factors["scale.weight"] == 6
    assert factors["output.bias"] == factors["blocks.0.linear.bias"] == 0.1
    assert factors["blocks.0.activation.weight"] == 0.1
    assert factors["table.numbers.weight_1"] == factors["table.numbers.bias_2"] == 0.1
    assert "blocks.0.linear.weight" not in factors


def test_nothing_of_the_tokens_decays() -> None:
    names = cast("Any", network("ft_transformer")).undecayed()
    assert {"tokens.weight", "tokens.cls", "tokens.embeddings.table.weight"} <= names
    assert all(name.startswith("tokens.") for name in names)


class TestTableEncoder:
    """Numbers, marks and codes."""

    def encoded(self, data: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        encoder = TableEncoder(TABLE, "robust")
        encoder.fit(rows())
        numbers, missing, codes = encoder(data)
        return numbers, missing, codes

    def test_missing_numbers_are_the_middle_and_marked(self) -> None:
        numbers, missing, _ = self.encoded(odd_rows())
        assert (numbers[0] == 0).all()
        assert missing[0].tolist() == [1, 0, 1, 0]  # columns 0 and 4 had missing cells in training, 2 and 6 had not
        assert missing[5, 2] == 1

    def test_unseen_and_missing_codes_share_the_last_slot(self) -> None:
        _, _, codes = self.encoded(odd_rows())
        assert codes[0].tolist() == [2, 0, 30, 3]
        assert codes[1, 2:].tolist() == [30, 3]
        assert codes[2, 0] == 2

    def test_constant_and_empty_columns_say_nothing(self) -> None:
        numbers, _, _ = self.encoded(odd_rows())
        assert (numbers[:, 2:] == 0).all()

    def test_double_rows_give_the_same_floats(self) -> None:
        single, double = self.encoded(rows(5)), self.encoded(rows(5).double())
        assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(single, double, strict=True))


def test_two_levels_are_one_column_and_missing_is_zero() -> None:
    hot = OneHot({0: 2, 1: 0, 2: 3})
    codes = torch.tensor([[0, 0, 0], [1, 0, 2], [2, 0, 3]])
    assert hot(codes).tolist() == [[1, 1, 0, 0], [-1, 0, 0, 1], [0, 0, 0, 0]]


def test_robust_scales_follow_the_quartiles() -> None:
    scale = RobustScale(2, clip=False)
    scale.fit(0, torch.arange(101).double())
    scale.fit(1, torch.tensor([0.0] * 90 + [4.0] * 10).double())  # quartiles coincide: half the range counts
    assert scale(torch.tensor([[100.0, 4.0]])).tolist() == [[1.0, 2.0]]
    clipped = RobustScale(1)
    assert clipped(torch.tensor([[1e5]])).item() == pytest.approx(3, abs=1e-4)


def test_quantile_scales_are_the_normal_scores_of_ranks() -> None:
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(0)).exp().sort().values
    scale = QuantileScale(1)
    scale.fit(0, values.double())
    ranks = (torch.arange(20_000) + 0.5) / 20_000
    error = (scale(values[:, None])[:, 0] - torch.special.ndtri(ranks)).abs()
    assert error.quantile(0.99) < 0.05
    assert error.max() < 0.2
    ends = scale(torch.tensor([[-1e30], [1e30]]))
    torch.testing.assert_close(ends[0], -ends[1])


def test_tied_values_stand_at_the_middle_of_their_ranks() -> None:
    scale = QuantileScale(1)
    scale.fit(0, torch.tensor([0.0] * 800 + list(range(1, 201))).double().sort().values)
    assert scale(torch.tensor([[0.0]])).item() == pytest.approx(torch.special.ndtri(torch.tensor(0.4)).item(), abs=1e-3)


def test_a_flat_table_says_which_columns_its_inputs_stand_for() -> None:
    table = FlatTable(TABLE, scaling="robust", one_hot_up_to=9, embedding=5)
    assert table.chunks == [2, 2, 2, 2, 1, 3, 5]
    assert table(rows(4)).shape == (4, table.width)


@pytest.mark.parametrize("family", ["mlp", "resnet", "ft_transformer", "tabm", "layers"])
@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS, Task.REGRESSION])
def test_the_engine_reads_the_recipe_of_every_family(family: str, task: Task) -> None:
    plan = registry.load("families", family).build({"learning_rate": "auto"}, Request(task=task, num_classes=3))
    recipe = recipe_from(plan.options["recipe"])
    assert recipe.optimizer.lr == "auto"
    assert recipe_from(recipe.to_json()) == recipe
