"""A decoder language model."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import Task
from trainwright.families import _network_words as words
from trainwright.families import _text_words as text
from trainwright.families._param_rules import choice, whole
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("torch",)
TASKS = frozenset({Task.LANGUAGE})
SUMMARY = "Decoder language model: rotary positions, RMSNorm, squared ReLU, trained with Muon (PyTorch)"
SOURCE = (
    "Blocks and first weights: Jordan et al. 2024, 'modded-nanogpt' (rotary positions, normalised queries and keys, "
    "squared ReLU, zero projections); hashed n-gram embeddings: Pagnoni et al. 2024, 'Byte Latent Transformer'. "
    "Optimiser: Jordan et al. 2024, 'Muon', at AdamW's update size (Liu et al. 2025). "
    "Size: Karpathy's nanoGPT for a CPU (4 layers of 128). Rate, batch and schedule: chosen on validation rows of "
    "tiny_shakespeare. Search space: assumption, around the defaults."
)
FEATURES: FeatureStyle = "language"
SPACE: Mapping[str, Range] = {
    "width": Range(choices=(64, 128, 192, 256, 384)),
    "layers": Range(low=2, high=8, integer=True),
    "dropout": Range(low=0.0, high=0.3),
    "ngrams": Range(low=0, high=5, integer=True),
    "activation": Range(choices=("swiglu", "relu2")),
    "learning_rate": Range(low=1e-3, high=2e-2, log=True),
    "weight_decay": Range(low=1e-3, high=0.3, log=True),
}

_TRAINING = words.Training(
    epochs=5,  # a megabyte of text in some ten minutes of one free core
    patience=3,  # assumption: under a falling rate, three epochs without a gain are over-fitting
    optimizer={"name": "muon", "betas": [0.9, 0.95], "momentum": 0.95},
    scheduler={"name": "linear", "warmup": 0.05},
    recipe={"clip_norm": 1.0},
)
_KNOWN = words.vocabulary(
    "gpt",
    rules={
        **text.BLOCK_RULES,
        "ngrams": whole(0, 15),
        "buckets": whole(1),
        "tokenizer": choice("auto", "char", "bpe"),
        "vocabulary": text.TOKEN_RULES["vocabulary"],
    },
    aliases={**text.BLOCK_ALIASES, "vocab_size": "vocabulary"},
)


def defaults(request: Request) -> dict[str, JsonValue]:
    """A model that learns a megabyte of text in minutes on two cores."""
    return {
        "tokenizer": "auto",
        "vocabulary": 1024,
        "width": 128,
        "layers": 4,
        "heads": 4,
        "hidden_factor": 4.0,
        "activation": "relu2",
        "dropout": 0.0,
        "ngrams": 4,
        "buckets": 16_384,
        "learning_rate": 8e-3,
        "weight_decay": 0.05,
        "batch_size": 8,
        "label_smoothing": 0.0,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """All that is wrong with user parameters."""
    return text.check(_KNOWN, params, defaults(request), request)


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """User parameters over the defaults."""
    values = words.merged(_KNOWN, params, defaults(request))
    plan = words.network_plan("gpt", values, request, _TRAINING, FEATURES)
    return text.text_plan(plan, "tokenizer", "vocabulary")
