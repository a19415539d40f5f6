"""Library exceptions turned into errors a user can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

from trainwright.core.errors import ArtifactRefused, ResourceMissing, TrainingFailed, missing_extra


@contextmanager
def needs_package(module: str, extra: str) -> Iterator[None]:
    """Around the import of an optional library.

    Raises:
        ResourceMissing: the package is absent, or present and broken (a system library such as libgomp is missing).
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == module:
            raise missing_extra(module, extra) from error
        raise _broken(module, error) from error
    except Exception as error:  # a broken binary package fails its import with OSError and others
        raise _broken(module, error) from error


def _broken(module: str, error: Exception) -> ResourceMissing:
    return ResourceMissing(
        f"{module} is installed but cannot be imported: {type(error).__name__}: {first_line(error)}. "
        "Install the system library it names (for libgomp: apt-get install libgomp1), or reinstall the package"
    )


@contextmanager
def training_errors(library: str, *kinds: type[Exception]) -> Iterator[None]:
    """Around native training calls.

    Raises:
        TrainingFailed: the library raised one of ``kinds``; the message keeps its first line, not its stack trace.
    """
    try:
        yield
    except kinds as error:
        raise TrainingFailed(f"{library} stopped: {first_line(error)}") from error


@contextmanager
def parsing_errors(library: str, *kinds: type[Exception]) -> Iterator[None]:
    """Around the parsing of a native model file.

    Raises:
        ArtifactRefused: the library raised one of ``kinds``.
    """
    try:
        yield
    except kinds as error:
        raise ArtifactRefused(f"{library} cannot read the model file: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The part of a native error that is meant for people."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip().rstrip(".") if lines else type(error).__name__
