"""The rule for files: every file that a spec names is there, may be read, and has the form its key needs."""

import ast
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from trainwright.core.code_files import is_code, split_code
from trainwright.spec.mistakes import Mistake, nearest, shown
from trainwright.spec.paths import path_problems

if TYPE_CHECKING:
    from trainwright.spec.load import LoadedSpec

_DATA_PATHS = ("train_path", "val_path", "test_path")


def data_files(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """Training, validation and test rows: there, readable, and not the same file twice."""
    seen: dict[str, str] = {}
    for key in _DATA_PATHS:
        text = getattr(loaded.spec.data, key)
        if text is None:
            continue
        path = f"data.{key}"
        if is_code(text):
            problems = list(_own_data(loaded, path, text))
        else:
            found = path_problems(loaded.base, text, many=True)
            problems = [loaded.mistake(path, what, fix, code="path") for what, fix in found]
        yield from problems
        if problems:
            continue
        real = os.path.realpath(loaded.base / text)
        if real in seen:
            what = f"the same file as data.{seen[real]}"
            yield loaded.mistake(path, what, "Name another file, or let split: hold rows out", code="conflict")
        seen.setdefault(real, key)


def _own_data(loaded: "LoadedSpec", path: str, text: str) -> Iterator[Mistake]:
    """A data set of the user's own: the form, the file, and that it has such a name. Nothing is run."""
    if loaded.spec.task == "language":
        what = "a language model reads a text, and this is Python code"
        yield loaded.mistake(path, what, "Write the text to a file and name it")
        return
    problems = list(_code_file(loaded, path, text, "./my_data.py:TrainSet"))
    yield from problems
    named = split_code(text)
    if problems or named is None:
        return
    try:
        names = _top_names((loaded.base / named[0]).read_text(encoding="utf-8"))
    except SyntaxError as error:
        yield loaded.mistake(path, f"{shown(named[0])}, line {error.lineno}: {error.msg}", "Mend the file")
        return
    except (OSError, ValueError) as error:
        yield loaded.mistake(path, f"{shown(named[0])} cannot be read as text: {error}", "Save the file as UTF-8")
        return
    if named[1] not in names and "*" not in names:
        near = nearest(named[1], sorted(names))
        fix = f"Did you mean {near}?" if near else f"It has: {', '.join(sorted(names)) or 'nothing'}"
        yield loaded.mistake(path, f"{shown(named[0])} has no class or function {named[1]!r}", fix)


def _top_names(source: str) -> set[str]:
    """What a file defines at its first level; ``*`` where it imports everything of another.

    Raises:
        SyntaxError: it is no Python.
    """
    names: set[str] = set()
    for node in _first_level(ast.parse(source).body):
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                names.add(node.name)
            case ast.Assign():
                names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            case ast.Import() | ast.ImportFrom():
                names |= {one.asname or one.name for one in node.names}
    return names


def _first_level(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Statements outside of classes and functions, also those under ``if`` and ``try``."""
    for node in nodes:
        yield node
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield from _first_level(ast.iter_child_nodes(node))


def code_files(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """An own model or feature pipeline: the form, then the file."""
    model = loaded.spec.architecture.model_type.strip()
    if model.startswith("hf/"):
        yield from _checkpoint(loaded, model.removeprefix("hf/"))
    elif model.startswith("timm/"):
        pass
    elif model.startswith(("./", "/")) or ".py" in model:
        yield from _code_file(loaded, "architecture.model_type", model, "./my_model.py:MyModel")
    yield from _pipeline(loaded)


def _checkpoint(loaded: "LoadedSpec", text: str) -> Iterator[Mistake]:
    """A folder with a config.json, or a config file; its content is the family's to judge."""
    path = "architecture.model_type"
    if not text or (text.count("/") == 1 and not (loaded.base / text.split("/")[0]).exists()):
        what = f"{shown(text)} is no local folder, and nothing is downloaded"
        yield loaded.mistake(path, what, "Save the checkpoint beside the spec, and write hf/FOLDER", code="path")
        return
    file = text if (loaded.base / text).is_file() else f"{text}/config.json"
    for what, fix in path_problems(loaded.base, file, many=False):
        yield loaded.mistake(path, what, fix, code="path")


def _pipeline(loaded: "LoadedSpec") -> Iterator[Mistake]:
    path, value = "data.feature_pipeline", loaded.spec.data.feature_pipeline
    if isinstance(value, dict):
        steps = value.get("steps")
        if not isinstance(steps, list) or not steps:
            yield loaded.mistake(path, "a pipeline as a mapping needs a list of steps", "Write {steps: [...]}")
        for key in value:
            if key != "steps":
                yield loaded.mistake(f"{path}.{key}", f"unknown key {shown(key)}", "Only steps is known here")
    elif value is not None and value.endswith(".skops"):
        for what, fix in path_problems(loaded.base, value, many=False):
            yield loaded.mistake(path, what, fix, code="path")
    elif value is not None:
        yield from _code_file(loaded, path, value, "features.py:build, pipeline.skops or {steps: [...]}")


def _code_file(loaded: "LoadedSpec", path: str, text: str, form: str) -> Iterator[Mistake]:
    found = split_code(text)
    if found is None:
        yield loaded.mistake(path, f"{shown(text)} does not name something in a file", f"Write {form}")
        return
    for what, fix in path_problems(loaded.base, found[0], many=False):
        yield loaded.mistake(path, what, fix, code="path")
