"""Commands in copies of a process that has the libraries loaded already.

Four fifths of the processor time of a command on a tiny table are imports. Here one process imports once and forks for
every command, which then goes its whole way: its own folder, environment, arguments, streams, exit code and end. What
copies share is the seed of Python's hashes and whatever importing leaves behind, so tests of reproducibility, of kills
and of imports start processes of their own.
"""

import atexit
import functools
import importlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_LOADED = (
    "trainwright.apps.cli", "trainwright.pipeline", "trainwright.report.figures", "trainwright.report.documents",
    "numpy", "scipy.stats", "pandas", "pyarrow.parquet", "pyarrow.csv", "ruamel.yaml", "skops.io", "psutil", "jinja2",
    "sklearn.compose", "sklearn.dummy", "sklearn.ensemble", "sklearn.linear_model", "sklearn.metrics",
    "sklearn.model_selection", "sklearn.preprocessing", "matplotlib.figure", "matplotlib.backends.backend_agg",
)  # fmt: skip


class Warm:
    """The process that forks, seen from the tests. One command at a time."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.pipeline.warm"],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        atexit.register(self.close)

    def run(
        self, arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str], streams: Path, timeout_s: float
    ) -> int:
        """Run a command to its end; its standard output and error are the files ``stdout`` and ``stderr`` of a folder.

        Raises:
            TimeoutError: it was not done in time, and was killed.
        """
        asked = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(environment), "streams": str(streams)}
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(asked).encode() + b"\n")
        pid = int(self._server.stdout.readline())
        ended, _, _ = select.select([self._server.stdout], [], [], timeout_s)
        if not ended:
            os.kill(pid, signal.SIGKILL)
        code = int(self._server.stdout.readline())
        if not ended:
            raise TimeoutError(f"{' '.join(arguments)} took more than {timeout_s:g} s")
        return code

    def close(self) -> None:
        """End the process that forks."""
        self._server.stdin.close() if self._server.stdin else None
        self._server.wait()
        self._server.stdout.close() if self._server.stdout else None


@functools.cache
def warm() -> Warm:
    """The one of this test process."""
    return Warm()


def _serve() -> None:
    for name in _LOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _become(json.loads(line))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _become(asked: Mapping[str, object]) -> None:
    """A command as if it were started: it ends the process."""
    folder, environment, arguments = Path(str(asked["streams"])), asked["env"], asked["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.chdir(str(asked["cwd"]))
    os.environ.clear()
    os.environ.update(environment)
    for number, name, mode in ((0, os.devnull, "r"), (1, folder / "stdout", "w"), (2, folder / "stderr", "w")):
        with Path(name).open(mode) as stream:
            os.dup2(stream.fileno(), number)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - for good
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    import trainwright.__main__ as module

    sys.modules["__main__"] = module
    sys.argv = [str(module.__file__), *arguments]
    module.main()


if __name__ == "__main__":
    _serve()
