"""One process at a time works on a run; the kernel frees the lock when that process dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainwright.core.errors import ResourceMissing


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run.

    Raises:
        ResourceMissing: another process holds it; the message names its pid.
    """
    path = run / ".lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise ResourceMissing(
                f"{run} is in use by another process (pid {holder}). Wait for it, or stop it and resume."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
