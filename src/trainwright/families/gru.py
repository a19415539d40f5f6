"""A bidirectional GRU for texts."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.families import _recurrent as shared
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("torch",)
TASKS = TABLE_TASKS
SUMMARY = "Bidirectional GRU over a text column, tokenizer included (PyTorch)"
SOURCE = shared.SOURCE
FEATURES: FeatureStyle = shared.FEATURES
SPACE: Mapping[str, Range] = shared.SPACE


def defaults(request: Request) -> dict[str, JsonValue]:
    """One layer of 64 each way."""
    return shared.defaults(request)


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """All that is wrong with user parameters."""
    return shared.problems("gru", params, request)


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """User parameters over the defaults."""
    return shared.build("gru", params, request)
