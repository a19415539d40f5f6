"""``hyperparameter_search.search_space``: what is wrong with a range, before any library sees it."""

import math
from collections.abc import Iterator, Mapping
from typing import Literal

from trainwright.spec.mistakes import nearest, shown

_KEYS = ("low", "high", "log", "int", "step", "choices", "when")
_RANGE_KEYS = ("low", "high", "log", "int", "step")
_EXAMPLE = "Write {low: 0.01, high: 0.3, log: true} or a list of choices"


def range_problems(value: object, method: Literal["grid", "random", "bayesian"]) -> Iterator[tuple[str, str, str]]:
    """What is wrong with one dimension: (key inside it or "", what, fix)."""
    if isinstance(value, list | tuple):
        yield from _choice_problems(value, "")
    elif not isinstance(value, dict):
        fix = f"{_EXAMPLE}; a fixed value belongs in architecture.architecture_spec"
        yield "", f"a range or a list is needed, got {shown(value)}", fix
    else:
        yield from _mapping_problems(value, method)


def _mapping_problems(value: Mapping[str, object], method: str) -> Iterator[tuple[str, str, str]]:
    for key in value:
        if key not in _KEYS:
            near = nearest(key, _KEYS)
            yield key, f"unknown key {shown(key)}", f"Did you mean {near}?" if near else f"Known: {', '.join(_KEYS)}"
    if "when" in value and not (isinstance(value["when"], dict) and value["when"]):
        yield "when", "a mapping parameter -> list of values is needed", "Write when: {boosting: [dart]}"
    if "choices" in value:
        yield from _choice_problems(value["choices"], "choices")
        if mixed := [k for k in _RANGE_KEYS if k in value]:
            yield mixed[0], f"{mixed[0]} has no effect beside choices", "Keep the range or the choices"
        return
    broken = list(_type_problems(value))
    yield from broken
    if not broken:
        yield from _order_problems(value, method)


def _choice_problems(value: object, key: str) -> Iterator[tuple[str, str, str]]:
    if not isinstance(value, list | tuple) or not value:
        yield key, "the list of choices is empty or no list", "Write for example [gbdt, dart]"
        return
    if any(
        isinstance(v, dict) or (isinstance(v, list) and any(isinstance(one, dict | list) for one in v)) for v in value
    ):
        yield key, "choices must be single values or lists of them", "Write for example [gbdt, dart]"
        return
    names = [f"{type(v).__name__}:{v}" for v in value]
    if len(set(names)) < len(names):
        repeated = next(v for v, name in zip(value, names, strict=True) if names.count(name) > 1)
        yield key, f"the choice {shown(repeated)} is there twice", "Keep one"


def _type_problems(value: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    for key in ("low", "high"):
        if key not in value:
            yield "", f"the range has no {key}", _EXAMPLE
    for key in ("low", "high", "step"):
        number = value.get(key)
        if key in value and (isinstance(number, bool) or not isinstance(number, int | float)):
            yield key, f"a number is needed, got {shown(number)}", "Write it without quotes"
        elif isinstance(number, float) and not math.isfinite(number):
            yield key, f"a finite number is needed, got {shown(number)}", "Write a number"
    for key in ("log", "int"):
        if key in value and not isinstance(value[key], bool):
            yield key, f"true or false is needed, got {shown(value[key])}", f"Write {key}: true"


def _order_problems(value: Mapping[str, object], method: str) -> Iterator[tuple[str, str, str]]:
    low, high, step = (_number(value, key) for key in ("low", "high", "step"))
    if low >= high:
        yield "high", f"high must be above low, got low {low:g} and high {high:g}", "Exchange or widen them"
    if value.get("log") and low <= 0:
        yield "low", f"a log range must begin above 0, got {low:g}", "Raise low, or drop log: true"
    if "step" in value:
        if step <= 0:
            yield "step", f"step must be above 0, got {step:g}", "Write a positive step or none"
        elif step > high - low > 0:
            yield "step", f"a step of {step:g} is wider than the range", "Write a smaller step"
        if value.get("log"):
            yield "step", "step and log: true exclude each other", "Keep one of them"
    for key, number in (("low", low), ("high", high), ("step", step)):
        if value.get("int") and key in value and number != int(number):
            yield key, f"with int: true a whole number is needed, got {number:g}", "Round it, or drop int: true"
    if method == "grid" and "step" not in value and not value.get("int"):
        yield "", "a grid needs a finite list of values", "Add a step, or write a list of choices"


def _number(value: Mapping[str, object], key: str) -> float:
    number = value.get(key, 0)
    assert isinstance(number, int | float)
    return number
