"""A transformer encoder for texts, from scratch."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _network_words as words
from trainwright.families import _text_words as text
from trainwright.families._param_rules import choice
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("torch",)
TASKS = TABLE_TASKS
SUMMARY = "Transformer over a text column, from scratch, tokenizer included (PyTorch)"
SOURCE = (
    "Blocks: Xiong et al. 2020 (norms before), Su et al. 2021 (rotary positions), Henry et al. 2020 (normalised "
    "queries and keys), Shazeer 2020 (SwiGLU). Training: AdamW, warm-up of a tenth and cosine, as Devlin et al. 2019. "
    "Sizes and rate: chosen on validation rows of sms_spam. Search space: assumption, around the defaults."
)
FEATURES: FeatureStyle = "tokens"
SPACE: Mapping[str, Range] = {
    "width": Range(choices=(64, 128, 256)),
    "layers": Range(low=1, high=6, integer=True),
    "dropout": Range(low=0.0, high=0.4),
    "learning_rate": Range(low=1e-4, high=3e-3, log=True),
    "weight_decay": Range(low=1e-3, high=0.3, log=True),
    "tokenizer": Range(choices=("bpe", "word")),
    "pooling": Range(choices=("mean", "attention")),
}

_TRAINING = words.Training(
    epochs=10,
    patience=4,  # assumption: under a cosine, what has not gained in four of ten epochs will not
    optimizer={"name": "adamw", "betas": [0.9, 0.98]},
    scheduler={"name": "cosine", "warmup": 0.1},
    recipe={"clip_norm": 1.0},
)
_KNOWN = words.vocabulary(
    "text_transformer",
    rules={**text.TOKEN_RULES, **text.BLOCK_RULES, "pooling": choice("mean", "attention")},
    aliases={**text.TOKEN_ALIASES, **text.BLOCK_ALIASES},
)


def defaults(request: Request) -> dict[str, JsonValue]:
    """A small encoder: texts of a table are short and few."""
    return {
        "tokenizer": "bpe",
        "vocabulary": 4096,
        "length": "auto",
        "width": 128,
        "layers": 2,
        "heads": 4,
        "hidden_factor": 4.0,
        "activation": "swiglu",
        "dropout": 0.1,
        "pooling": "mean",
        "learning_rate": 1e-3,
        "weight_decay": 0.05,
        "batch_size": 32,
        "label_smoothing": 0.0,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """All that is wrong with user parameters."""
    return text.check(_KNOWN, params, defaults(request), request)


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """User parameters over the defaults."""
    values = words.merged(_KNOWN, params, defaults(request))
    plan = words.network_plan("text_transformer", values, request, _TRAINING, FEATURES)
    return text.text_plan(plan, "tokenizer", "vocabulary", "length")
