"""The family contract as a test suite: subclass it with ``family`` set, or parametrise over `registry.names`.

@pytest.mark.parametrize("name", registry.names("families"))
class TestEveryFamily(FamilyContract): ...

A family that is reached by a spelling is asked about its ``EXAMPLE``, if it has one.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import get_args

from trainwright.core import registry
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import Task
from trainwright.families._spelled import FAMILIES
from trainwright.families.contract import Family, Range, Request

SIZES = ((0, 0), (30, 2), (1_000, 10), (300_000, 200))
"""(rows, columns) every family is asked about; zeros while a spec is only being checked."""

_ESTIMATORS = {
    Task.BINARY: "sklearn.linear_model.LogisticRegression",
    Task.MULTICLASS: "sklearn.linear_model.LogisticRegression",
    Task.REGRESSION: "sklearn.linear_model.Ridge",
    Task.LANGUAGE: "",
}
_CLASSES = {Task.BINARY: 2, Task.MULTICLASS: 4, Task.REGRESSION: 0, Task.LANGUAGE: 0}


def requests(family: Family) -> Iterator[Request]:
    """Every task at every size."""
    for task, (rows, columns) in product(sorted(family.TASKS), SIZES):
        yield Request(
            task=task, num_classes=_CLASSES[task], rows=rows, columns=columns, estimator=estimator_of(family, task)
        )


def estimator_of(family: Family, task: Task) -> str:
    """What the spec's spelling would name."""
    example: str = getattr(family, "EXAMPLE", _ESTIMATORS[task])
    return example


def settings(space: Mapping[str, Range]) -> Iterator[dict[str, JsonValue]]:
    """Each end and each choice of each dimension, with the values its condition asks for."""
    for name, dimension in space.items():
        needed = [[(other, value) for value in values] for other, values in dimension.when.items()]
        for condition, value in product(product(*needed), ends(dimension)):
            yield {**dict(condition), name: value}


def ends(dimension: Range) -> tuple[JsonValue, ...]:
    """The values at the border of a dimension."""
    if dimension.choices:
        return dimension.choices
    assert dimension.low is not None
    assert dimension.high is not None
    return tuple(int(v) if dimension.integer else float(v) for v in (dimension.low, dimension.high))


class FamilyContract:
    """What holds for every family."""

    def test_describes_itself(self, name: str) -> None:
        family = load(name)
        assert family.SUMMARY.strip()
        assert len(family.SUMMARY) <= 120
        assert family.SOURCE.strip(), "where the defaults come from must be said"
        assert family.TASKS
        assert set(family.TASKS) <= set(Task)
        assert family.FEATURES in get_args(FeatureStyle)
        assert family.ENGINES

    def test_ranges_are_whole(self, name: str) -> None:
        for key, dimension in load(name).SPACE.items():
            assert bool(dimension.choices) != (dimension.low is not None and dimension.high is not None), key
            if dimension.low is not None and dimension.high is not None:
                assert dimension.low < dimension.high, key
                assert not dimension.log or dimension.low > 0, key
            assert set(dimension.when) <= set(load(name).SPACE), key

    def test_defaults_have_no_problems(self, name: str) -> None:
        family = load(name)
        for request in requests(family):
            assert family.problems(family.defaults(request), request) == [], request
            assert family.problems({}, request) == [], request

    def test_the_space_is_within_the_limits(self, name: str) -> None:
        family = load(name)
        for task in sorted(family.TASKS):
            request = Request(
                task=task, num_classes=_CLASSES[task], rows=5_000, columns=20, estimator=estimator_of(family, task)
            )
            for params in settings(family.SPACE):
                assert family.problems(params, request) == [], params
                check_plan(family.build(params, request), family)

    def test_a_typo_is_named_with_the_nearest_name(self, name: str) -> None:
        family = load(name)
        for request in requests(family):
            known = sorted({*family.defaults(request), *family.SPACE})
            if not known and request.task is Task.LANGUAGE:
                continue  # character frequencies have no parameter to be near to
            for key in known or ["fit_intercept"]:
                condition = family.SPACE[key].when if key in family.SPACE else {}
                params: dict[str, JsonValue] = {other: values[0] for other, values in condition.items()}
                typo = f"{key}z"
                found = [p for p in family.problems({**params, typo: 1}, request) if p.name == typo]
                assert len(found) == 1
                assert key in found[0].what + found[0].fix, found[0]

    def test_all_mistakes_come_at_once(self, name: str) -> None:
        family = load(name)
        for request in requests(family):
            problems = family.problems({"zzz_one": 1, "zzz_two": 2}, request)
            assert {p.name for p in problems} == {"zzz_one", "zzz_two"}

    def test_builds_a_plan_for_its_engine(self, name: str) -> None:
        family = load(name)
        for request in requests(family):
            plan = family.build({}, request)
            check_plan(plan, family)
            assert plan.family == name
            assert family.build({}, request) == plan, "the same question gives the same plan"

    def test_rounds_of_the_spec_count(self, name: str) -> None:
        family = load(name)
        for request in requests(family):
            if family.build({}, request).unit == "fit":
                continue
            assert family.build({}, replace(request, rounds=7)).rounds == 7


def check_plan(plan: ModelPlan, family: Family) -> None:
    """A plan is complete and made of JSON values; its engine is one of the family's, and exists."""
    assert plan.engine in family.ENGINES
    assert plan.engine in registry.names("engines")
    assert plan.rounds >= 1
    assert plan.patience >= 0
    assert plan.loss
    assert plan.unit != "fit" or plan.rounds == 1
    assert json.loads(json.dumps(to_json(plan.params))) == to_json(plan.params)
    assert not any(isinstance(v, float) and not math.isfinite(v) for v in plan.params.values())
    decided = {"random_state", "seed", "random_seed", "n_jobs", "num_threads", "nthread", "thread_count"}
    assert not decided & set(plan.params), "the engine sets seed and threads from the job"


def load(name: str) -> Family:
    """The family of that name, of a plug-in or of a spelling."""
    return FAMILIES[name] if name in FAMILIES else registry.load("families", name)
