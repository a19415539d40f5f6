"""The rule for files: every file that a spec names is there, may be read, and has the form its key needs."""

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainwright.spec.mistakes import Mistake, shown
from trainwright.spec.paths import path_problems

if TYPE_CHECKING:
    from trainwright.spec.load import LoadedSpec

_FUNCTION = re.compile(r"(?P<file>.+\.py):(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
_DATA_PATHS = ("train_path", "val_path", "test_path")


def data_files(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """Training, validation and test rows: there, readable, and not the same file twice."""
    seen: dict[str, str] = {}
    for key in _DATA_PATHS:
        text = getattr(loaded.spec.data, key)
        if text is None:
            continue
        path = f"data.{key}"
        problems = list(path_problems(loaded.base, text, many=True))
        yield from (loaded.mistake(path, what, fix, code="path") for what, fix in problems)
        if problems:
            continue
        real = os.path.realpath(loaded.base / text)
        if real in seen:
            what = f"the same file as data.{seen[real]}"
            yield loaded.mistake(path, what, "Name another file, or let split: hold rows out", code="conflict")
        seen.setdefault(real, key)


def code_files(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """An own model or feature pipeline: the form, then the file."""
    model = loaded.spec.architecture.model_type.strip()
    if model.startswith(("./", "/")) or ".py" in model:
        yield from _code_file(loaded, "architecture.model_type", model, "./my_model.py:MyModel")
    yield from _pipeline(loaded)


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
    found = _FUNCTION.fullmatch(text)
    if found is None:
        yield loaded.mistake(path, f"{shown(text)} does not name something in a file", f"Write {form}")
        return
    for what, fix in path_problems(loaded.base, found["file"], many=False):
        yield loaded.mistake(path, what, fix, code="path")
