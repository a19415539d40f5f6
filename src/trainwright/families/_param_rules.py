"""Checks of user parameters against a table: names, aliases, types, limits, and whether they have any effect."""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from trainwright.core.jsonable import JsonValue
from trainwright.families.contract import ParamProblem

Params: TypeAlias = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a parameter's value must be. ``above``: strictly above ``low``. ``below``: strictly below ``high``."""

    kind: Literal["number", "whole", "flag", "choice", "list", "text"]
    low: float | None = None
    high: float | None = None
    above: bool = False
    below: bool = False
    choices: tuple[JsonValue, ...] = ()

    def broken_by(self, value: JsonValue) -> str:
        """What is wrong with the value; empty when nothing is."""
        match self.kind:
            case "flag":
                return "" if isinstance(value, bool) else f"must be true or false, got {value!r}"
            case "choice":
                fits = any(value == c and type(value) is type(c) for c in self.choices)
                return "" if fits else f"must be one of {', '.join(map(str, self.choices))}, got {value!r}"
            case "list":
                return "" if isinstance(value, list | tuple) and value else f"must be a list, got {value!r}"
            case "text":
                return "" if isinstance(value, str) and value else f"must be text, got {value!r}"
            case _:
                return self._number_broken_by(value)

    def _number_broken_by(self, value: JsonValue) -> str:
        what = "a whole number" if self.kind == "whole" else "a number"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"must be {what}, got {value!r}"
        if not math.isfinite(value):
            return f"must be finite, got {value}"
        if self.kind == "whole" and value != int(value):
            return f"must be {what}, got {value!r}"
        if self.low is not None and (value < self.low or (self.above and value == self.low)):
            return f"must be {'above' if self.above else 'at least'} {self.low:g}, got {value!r}"
        if self.high is not None and (value > self.high or (self.below and value == self.high)):
            return f"must be {'below' if self.below else 'at most'} {self.high:g}, got {value!r}"
        return ""


def number(low: float | None = None, high: float | None = None, *, above: bool = False, below: bool = False) -> Rule:
    """A finite number within limits."""
    return Rule(kind="number", low=low, high=high, above=above, below=below)


def whole(low: float | None = None, high: float | None = None) -> Rule:
    """A whole number within limits."""
    return Rule(kind="whole", low=low, high=high)


def choice(*choices: JsonValue) -> Rule:
    """One of some values."""
    return Rule(kind="choice", choices=choices)


FLAG = Rule(kind="flag")
LIST = Rule(kind="list")
TEXT = Rule(kind="text")
SHARE = number(0, 1, above=True)
NOT_NEGATIVE = number(0)


@dataclass(frozen=True, slots=True)
class Effect:
    """``names`` do something only where ``holds``, given all parameters of the model; ``needs`` says when."""

    names: tuple[str, ...]
    needs: str
    holds: Callable[[Params], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The parameter names of a library, which messages call ``package``.

    ``decided`` maps a name to where in the spec that decision is made. ``native_aliases`` imports the library and
    returns every name it knows, mapped to the name it stands for; it is asked only about names not found in ``rules``,
    ``decided`` or ``aliases``.
    """

    package: str
    rules: Mapping[str, Rule]
    decided: Mapping[str, str]
    aliases: Mapping[str, str]
    native_aliases: Callable[[], Mapping[str, str]]

    def canonical(self, name: str) -> str | None:
        """The name a user's name stands for, or None when nobody knows it."""
        if name in self.rules or name in self.decided:
            return name
        return self.aliases.get(name) or self.native_aliases().get(name)

    def translate(self, params: Params) -> tuple[dict[str, JsonValue], list[ParamProblem]]:
        """User parameters under their canonical names, and the problems with their names."""
        named: dict[str, JsonValue] = {}
        written: dict[str, str] = {}
        found: list[ParamProblem] = []
        for name, value in params.items():
            canonical = self.canonical(name)
            if canonical is None:
                found.append(self._unknown(name))
            elif canonical in self.decided:
                found.append(ParamProblem(name=name, what="Trainwright sets it", fix=self.decided[canonical]))
            elif canonical not in self.rules:
                what = f"{self.package} knows it, but it has no effect on training here"
                found.append(ParamProblem(name=name, what=what, fix="leave it out"))
            elif canonical in written:
                what = f"is another name of {written[canonical]!r}, which is given too"
                found.append(ParamProblem(name=name, what=what, fix="give one of them"))
            else:
                named[canonical] = value
                written[canonical] = name
        return named, found

    def value_problems(self, named: Params) -> list[ParamProblem]:
        """Values of the wrong type or out of limits."""
        pairs = ((name, self.rules[name].broken_by(value)) for name, value in named.items())
        return [ParamProblem(name=name, what=what) for name, what in pairs if what]

    def _unknown(self, name: str) -> ParamProblem:
        known = sorted({*self.rules, *self.aliases, *self.decided})
        close = difflib.get_close_matches(name, known, n=1)
        fix = f"did you mean {close[0]!r}?" if close else f"parameters: {', '.join(sorted(self.rules))}"
        return ParamProblem(name=name, what=f"{self.package} has no such parameter", fix=fix)


def without_effect(given: Iterable[str], merged: Params, effects: Sequence[Effect]) -> list[ParamProblem]:
    """Parameters a user gave that do nothing in this configuration."""
    names = set(given)
    return [
        ParamProblem(name=name, what="has no effect in this configuration", fix=f"it needs {effect.needs}")
        for effect in effects
        for name in effect.names
        if name in names and not effect.holds(merged)
    ]


def is_one_of(name: str, *values: JsonValue) -> Callable[[Params], bool]:
    """Whether a parameter has one of some values."""
    return lambda params: params.get(name) in values


def is_on(name: str) -> Callable[[Params], bool]:
    """Whether a flag is true."""
    return lambda params: params.get(name) is True
