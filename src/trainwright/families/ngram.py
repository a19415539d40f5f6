"""An n-gram language model: the mark a trained one must beat."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import Task
from trainwright.families import _sklearn_params as checked
from trainwright.families._ngram import FEATURES as STYLE
from trainwright.families._ngram import ngram_plan
from trainwright.families._param_rules import choice, whole
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("ngram",)
TASKS = frozenset({Task.LANGUAGE})
SUMMARY = "Interpolated n-gram language model, counted in seconds: the baseline of language models"
SOURCE = (
    "Witten & Bell 1991, 'The zero-frequency problem', method C, interpolated as in Chen & Goodman 1999. Order 5: the "
    "best of 1 to 8 on the validation part of tiny_shakespeare."
)
FEATURES: FeatureStyle = STYLE
SPACE: Mapping[str, Range] = {"order": Range(low=2, high=8, integer=True)}

_RULES = {"order": whole(1, 16), "tokenizer": choice("auto", "char", "bpe"), "vocabulary": whole(258)}


def defaults(request: Request) -> dict[str, JsonValue]:
    """Five characters, the last one predicted."""
    return {"order": 5, "tokenizer": "auto", "vocabulary": 1024}


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """Unknown names, and values out of limits."""
    found = [checked.unknown(name, tuple(_RULES), "ngram") for name in params if name not in _RULES]
    pairs = ((name, _RULES[name].broken_by(value)) for name, value in params.items() if name in _RULES)
    return found + [ParamProblem(name=name, what=what) for name, what in pairs if what]


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan for the ngram engine."""
    values = {**defaults(request), **params}
    return ngram_plan("ngram", int(str(values["order"])), {key: values[key] for key in ("tokenizer", "vocabulary")})
