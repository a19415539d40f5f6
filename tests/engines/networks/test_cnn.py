"""The network of the cnn family: shapes, what it keeps of its inputs, and what one row says of another."""

import math

import pytest

torch = pytest.importorskip("torch")

from trainwright.core.tasks import Task  # noqa: E402
from trainwright.engines.torch.networks.cnn import build, halvings  # noqa: E402
from trainwright.engines.torch.networks.contract import Inputs  # noqa: E402
from trainwright.engines.torch.recipe import recipe_from  # noqa: E402
from trainwright.families import cnn as family  # noqa: E402
from trainwright.families.contract import Request  # noqa: E402


def network(*shape: int, outputs: int = 10, **params: object) -> "torch.nn.Module":
    torch.manual_seed(0)
    return build({"width": 8, "depth": 1, "dropout": 0.0, **params}, Inputs(kind="image", shape=shape), outputs)


def images(rows: int, *shape: int, seed: int = 0) -> "torch.Tensor":
    return torch.randint(0, 256, (rows, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "shape", [(3, 32, 32), (1, 28, 28), (3, 8, 8), (3, 5, 7), (3, 64, 48), (3, 128, 128), (1, 9, 200)]
)
@pytest.mark.parametrize("outputs", [1, 10])
def test_scores_of_any_image_and_a_gradient_for_every_weight(shape: tuple[int, ...], outputs: int) -> None:
    net = network(*shape, outputs=outputs)
    net.fit_inputs(images(20, *shape))
    scores = net(images(4, *shape))
    assert scores.shape == (4, outputs)
    scores.pow(2).sum().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize(("side", "times"), [(4, 0), (7, 0), (8, 1), (15, 1), (28, 2), (32, 3), (64, 4), (128, 5)])
def test_images_are_halved_until_four_pixels_are_left(side: int, times: int) -> None:
    assert halvings(side) == times


def test_the_first_loss_is_that_of_a_guess() -> None:
    net = build(
        family.build({}, Request(task=Task.MULTICLASS, num_classes=10)).params,
        Inputs(kind="image", shape=(3, 32, 32)),
        10,
    )
    x = images(64, 3, 32, 32)
    net.fit_inputs(x)
    loss = torch.nn.functional.cross_entropy(net(x), torch.arange(64) % 10).item()
    assert loss == pytest.approx(math.log(10), rel=0.1)


def test_channels_are_normalised_by_training_images() -> None:
    net = network(3, 16, 16)
    x = images(50, 3, 16, 16)
    x[:, 1] //= 4
    net.fit_inputs(x)
    seen: list[torch.Tensor] = []
    net.first.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    net(x)
    assert seen[0].mean(dim=(0, 2, 3)).abs().max() < 1e-3
    assert (seen[0].std(dim=(0, 2, 3)) - 1).abs().max() < 1e-2
    assert {"mean", "scale"} <= set(net.state_dict())


def test_a_channel_of_one_value_stays_finite() -> None:
    net = network(3, 16, 16)
    x = images(10, 3, 16, 16)
    x[:, 2] = 7
    net.fit_inputs(x)
    assert torch.isfinite(net(x)).all()


def test_rows_do_not_see_each_other_in_eval_mode() -> None:
    net = network(3, 16, 16).eval()
    x = images(8, 3, 16, 16)
    before = net(x)
    x[3] = 255 - x[3]
    after = net(x)
    others = [0, 1, 2, 4, 5, 6, 7]
    torch.testing.assert_close(before[others], after[others], rtol=0, atol=0)
    assert not torch.equal(before[3], after[3])


def test_one_row_alone_can_be_trained_on() -> None:
    assert torch.isfinite(network(3, 8, 8)(images(1, 3, 8, 8))).all()


def test_the_state_is_the_model() -> None:
    net = network(3, 16, 16)
    x = images(30, 3, 16, 16)
    net.fit_inputs(x)
    net(x)  # moves the running statistics
    other = network(3, 16, 16)
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(net.eval()(x), other.eval()(x), rtol=0, atol=0)


# the family


def test_the_recipe_is_one_that_the_engine_reads() -> None:
    plan = family.build({}, Request(task=Task.MULTICLASS, num_classes=3, image=(3, 64, 48)))
    recipe = recipe_from(plan.options["recipe"])
    assert recipe.optimizer.name == "sgd"
    assert (recipe.augment.flip, recipe.augment.crop) == (True, 6)
    assert plan.options["features"] == {"size": "auto", "channels": "auto"}
    assert set(plan.params) == {"width", "depth", "dropout"}


def test_grey_images_are_not_flipped() -> None:
    grey = family.build({}, Request(task=Task.BINARY, num_classes=2, image=(1, 28, 28)))
    assert recipe_from(grey.options["recipe"]).augment.flip is False
    asked = family.build({"channels": 1}, Request(task=Task.BINARY, num_classes=2, image=(3, 28, 28)))
    assert recipe_from(asked.options["recipe"]).augment.flip is False


def test_a_size_that_is_asked_for_decides_the_crop() -> None:
    plan = family.build({"image_size": [96, 96]}, Request(task=Task.BINARY, num_classes=2, image=(3, 32, 32)))
    assert recipe_from(plan.options["recipe"]).augment.crop == 12
    assert plan.options["features"]["size"] == [96, 96]


@pytest.mark.parametrize("size", [[32], [32, 32, 3], [4, 4], [32.5, 32], "large", [2000, 2000], ["a", "b"], 32])
def test_wrong_sizes_are_problems(size: object) -> None:
    (problem,) = family.problems({"image_size": size}, Request(task=Task.BINARY, num_classes=2))
    assert problem.name == "image_size"
    assert "[height, width]" in problem.what
