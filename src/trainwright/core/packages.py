"""Optional packages: one that is absent or broken is told with what to do."""

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from trainwright.core.errors import ResourceMissing, missing_extra


@contextmanager
def needs_package(module: str, extra: str, *, hint: str = "") -> Iterator[None]:
    """Around the import of an optional library. ``hint`` is what to do where it is there and broken.

    Raises:
        ResourceMissing: the package is absent, or present and broken (a system library such as libgomp is missing).
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == module:
            raise missing_extra(module, extra) from error
        raise _broken(module, error, hint) from error
    except Exception as error:  # a broken binary package fails its import with OSError and others
        raise _broken(module, error, hint) from error


def whole_or_absent(module: str, *, hint: str) -> None:
    """Import a package that another one would import on its own, where it is installed at all.

    Raises:
        ResourceMissing: it is there and broken.
    """
    if importlib.util.find_spec(module) is not None:
        with needs_package(module, "", hint=hint):
            importlib.import_module(module)


def first_line(error: BaseException) -> str:
    """The part of a library's error that is meant for people."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip().rstrip(".") if lines else type(error).__name__


def _broken(module: str, error: Exception, hint: str) -> ResourceMissing:
    usual = "Install the system library it names (for libgomp: apt-get install libgomp1), or reinstall the package"
    return ResourceMissing(
        f"{module} is installed but cannot be imported: {type(error).__name__}: {first_line(error)}. {hint or usual}"
    )
