"""A user's own feature pipeline: a Python builder, a skops file, or steps in YAML."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import SpecError
from trainwright.core.registry import unknown
from trainwright.data.user_code import load_name, output_aside

if TYPE_CHECKING:
    from sklearn.base import TransformerMixin

_EXAMPLE = "Write for example {steps: [{sklearn.preprocessing.StandardScaler: {}}]}."
_CODE_TAKING = frozenset({"FunctionTransformer"})  # its parameters are functions, which YAML cannot hold


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturePipeline:
    """Where the pipeline comes from, and how to get a fresh, unfitted one for every fit."""

    origin: str
    build: "Callable[[], TransformerMixin]"


def load_pipeline(value: str | Mapping[str, object], *, base: Path, trust_code: bool) -> FeaturePipeline:
    """Read the spec's ``data.feature_pipeline``. Relative paths start from ``base``.

    Raises:
        SpecError: the value is none of the three forms, names an unknown transformer or parameter, or is Python code
            and ``trust_code`` is not set.
        ArtifactRefused: a skops file with types outside the fixed list.
    """
    if isinstance(value, Mapping):
        steps = _steps(value)
        return FeaturePipeline(origin="{steps}", build=lambda: _pipeline(steps))
    if value.endswith(".skops"):
        return _from_skops(base / value, value)
    path, colon, function = value.rpartition(":")
    if not colon or not path.endswith(".py"):
        raise SpecError(
            f"data.feature_pipeline: 'file.py:function', 'file.skops' or steps are required, got {value!r}. {_EXAMPLE}"
        )
    if not trust_code:
        raise SpecError(
            f"data.feature_pipeline: {value} is Python code, and a spec may not run code by itself. "
            "Read the file, then allow it with --trust-code (API: trust_code=True)."
        )
    return _from_python(base / path, function, value)


def _from_skops(path: Path, origin: str) -> FeaturePipeline:
    from sklearn.base import clone

    from trainwright.data.archive import decode

    if not path.is_file():
        raise SpecError(f"data.feature_pipeline: there is no file {path}. Relative paths start from the spec's folder.")
    transformer = decode(path)
    _check_transformer(transformer, origin)
    return FeaturePipeline(origin=origin, build=lambda: clone(transformer))


def _from_python(path: Path, function: str, origin: str) -> FeaturePipeline:
    builder = load_name(path, function, where="data.feature_pipeline", what="function")
    if not callable(builder):
        raise SpecError(f"data.feature_pipeline: {origin} must be a function, and it is a {type(builder).__name__}.")

    def build() -> "TransformerMixin":
        try:
            with output_aside():
                transformer = builder()
        except Exception as error:  # the user's own code: anything may come
            raise SpecError(f"data.feature_pipeline: {origin} failed: {type(error).__name__}: {error}.") from error
        return _check_transformer(transformer, origin)

    build()
    return FeaturePipeline(origin=origin, build=build)


def _check_transformer(value: object, origin: str) -> "TransformerMixin":
    if not (hasattr(value, "fit_transform") and hasattr(value, "transform")) or isinstance(value, type):
        raise SpecError(
            f"data.feature_pipeline: {origin} must give an unfitted scikit-learn transformer (with fit_transform and "
            f"transform), and gives {value!r:.100}."
        )
    return value


def _steps(value: Mapping[str, object]) -> list[tuple[str, dict[str, object]]]:
    """The steps as (import path, parameters), each checked; nothing outside scikit-learn is imported."""
    if set(value) != {"steps"} or not isinstance(value["steps"], list) or not value["steps"]:
        raise SpecError(f"data.feature_pipeline: a mapping with the one key steps, a list, is required. {_EXAMPLE}")
    steps: list[tuple[str, dict[str, object]]] = []
    for number, step in enumerate(value["steps"], start=1):
        where = f"data.feature_pipeline: step {number}"
        if isinstance(step, str):
            step = {step: {}}
        if not isinstance(step, Mapping) or len(step) != 1:
            raise SpecError(f"{where}: one transformer with its parameters is required, got {step!r}. {_EXAMPLE}")
        ((name, parameters),) = step.items()
        if parameters is None:
            parameters = {}
        if not isinstance(parameters, Mapping):
            raise SpecError(f"{where}: {name}: parameters must be a mapping, got {parameters!r}.")
        _check_step(where, str(name), parameters)
        steps.append((str(name), dict(parameters)))
    return steps


def _check_step(where: str, name: str, parameters: Mapping[str, object]) -> None:
    from sklearn.base import BaseEstimator

    kind = _sklearn_class(where, name)
    is_transformer = issubclass(kind, BaseEstimator) and hasattr(kind, "transform") and hasattr(kind, "fit")
    if not is_transformer or kind.__name__ in _CODE_TAKING:
        raise SpecError(f"{where}: {name} is no transformer that can be written as a step. {_EXAMPLE}")
    known = tuple(sorted(inspect.signature(kind).parameters))
    for key in parameters:
        if key not in known:
            raise SpecError(f"{where}: {name}: {unknown('parameter', str(key), known)}")
    try:
        made = kind(**{key: _value(v) for key, v in parameters.items()})
        made._validate_params()
    except (ValueError, TypeError) as error:  # scikit-learn's InvalidParameterError is both
        raise SpecError(f"{where}: {name}: {error}") from error


def _sklearn_class(where: str, name: str) -> type:
    """A public class of scikit-learn by its path; importing scikit-learn is the only effect."""
    module, _, attribute = name.rpartition(".")
    if not module.startswith("sklearn.") or any(part.startswith("_") for part in name.split(".")):
        raise SpecError(f"{where}: {name!r} must be the import path of a scikit-learn transformer. {_EXAMPLE}")
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise SpecError(f"{where}: there is no module {module!r} in scikit-learn. {_EXAMPLE}") from error
    found = getattr(loaded, attribute, None)
    if not isinstance(found, type) or not found.__module__.startswith("sklearn."):
        public = tuple(n for n in getattr(loaded, "__all__", ()) if isinstance(getattr(loaded, n, None), type))
        raise SpecError(f"{where}: {unknown('transformer', attribute, public)}")
    return found


def _value(value: object) -> object:
    """YAML lists are lists; scikit-learn wants tuples for pairs such as ``ngram_range`` and ``feature_range``."""
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, int | float) for v in value):
        return tuple(value)
    return value


def _pipeline(steps: list[tuple[str, dict[str, object]]]) -> "TransformerMixin":
    from sklearn.pipeline import Pipeline

    made = [
        (f"{number}", _sklearn_class("data.feature_pipeline", name)(**{k: _value(v) for k, v in parameters.items()}))
        for number, (name, parameters) in enumerate(steps, start=1)
    ]
    return Pipeline(made)
