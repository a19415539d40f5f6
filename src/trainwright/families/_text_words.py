"""What families that read token ids share: the parameters of the tokenizer, and their way into the plan."""

from collections.abc import Mapping
from dataclasses import replace

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import ModelPlan
from trainwright.families import _network_words as words
from trainwright.families._param_rules import Rule, Vocabulary, choice, whole
from trainwright.families.contract import ParamProblem, Request

BYTES = 258
"""The smallest vocabulary of byte pairs: padding, unknown, and every byte."""

TOKEN_RULES: Mapping[str, Rule] = {
    "tokenizer": choice("char", "word", "bpe"),
    "vocabulary": whole(3),
    "length": whole(1),
}
TOKEN_ALIASES: Mapping[str, str] = {
    "vocab_size": "vocabulary",
    "max_length": "length",
    "max_len": "length",
    "seq_len": "length",
    "sequence_length": "length",
}
BLOCK_RULES: Mapping[str, Rule] = {
    "width": words.WIDTH,
    "layers": whole(1),
    "heads": whole(1),
    "hidden_factor": Rule(kind="number", low=0, above=True),
    "activation": choice("swiglu", "relu2", "gelu"),
    "dropout": words.DROPOUT,
}
BLOCK_ALIASES: Mapping[str, str] = {
    "d_model": "width",
    "n_embd": "width",
    "hidden_size": "width",
    "n_layer": "layers",
    "num_layers": "layers",
    "n_head": "heads",
    "num_heads": "heads",
    "nhead": "heads",
}


def check(
    known: Vocabulary, params: Mapping[str, JsonValue], defaults: Mapping[str, JsonValue], request: Request
) -> list[ParamProblem]:
    """Names, types and limits; that bytes fit the vocabulary, and heads divide the width into pairs."""
    length = known.translate(params)[0].get("length")
    asked = {name: v for name, v in params.items() if not (length == "auto" and known.canonical(name) == "length")}
    found = words.check(known, asked, request)
    if found:
        return found
    values = {**defaults, **known.translate(params)[0]}
    given = known.translate(params)[0]
    size = values.get("vocabulary")
    if values.get("tokenizer") == "bpe" and isinstance(size, int | float) and size < BYTES:
        name = "vocabulary" if "vocabulary" in given else "tokenizer"
        what = f"byte pairs need a vocabulary of at least {BYTES}, got {size}"
        found.append(ParamProblem(name=name, what=what, fix="raise vocabulary, or write tokenizer: char"))
    width, heads = values.get("width"), values.get("heads")
    if isinstance(width, int | float) and isinstance(heads, int | float) and width % (2 * heads):
        name = "heads" if "heads" in given else "width"
        what = f"the width ({width}) must be heads ({heads}) times an even number"
        found.append(ParamProblem(name=name, what=what, fix="change one of them, for example width: 128, heads: 4"))
    return found


def text_plan(plan: ModelPlan, *keys: str) -> ModelPlan:
    """The plan with the tokenizer's parameters where the features look for them."""
    features = {key: plan.params[key] for key in keys}
    params = {name: value for name, value in plan.params.items() if name not in features}
    return replace(plan, params=params, options={**plan.options, "features": features})
