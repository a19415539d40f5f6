"""Library exceptions turned into errors a user can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

from trainwright.core.errors import ArtifactRefused, TrainingFailed
from trainwright.core.packages import first_line


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
