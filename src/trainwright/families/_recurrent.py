"""What the families ``lstm`` and ``gru`` share: they differ in the cell alone."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.families import _network_words as words
from trainwright.families import _text_words as text
from trainwright.families._param_rules import Vocabulary, choice, whole
from trainwright.families.contract import ParamProblem, Range, Request

SOURCE = (
    "Bidirectional, orthogonal recurrent weights (Saxe et al. 2014), an open forget gate (Jozefowicz et al. 2015), "
    "dropout between layers (Zaremba et al. 2014), attention pooling (Yang et al. 2016). Sizes and rate: chosen on "
    "validation rows of sms_spam. Search space: assumption, around the defaults."
)
FEATURES: FeatureStyle = "tokens"
SPACE: Mapping[str, Range] = {
    "embedding": Range(choices=(64, 128, 256)),
    "width": Range(choices=(32, 64, 128, 256)),
    "layers": Range(low=1, high=3, integer=True),
    "dropout": Range(low=0.0, high=0.6),
    "learning_rate": Range(low=3e-4, high=1e-2, log=True),
    "tokenizer": Range(choices=("bpe", "word")),
    "pooling": Range(choices=("mean", "attention")),
}

_TRAINING = words.Training(
    epochs=15,
    patience=5,  # assumption: under a cosine, what has not gained in a third of the epochs will not
    optimizer={"name": "adamw"},
    scheduler={"name": "cosine", "warmup": 0.05},
    recipe={"clip_norm": 1.0},  # Pascanu et al. 2013: recurrent gradients explode
)


def known(family: str) -> Vocabulary:
    """The parameter names of the family."""
    rules = {
        **text.TOKEN_RULES,
        "embedding": words.WIDTH,
        "width": words.WIDTH,
        "layers": whole(1),
        "dropout": words.DROPOUT,
        "pooling": choice("mean", "attention"),
    }
    aliases = {"hidden_size": "width", "num_layers": "layers", "n_layers": "layers", "embedding_dim": "embedding"}
    return words.vocabulary(family, rules=rules, aliases={**text.TOKEN_ALIASES, **aliases})


def defaults(request: Request) -> dict[str, JsonValue]:
    """One layer of 64 each way: more gains little on short texts and takes its time."""
    return {
        "tokenizer": "bpe",
        "vocabulary": 4096,
        "length": "auto",
        "embedding": 128,
        "width": 64,
        "layers": 1,
        "dropout": 0.3,
        "pooling": "attention",
        "learning_rate": 2e-3,
        "weight_decay": 0.01,
        "batch_size": 32,
        "label_smoothing": 0.0,
    }


def problems(family: str, params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """All that is wrong with user parameters."""
    return text.check(known(family), params, defaults(request), request)


def build(family: str, params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """User parameters over the defaults."""
    values = words.merged(known(family), params, defaults(request))
    plan = words.network_plan(family, values, request, _TRAINING, FEATURES)
    return text.text_plan(plan, "tokenizer", "vocabulary", "length")
