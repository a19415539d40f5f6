"""A small residual network for images."""

from collections.abc import Mapping
from dataclasses import replace

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _image_words as image
from trainwright.families import _network_words as words
from trainwright.families._param_rules import whole
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("torch",)
TASKS = TABLE_TASKS
SUMMARY = "A small residual network for images, ResNet-9 made lighter (PyTorch)"
SOURCE = (
    "Network: Page, 'How to Train Your ResNet', 2018-2019 (ResNet-9 of DAWNBench), with 32 channels for its 64 and "
    "each stage's convolution after the halving. Training: SGD with Nesterov momentum 0.9, weight decay 5e-4, one "
    "cycle (Smith 2018; Page), labels smoothed by 0.1 (Szegedy et al. 2016), images flipped and moved by an eighth of "
    "their side (He et al. 2016). Rate 0.1, batches of 64 and 30 epochs: 0.740 of 1,000 test images right after 4,000 "
    "of CIFAR-10 (cifar10_6k); AdamW at 0.005 and batches of 128 came within 0.02 of it, which is chance for so few "
    "test images. Search space: ours, around these."
)
FEATURES: FeatureStyle = "image"
SPACE: Mapping[str, Range] = {
    "learning_rate": Range(low=0.02, high=0.4, log=True),
    "weight_decay": Range(low=1e-4, high=5e-3, log=True),
    "batch_size": Range(choices=(32, 64, 128)),
    "width": Range(choices=(16, 32, 64)),
    "depth": Range(choices=(1, 2)),
    "dropout": Range(choices=(0.0, 0.2)),
}

# A cycle is best at its end: half of it without progress is normal at high rates (assumption; measured curves rise to
# the last epoch).
_TRAINING = words.Training(
    epochs=30,
    patience_share=0.5,
    optimizer={"name": "sgd", "momentum": 0.9, "nesterov": True},
    scheduler={"name": "one_cycle", "warmup": 0.25},
)
_KNOWN = words.vocabulary(
    "cnn",
    rules={
        "width": words.WIDTH,
        "depth": whole(0),
        "dropout": words.DROPOUT,
        **image.RULES,
    },
    aliases={
        "size": "image_size",
        "num_filters": "width",
        "filters": "width",
        "blocks": "depth",
        "drop_rate": "dropout",
    },
)


def defaults(request: Request) -> dict[str, JsonValue]:
    """The published network at half its width."""
    return {
        "width": 32,
        "depth": 1,
        "dropout": 0.0,
        "image_size": "auto",
        "channels": "auto",
        "learning_rate": 0.1,
        "weight_decay": 5e-4,
        "batch_size": 64,
        "label_smoothing": 0.1 if request.task.is_classification else 0.0,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """All that is wrong with user parameters."""
    given = {
        name: value for name, value in params.items() if not (_KNOWN.canonical(name) in image.INPUT and value == "auto")
    }
    found = words.check(_KNOWN, given, request)
    wrong = image.size_problems(_KNOWN.translate(given)[0].get("image_size"))
    return [p for p in found if p.name != "image_size" or not wrong] + wrong


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """User parameters over the defaults; what is done to training images goes by what is known of them."""
    values = words.merged(_KNOWN, params, defaults(request))
    network = {name: value for name, value in values.items() if name not in image.INPUT}
    plan = words.network_plan("cnn", network, request, _TRAINING, FEATURES)
    recipe = plan.options["recipe"]
    assert isinstance(recipe, Mapping)
    options: dict[str, JsonValue] = {
        "recipe": {**recipe, "augment": image.augment(values, request)},
        "features": {"size": values["image_size"], "channels": values["channels"]},
    }
    return replace(plan, options=options)
