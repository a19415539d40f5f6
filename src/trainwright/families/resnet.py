"""ResNet for tables."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _network_words as words
from trainwright.families._param_rules import choice, number
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("torch",)
TASKS = TABLE_TASKS
SUMMARY = "ResNet for tables: residual blocks of linear layers with batch normalisation (PyTorch)"
SOURCE = (
    "Network and search space: Gorishniy et al. 2021, 'Revisiting Deep Learning Models for Tabular Data' "
    "(rtdl-revisiting-models e3ed46c, output/adult/resnet/tuning/0.toml). The paper has no defaults for it; these are "
    "those of TabZilla (McElfresh et al. 2023) as pytabkit 33cbf23 has them (RESNET_RTDL_D_CLASS_TabZilla), with a "
    "ceiling of 300 epochs for its 1000: patience ends most trainings before."
)
FEATURES: FeatureStyle = "native"
SPACE: Mapping[str, Range] = {
    "n_blocks": Range(low=1, high=8, integer=True),
    "d_block": Range(low=64, high=512, integer=True),
    "d_hidden_multiplier": Range(low=1.0, high=4.0),
    "hidden_dropout": Range(low=0.0, high=0.5),
    "residual_dropout": Range(low=0.0, high=0.5),
    "category_embedding": Range(low=64, high=512, integer=True),
    "learning_rate": Range(low=1e-5, high=1e-2, log=True),
    "weight_decay": Range(low=1e-6, high=1e-3, log=True),
}

_TRAINING = words.Training(epochs=300, patience=20)
_KNOWN = words.vocabulary(
    "resnet",
    rules={
        "n_blocks": words.WIDTH,
        "d_block": words.WIDTH,
        "d_hidden_multiplier": number(1),
        "hidden_dropout": words.DROPOUT,
        "residual_dropout": words.DROPOUT,
        "normalization": choice("batchnorm", "layernorm"),
        "activation": choice("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh"),
        "category_embedding": words.WIDTH,
    },
    aliases={
        "n_layers": "n_blocks",
        "d": "d_block",
        "d_hidden_factor": "d_hidden_multiplier",
        "dropout1": "hidden_dropout",
        "dropout2": "residual_dropout",
        "d_embedding": "category_embedding",
    },
)


def defaults(request: Request) -> dict[str, JsonValue]:
    """The published network."""
    return {
        "n_blocks": 2,
        "d_block": 128,
        "d_hidden_multiplier": 2.0,
        "hidden_dropout": 0.25,
        "residual_dropout": 0.1,
        "normalization": "batchnorm",
        "activation": "relu",
        "category_embedding": 8,
        "learning_rate": 1e-3,
        "weight_decay": 0.01,
        "batch_size": 128,
        "label_smoothing": 0.0,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """All that is wrong with user parameters."""
    return words.check(_KNOWN, params, request)


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """User parameters over the defaults."""
    values = words.merged(_KNOWN, params, defaults(request))
    return words.network_plan("resnet", values, request, _TRAINING, FEATURES)
