"""FT-Transformer: attention over the columns of a table."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _network_words as words
from trainwright.families._param_rules import number
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("torch",)
TASKS = TABLE_TASKS
SUMMARY = "FT-Transformer: a transformer over the columns of a table; slow with many columns (PyTorch)"
SOURCE = (
    "Network, defaults and search space: Gorishniy et al. 2021, 'Revisiting Deep Learning Models for Tabular Data' "
    "(rtdl-revisiting-models e3ed46c: FTTransformer.get_default_kwargs(3), make_default_optimizer, and "
    "output/adult/ft_transformer/{default,tuning}/0.toml). Its epochs have no ceiling; 300 is pytabkit's."
)
FEATURES: FeatureStyle = "native"
SPACE: Mapping[str, Range] = {
    "n_blocks": Range(low=1, high=4, integer=True),
    "d_block": Range(low=64, high=512, integer=True, step=8),
    "attention_dropout": Range(low=0.0, high=0.5),
    "ffn_d_hidden_multiplier": Range(low=2 / 3, high=8 / 3),
    "ffn_dropout": Range(low=0.0, high=0.5),
    "residual_dropout": Range(low=0.0, high=0.2),
    "learning_rate": Range(low=1e-5, high=1e-3, log=True),
    "weight_decay": Range(low=1e-6, high=1e-3, log=True),
}

_TRAINING = words.Training(epochs=300, patience=16)
_KNOWN = words.vocabulary(
    "ft_transformer",
    rules={
        "n_blocks": words.WIDTH,
        "d_block": words.WIDTH,
        "attention_n_heads": words.WIDTH,
        "attention_dropout": words.DROPOUT,
        "ffn_d_hidden_multiplier": number(0.1),
        "ffn_dropout": words.DROPOUT,
        "residual_dropout": words.DROPOUT,
    },
    aliases={
        "n_layers": "n_blocks",
        "d_token": "d_block",
        "n_heads": "attention_n_heads",
        "d_ffn_factor": "ffn_d_hidden_multiplier",
    },
)


def defaults(request: Request) -> dict[str, JsonValue]:
    """The published network of three blocks."""
    return {
        "n_blocks": 3,
        "d_block": 192,
        "attention_n_heads": 8,
        "attention_dropout": 0.2,
        "ffn_d_hidden_multiplier": 4 / 3,
        "ffn_dropout": 0.1,
        "residual_dropout": 0.0,
        "learning_rate": 1e-4,
        "weight_decay": 1e-5,
        "batch_size": 256,
        "label_smoothing": 0.0,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """All that is wrong with user parameters; the width must be a multiple of the heads."""
    found = words.check(_KNOWN, params, request)
    if found:
        return found
    values = words.merged(_KNOWN, params, defaults(request))
    width, heads = values["d_block"], values["attention_n_heads"]
    assert isinstance(width, int)
    assert isinstance(heads, int)
    if width % heads:
        what = f"must be a multiple of attention_n_heads ({heads}), got {width}"
        fix = f"for example {max(heads, width - width % heads)}"
        return [ParamProblem(name="d_block", what=what, fix=fix)]
    if int(width * float(str(values["ffn_d_hidden_multiplier"]))) < 1:
        return [ParamProblem(name="ffn_d_hidden_multiplier", what=f"leaves no unit of d_block {width}", fix="raise it")]
    return []


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """User parameters over the defaults."""
    values = words.merged(_KNOWN, params, defaults(request))
    return words.network_plan("ft_transformer", values, request, _TRAINING, FEATURES)
