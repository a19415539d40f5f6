"""Commands in copies of a process that has the libraries loaded already.

Four fifths of the processor time of a command on a tiny table are imports. Here one process imports once and forks for
every command, which then goes its whole way: its own folder, environment, arguments, streams, signals, exit code and
end. What copies share is the seed of Python's hashes and whatever importing leaves behind, so tests of reproducibility
and of imports start processes of their own.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages

from trainwright.report.page.html import page_templates
from trainwright.report.rendering import text_templates

_LIBRARIES = (
    "numpy", "scipy.stats", "pandas", "pyarrow.parquet", "pyarrow.csv", "pyarrow.dataset", "ruamel.yaml", "skops.io",
    "psutil", "jinja2", "pydantic.type_adapter", "matplotlib.figure", "matplotlib.backends.backend_agg",
    "sklearn.compose", "sklearn.dummy", "sklearn.ensemble", "sklearn.linear_model", "sklearn.metrics",
    "sklearn.model_selection", "sklearn.preprocessing", "lightgbm", "torch", "safetensors.torch",
)  # fmt: skip
_LAYERS = ("apps", "checks", "core", "data", "doctor", "fit", "report", "run", "search", "spec", "stages")
"""Packages of ours that are loaded as they are; families, engines and trackers load libraries not everybody has."""
_LONGEST = 1 << 17  # bytes of a command with its environment; a packet must fit the socket's buffer (208 KiB on Linux)


class Copy:
    """A command in a copy, started: what tests use of `subprocess.Popen`. Standard output is there at the end."""

    def __init__(self, arguments: Sequence[str], told: int, stderr: int, stdout: Path) -> None:
        self.args, self.returncode = list(arguments), None if told else 0
        self.stderr = open(stderr, encoding="utf-8")  # noqa: SIM115 - closed by `communicate`
        self._told = open(told, "rb", buffering=0)  # noqa: SIM115
        self._stdout = stdout
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        return self.wait(0.0)

    def wait(self, timeout_s: float | None = None) -> int | None:
        """The exit code; None where it runs still after that many seconds."""
        if self.returncode is None and select.select([self._told], [], [], timeout_s)[0]:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; standard output, and what was not read yet of standard error.

        Raises:
            TimeoutError: it was not done in that many seconds, and was killed.
        """
        late = threading.Event()
        timer = threading.Timer(timeout or 0.0, lambda: (late.set(), self.kill()))
        if timeout is not None:
            timer.start()
        with self.stderr:
            stderr = self.stderr.read()
        self.wait()
        timer.cancel()
        stdout = self._stdout.read_text(encoding="utf-8")
        self._stdout.unlink()
        if late.is_set():
            raise TimeoutError(f"{' '.join(self.args)} took more than {timeout:g} s")
        return stdout, stderr


class Warm:
    """The process that forks, seen from the tests."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.pipeline.warm", str(theirs.fileno())],
                cwd=Path(__file__).resolve().parents[2],
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.close)

    def start(self, arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> Copy:
        """Start a command."""
        number, stdout = tempfile.mkstemp(prefix="stdout-")
        told, tells = os.pipe()
        stderr, writes = os.pipe()
        asked = json.dumps({"arguments": list(arguments), "cwd": str(cwd), "env": dict(environment)}).encode()
        assert len(asked) <= _LONGEST
        socket.send_fds(self._line, [asked], [tells, number, writes])
        for passed in (tells, number, writes):
            os.close(passed)
        return Copy(arguments, told, stderr, Path(stdout))

    def close(self) -> None:
        """End the process that forks."""
        self._line.close()
        self._server.wait()


@functools.cache
def warm() -> Warm:
    """The one of this test process."""
    return Warm()


def _serve(line: socket.socket) -> None:
    """Fork for every command that comes, and tell how each ended."""
    _load()
    running: dict[int, int] = {}  # a process, and where its end is told
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([line, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _tell_ends(running)
        if line in ready:
            text, passed, _, _ = socket.recv_fds(line, _LONGEST, 3)
            if not text:
                return
            tells, *streams = passed
            if not (pid := os.fork()):
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                line.close()
                for number in (woken, wakes, tells, *running.values()):
                    os.close(number)
                _become(json.loads(text), *streams)
            running[pid] = tells
            os.write(tells, b"%d\n" % pid)
            for number in streams:
                os.close(number)


def _tell_ends(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        tells = running.pop(pid)
        os.write(tells, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(tells)


def _load() -> None:
    for name in _LIBRARIES:
        if find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    for layer in _LAYERS:
        package = importlib.import_module(f"trainwright.{layer}")
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for templates, ends in ((text_templates(), (".md.j2", ".py.j2")), (page_templates(), (".html.j2",))):
        for name in templates.list_templates(filter_func=lambda name, ends=ends: name.endswith(ends)):
            templates.get_template(name)
    gc.collect()
    gc.freeze()  # a copy neither looks through what is loaded nor writes to its pages


def _become(asked: Mapping[str, object], stdout: int, stderr: int) -> None:
    """A command as if it were started: it ends the process."""
    environment, arguments = asked["env"], asked["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.chdir(str(asked["cwd"]))
    os.environ.clear()
    os.environ.update(environment)
    for number, passed in enumerate((os.open(os.devnull, os.O_RDONLY), stdout, stderr)):
        os.dup2(passed, number)
        os.close(passed)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - for good
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    import trainwright.__main__ as module

    sys.modules["__main__"] = module
    sys.argv = [str(module.__file__), *arguments]
    module.main()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
