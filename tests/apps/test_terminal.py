"""On a terminal: live progress, colours unless NO_COLOR says no."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys, trainwright
from pathlib import Path
from tests.apps.fake_pipeline import FakePipeline, result
sys.modules["trainwright.pipeline"] = trainwright.pipeline = FakePipeline(lambda: result(Path("runs/x")))
from trainwright.apps.cli import main
sys.argv = ["trainwright", "train", "spec.yaml"]
main()
"""

pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")


def on_terminal(extra: dict[str, str]) -> str:
    """What a person sees."""
    child, master = pty.fork()
    if child == 0:
        environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "CI")}
        environment |= {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "TERM": "xterm-256color", **extra}
        os.execve(sys.executable, [sys.executable, "-c", CODE], environment)
    seen = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux says so when the other side is gone
            break
        if not part:
            break
        seen += part
    os.close(master)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return seen.decode()


# forking a process with threads (pytest-timeout's, for one) warns; the child only calls exec
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(("extra", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_terminal(extra: dict[str, str], coloured: bool) -> None:
    seen = on_terminal(extra)
    assert "\x1b[2K" in seen, "a line that is replaced"
    assert ("\x1b[32m" in seen) is coloured
    assert "roc_auc" in seen
    assert "early stopping; val log_loss 0.0526" in seen
