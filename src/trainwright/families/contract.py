"""What a family module provides. `trainwright.families.testing` holds this as a test suite.

A family is one module with these names::

    ENGINES: tuple[str, ...]              # engines that can train it, the default first
    TASKS: frozenset[Task]
    SUMMARY: str                          # one line for `trainwright families`
    SOURCE: str                           # where the defaults and the search space come from
    FEATURES: FeatureStyle
    SPACE: Mapping[str, Range]            # the published search space
    def defaults(request: Request) -> dict[str, JsonValue]
    def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]
    def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan
    PORTFOLIO: tuple[tuple[Mapping[str, JsonValue], str], ...]   # may be absent: (parameters, source), tried first

`problems` is asked before `build`; `build` may assume there were none. Importing a family imports no framework:
`problems` and `build` import it inside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the family needs to know about the work: the task, its size, and the spec's rounds if given.

    ``rows`` and ``columns`` count training rows and feature columns (0 when not known yet, as while a spec is only
    being checked). ``target_is_count`` says that a regression target holds non-negative integers. ``image`` is the
    (channels, height, width) that images will have, empty where rows are none or nothing is known yet. ``base`` is the
    folder that relative paths in parameters start from. ``estimator`` is what a spelled ``model_type`` names.
    """

    task: Task
    num_classes: int = 0
    rows: int = 0
    columns: int = 0
    rounds: int | None = None
    target_is_count: bool = False
    estimator: str = ""
    image: tuple[int, ...] = ()
    base: str = ""


NO_EFFECT = "has no effect"
"""How a problem begins of a parameter that is right in itself and does nothing beside the others."""

SAME = "is another name of"
"""How a problem begins of a parameter that is there twice, under two names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamProblem:
    """A parameter that cannot be: its name, what is wrong, the fix."""

    name: str
    what: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """One dimension of a search space: numbers from ``low`` to ``high`` (both included), or ``choices``.

    ``when`` makes the dimension conditional: ``{"boosting": ("dart",)}`` applies only with those values.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    integer: bool = False
    step: float | None = None
    choices: tuple[JsonValue, ...] = ()
    when: Mapping[str, tuple[JsonValue, ...]] = field(default_factory=dict)


class Family(Protocol):
    """The type of a family module."""

    ENGINES: tuple[str, ...]
    TASKS: frozenset[Task]
    SUMMARY: str
    SOURCE: str
    FEATURES: FeatureStyle
    SPACE: Mapping[str, Range]

    def defaults(self, request: Request) -> dict[str, JsonValue]:
        """The family's strongest published parameters for this work."""
        ...

    def problems(self, params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
        """All that is wrong with user parameters: unknown names, wrong types, values out of limits."""
        ...

    def build(self, params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
        """Merge user parameters over the defaults into a plan for the engine."""
        ...
