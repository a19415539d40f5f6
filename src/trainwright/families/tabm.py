"""TabM: an ensemble of perceptrons that share their weights."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _network_words as words
from trainwright.families._param_rules import Effect, choice, is_one_of, whole, without_effect
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("torch",)
TASKS = TABLE_TASKS
SUMMARY = "TabM: 32 perceptrons in one that share weights, among the best on tables; wants a GPU (PyTorch)"
SOURCE = (
    "Network and defaults: Gorishniy, Kotelnikov, Babenko, 'TabM: Advancing Tabular Deep Learning with "
    "Parameter-Efficient Ensembling', ICLR 2025 (yandex-research/tabm: README, section Hyperparameters; tabm.py "
    "58c8114, TabM.make). Search space: TabArena's (pytabkit 33cbf23, RandomParamsTabMAlgInterface). Patience 16 and "
    "gradients clipped to 1 as in its exp/*/0-evaluation/*.toml; its epochs have no ceiling, 300 is ours."
)
FEATURES: FeatureStyle = "native"
SPACE: Mapping[str, Range] = {
    "arch_type": Range(choices=("tabm", "tabm-mini")),
    "n_blocks": Range(low=2, high=5, integer=True),
    "d_block": Range(low=128, high=1024, integer=True, step=16),
    "dropout": Range(low=0.0, high=0.5),
    "numeric_embedding": Range(choices=("none", "piecewise")),
    "d_embedding": Range(low=8, high=32, integer=True, step=4),
    "n_bins": Range(low=2, high=128, integer=True, when={"numeric_embedding": ("piecewise",)}),
    "learning_rate": Range(low=1e-4, high=3e-3, log=True),
    "weight_decay": Range(low=1e-4, high=0.1, log=True),
}

_TRAINING = words.Training(epochs=300, patience=16, recipe={"clip_norm": 1.0})
_KNOWN = words.vocabulary(
    "tabm",
    rules={
        "arch_type": choice("tabm", "tabm-mini"),
        "k": words.WIDTH,
        "n_blocks": words.WIDTH,
        "d_block": words.WIDTH,
        "dropout": words.DROPOUT,
        "numeric_embedding": choice("none", "piecewise"),
        "n_bins": whole(2),
        "d_embedding": words.WIDTH,
        "one_hot_up_to": whole(0),
    },
    aliases={
        "tabm_k": "k",
        "num_embeddings": "numeric_embedding",
        "num_emb_type": "numeric_embedding",
        "num_emb_n_bins": "n_bins",
        "n_layers": "n_blocks",
    },
)
_EFFECTS = (Effect(("n_bins",), "numeric_embedding: piecewise", is_one_of("numeric_embedding", "piecewise")),)


def defaults(request: Request) -> dict[str, JsonValue]:
    """The published network; with piecewise embeddings its depth falls from 3 to 2, as published."""
    return {
        "arch_type": "tabm",
        "k": 32,
        "n_blocks": 3,
        "d_block": 512,
        "dropout": 0.1,
        "numeric_embedding": "none",
        "n_bins": 48,
        "d_embedding": 16,
        # Members multiply the width of the input; assumption: beyond this an embedding is the better use of it.
        "one_hot_up_to": 64,
        "learning_rate": 2e-3,
        "weight_decay": 3e-4,
        "batch_size": 256,
        "label_smoothing": 0.0,
    }


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """All that is wrong with user parameters."""
    found = words.check(_KNOWN, params, request)
    if found:
        return found
    named, _ = _KNOWN.translate(params)
    given = [name for name, value in named.items() if value != defaults(request)[name]]
    return without_effect(given, _values(params, request), _EFFECTS)


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """User parameters over the defaults."""
    return words.network_plan("tabm", _values(params, request), request, _TRAINING, FEATURES)


def _values(params: Mapping[str, JsonValue], request: Request) -> dict[str, JsonValue]:
    values = words.merged(_KNOWN, params, defaults(request))
    if values["numeric_embedding"] == "piecewise" and "n_blocks" not in _KNOWN.translate(params)[0]:
        values["n_blocks"] = 2
    return values
