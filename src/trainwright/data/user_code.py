"""Running a user's Python file, where the user allowed it, and taking one name from it."""

import contextlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from trainwright.core.errors import SpecError
from trainwright.core.registry import unknown


def load_name(path: Path, name: str, *, where: str, what: str) -> object:
    """Run a file and give the object of that name; ``where`` is the key of the spec, ``what`` the kind of object.

    Raises:
        SpecError: there is no such file, it fails, or it has no such name.
    """
    if not path.is_file():
        raise SpecError(f"{where}: there is no file {path}. Relative paths start from the spec's folder.")
    spec = importlib.util.spec_from_file_location(f"_user_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickling look their module up by name
    try:
        with output_aside():
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's own code: anything may come
        raise SpecError(f"{where}: {path} failed to import: {type(error).__name__}: {error}.") from error
    if not hasattr(module, name):
        own = (n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__)
        raise SpecError(f"{where}: {path.name}: {unknown(what, name, tuple(sorted(own)))}")
    found: object = getattr(module, name)
    return found


@contextlib.contextmanager
def output_aside() -> Iterator[None]:
    """What the code prints goes to standard error: standard output is the command's answer."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def needs_arguments(maker: object) -> tuple[str, ...]:
    """Names of arguments without a default; none where the signature cannot be told."""
    if not callable(maker):
        return ()
    try:
        known = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):
        return ()
    given = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return tuple(p.name for p in known if p.default is inspect.Parameter.empty and p.kind not in given)
