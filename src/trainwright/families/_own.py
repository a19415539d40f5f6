"""Your own model: a class or function in a Python file, ``model_type: ./my_model.py:Net``.

Reached by that spelling, not by a name: it is no plug-in. The file is read, and its parameters are told from its text,
without running it; the engine runs it, where the user said ``--trust-code``.
"""

import ast
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import Task
from trainwright.families.contract import ParamProblem, Range, Request

NAME = "own"
ENGINES = ("torch",)
TASKS = frozenset({Task.BINARY, Task.MULTICLASS, Task.REGRESSION})
SUMMARY = "Your own torch.nn.Module from a Python file (needs --trust-code)"
SOURCE = "Your file. The recipe around it is AdamW at 1e-3 with 5% warm-up and cosine decay (assumption)."
FEATURES: FeatureStyle = "scaled"
SPACE: Mapping[str, Range] = {}

_GIVEN = ("inputs", "outputs")  # what the engine passes by name where the signature asks for it
_STYLES: tuple[FeatureStyle, ...] = ("scaled", "native", "ordinal", "nonnegative", "image", "tokens", "array")
_EPOCHS, _PATIENCE = 100, 10  # assumption
_RECIPE: Mapping[str, JsonValue] = {
    "batch_size": 256,
    "optimizer": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.01},
    "scheduler": {"name": "cosine", "warmup": 0.05},
    "clip_norm": 1.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signature:
    """What the text of a file says about one class or function."""

    accepted: tuple[str, ...]
    required: tuple[str, ...]
    takes_any: bool
    style: FeatureStyle


def defaults(request: Request) -> dict[str, JsonValue]:
    """None: what the spec does not set has the default of the user's own signature."""
    return {}


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """A file that is no Python, a name that is not in it, arguments that its signature does not take or misses."""
    path, name = _split(request.estimator)
    try:
        found = _signature(path.read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        return [ParamProblem(name="", what=f"{path} cannot be read: {error}")]
    except SyntaxError as error:
        return [ParamProblem(name="", what=f"{path.name}, line {error.lineno}: {error.msg}", fix="Mend the file")]
    except LookupError as error:
        return [ParamProblem(name="", what=str(error.args[0]), fix=str(error.args[1]))]
    mistakes = [] if found.takes_any else [_unknown(key, found, name) for key in params if key not in found.accepted]
    mistakes += [
        ParamProblem(name=key, what=f"{name} needs the argument {key}", fix="Write it under architecture_spec")
        for key in found.required
        if key not in params
    ]
    return mistakes


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan that carries the text of the file, so that the run does not depend on where it lies."""
    path, name = _split(request.estimator)
    source = path.read_text(encoding="utf-8")
    return ModelPlan(
        family=NAME,
        engine="torch",
        estimator=NAME,
        params={"file": path.name, "name": name, "source": source, "arguments": dict(params)},
        rounds=request.rounds or _EPOCHS,
        patience=_PATIENCE,
        features=_signature(source, name).style,
        loss="log loss" if request.task.is_classification else "squared error",
        unit="epoch",
        accepts_sparse=False,
        options={"recipe": dict(_RECIPE)},
        holds_code=True,
    )


def is_file(model_type: str) -> bool:
    """Whether a ``model_type`` is spelled as something in a Python file."""
    return model_type.strip().startswith(("./", "/")) or ".py" in model_type


def _split(estimator: str) -> tuple[Path, str]:
    path, _, name = estimator.rpartition(":")
    return Path(path), name


def _signature(source: str, name: str) -> _Signature:
    """Raises SyntaxError for a text that is no Python, LookupError (what, fix) where the name is not in it."""
    top = {n.name: n for n in ast.parse(source).body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    if name not in top:
        close = difflib.get_close_matches(name, top, n=1)
        raise LookupError(f"the file has no class or function {name!r}", f"It has: {', '.join(close or sorted(top))}")
    node = top[name]
    style = next((s for s in map(_style, node.body) if s), FEATURES)
    function = node
    if isinstance(node, ast.ClassDef):
        own = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if own is None:  # inherited: the signature is somewhere else
            return _Signature(accepted=(), required=(), takes_any=True, style=style)
        function = own
    assert isinstance(function, ast.FunctionDef)
    a = function.args
    named = [arg.arg for arg in (*a.posonlyargs, *a.args)][isinstance(node, ast.ClassDef) :]
    required = [*named[: len(named) - len(a.defaults)]]
    required += [arg.arg for arg, default in zip(a.kwonlyargs, a.kw_defaults, strict=True) if default is None]
    accepted = [*named, *(arg.arg for arg in a.kwonlyargs)]
    return _Signature(
        accepted=tuple(n for n in accepted if n not in _GIVEN),
        required=tuple(n for n in required if n not in _GIVEN),
        takes_any=a.kwarg is not None,
        style=style,
    )


def _style(statement: ast.stmt) -> FeatureStyle | None:
    """``FEATURES = "image"`` in a class body says what its rows are."""
    match statement:
        case ast.Assign(targets=[ast.Name(id="FEATURES")], value=ast.Constant(value=str(text))):
            return next((style for style in _STYLES if style == text), None)
    return None


def _unknown(key: str, found: _Signature, name: str) -> ParamProblem:
    close = difflib.get_close_matches(key, found.accepted, n=1)
    fix = f"Did you mean {close[0]}?" if close else f"It takes: {', '.join(found.accepted) or 'nothing else'}"
    return ParamProblem(name=key, what=f"{name} takes no argument {key!r}", fix=fix)
