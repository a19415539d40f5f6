"""RealMLP: a multi-layer perceptron with strong tuned defaults."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _network_words as words
from trainwright.families._param_rules import FLAG, LIST, Effect, choice, is_one_of, number, whole, without_effect
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("torch",)
TASKS = TABLE_TASKS
SUMMARY = "RealMLP: a multi-layer perceptron with tuned defaults, strong on tables (PyTorch)"
SOURCE = (
    "Defaults: Holzmüller, Grinsztajn, Steinwart, 'Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on "
    "Tabular Data', NeurIPS 2024 (pytabkit 33cbf23, default_params.py: RealMLP_TD_CLASS, RealMLP_TD_REG). Search "
    "space: theirs (nn_interfaces.py: RealMLPParamSampler), without the embeddings pl and plr. Dropout and weight "
    "decay stay constant where theirs fall to 0 over the second half. Patience is ours: it outlasts the last cycle."
)
FEATURES: FeatureStyle = "native"
SPACE: Mapping[str, Range] = {
    "numeric_embedding": Range(choices=("none", "pbld")),
    "front_scale": Range(choices=(True, False)),
    "learning_rate": Range(low=2e-2, high=0.3, log=True),
    "dropout": Range(choices=(0.0, 0.15, 0.3)),
    "weight_decay": Range(choices=(0.0, 0.02)),
    "frequency_scale": Range(low=0.05, high=0.5, log=True, when={"numeric_embedding": ("pbld",)}),
    "activation": Range(choices=("relu", "selu", "mish")),
    "hidden_sizes": Range(choices=([256, 256, 256], [64, 64, 64, 64, 64], [512])),
}

# coslog4 falls to 0 after 1/15, 3/15, 7/15 and all of the epochs: a patience of 0.55 outlasts the last cycle.
_TRAINING = words.Training(
    epochs=256,
    patience_share=0.55,
    optimizer={"name": "adamw", "betas": [0.9, 0.95]},
    scheduler={"name": "coslog4"},
)
_PBLD_ONLY = ("frequencies", "frequency_scale", "embedding")
_KNOWN = words.vocabulary(
    "mlp",
    rules={
        "hidden_sizes": LIST,
        "activation": choice("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid"),
        "dropout": words.DROPOUT,
        "front_scale": FLAG,
        "numeric_embedding": choice("none", "pbld"),
        "frequencies": words.WIDTH,
        "frequency_scale": number(0, above=True),
        "embedding": whole(2),
        "category_embedding": words.WIDTH,
        "one_hot_up_to": whole(0),
    },
    aliases={
        "hidden_layer_sizes": "hidden_sizes",
        "p_drop": "dropout",
        "act": "activation",
        "add_front_scale": "front_scale",
        "num_emb_type": "numeric_embedding",
        "plr_sigma": "frequency_scale",
        "plr_hidden_1": "frequencies",
        "plr_hidden_2": "embedding",
        "embedding_size": "category_embedding",
        "max_one_hot_cat_size": "one_hot_up_to",
    },
)
_EFFECTS = (Effect(_PBLD_ONLY, "numeric_embedding: pbld", is_one_of("numeric_embedding", "pbld")),)


def defaults(request: Request) -> dict[str, JsonValue]:
    """The tuned defaults for the task."""
    classify = request.task.is_classification
    return {
        "hidden_sizes": [256, 256, 256],
        "activation": "selu" if classify else "mish",
        "dropout": 0.15,
        "front_scale": True,
        "numeric_embedding": "pbld",
        "frequencies": 16,
        "frequency_scale": 0.1,
        "embedding": 4,
        "category_embedding": 8,
        "one_hot_up_to": 9,
        "learning_rate": 0.04 if classify else 0.2,
        "weight_decay": 0.02,
        "batch_size": 256,
        "label_smoothing": 0.1 if classify else 0.0,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """All that is wrong with user parameters."""
    found = words.check(_KNOWN, params, request)
    named, _ = _KNOWN.translate(params)
    if isinstance(named.get("hidden_sizes"), list | tuple) and named["hidden_sizes"]:
        found += words.widths_problem("hidden_sizes", named["hidden_sizes"], "[256, 256, 256]")
    if found:
        return found
    values = words.merged(_KNOWN, params, defaults(request))
    given = [name for name, value in named.items() if value != defaults(request)[name]]
    return without_effect(given, values, _EFFECTS)


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """User parameters over the tuned defaults."""
    values = words.merged(_KNOWN, params, defaults(request))
    return words.network_plan("mlp", values, request, _TRAINING, FEATURES)
