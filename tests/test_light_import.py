"""What only lists or explains stays light: no numerical library is loaded. Timings never decide this."""

import json
import os
import subprocess
import sys

import pytest

# DESIGN section 5's list, and every other library that takes longer than a tenth of a second to import.
HEAVY = (
    "torch", "sklearn", "pandas", "xgboost", "lightgbm", "tensorflow", "mlflow", "optuna", "ray",
    "numpy", "scipy", "catboost", "matplotlib", "pyarrow", "skops", "joblib", "jinja2", "transformers",
)  # fmt: skip

_REPORT = """
import atexit, json, os, sys
def tell():
    loaded = sorted(m for m in {heavy!r} if m in sys.modules)
    open({path!r}, "w").write(json.dumps(loaded))
atexit.register(tell)
"""


def _loaded_by(code, tmp_path):
    """Heavy modules in `sys.modules` when a fresh interpreter that ran the code ends, and what it printed."""
    path = tmp_path / "loaded.json"
    done = subprocess.run(
        [sys.executable, "-c", _REPORT.format(heavy=HEAVY, path=str(path)) + code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    return done, json.loads(path.read_text())


_COMMAND = "sys.argv = ['trainwright', *{args!r}]\nfrom trainwright.apps.cli import main\nmain()\n"


@pytest.mark.parametrize(
    "args",
    [["--help"], ["--version"], ["families"], ["families", "--json"], ["schema"], ["train", "--help"]],
    ids=" ".join,
)  # fmt: skip
def test_a_command_that_only_explains_loads_nothing_heavy(args, tmp_path):
    done, loaded = _loaded_by(_COMMAND.format(args=args), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert loaded == []


def test_help_loads_no_layer_that_does_the_work(tmp_path):
    """Light modules add up, too: a dozen layers made `--help` take three times as long."""
    layers = ("stages", "search", "checks", "fit", "families", "engines", "data", "trackers", "report", "spec")
    code = (
        f"import atexit\nours = tuple(f'trainwright.{{name}}' for name in {layers})\n"
        "sys.argv = ['trainwright', '--help']\n"
        "atexit.register(lambda: print(*(m for m in sys.modules if m.startswith(ours)), file=sys.stderr))\n"
        "from trainwright.apps.cli import main\nmain()\n"
    )
    done, _ = _loaded_by(code, tmp_path)
    assert done.returncode == 0
    assert done.stderr.split() == []


@pytest.mark.parametrize(
    "code",
    [
        "import trainwright; dir(trainwright)",
        "import trainwright.pipeline",
        "from trainwright.core import metrics, tasks\nmetrics.find('neg_log_loss', tasks.Task.BINARY)",
        "from trainwright.core import registry\nregistry.names('engines'); registry.names('families')",
    ],
    ids=["package", "pipeline", "metric name", "registry"],
)
def test_importing_loads_nothing_heavy(code, tmp_path):
    done, loaded = _loaded_by(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert loaded == []


# Classes of layers derive from torch's own, so the files of the PyTorch engine import it at their top. Its door, and
# what others may read of it, stay light, as does every module elsewhere: so nobody outside pulls these in by an import.
_BEHIND_THE_DOOR = "trainwright.engines.torch."
_LIGHT_THERE = {_BEHIND_THE_DOOR + name for name in ("recipe", "networks", "networks.contract")}


def test_every_module_of_ours_imports_without_anything_heavy(tmp_path):
    code = (
        "import importlib, pkgutil, trainwright\n"
        f"door, light = {_BEHIND_THE_DOOR!r}, {sorted(_LIGHT_THERE)!r}\n"
        "seen = set()\n"
        "for m in pkgutil.walk_packages(trainwright.__path__, 'trainwright.'):\n"
        "    seen.add(m.name)\n"
        "    if not m.name.endswith('__main__') and (not m.name.startswith(door) or m.name in light):\n"
        "        importlib.import_module(m.name)\n"
        f"        heavy = [h for h in {HEAVY!r} if h in sys.modules]\n"
        "        if heavy:\n"
        "            sys.exit(f'{m.name} imports {heavy}')\n"
        "assert seen >= {'trainwright.engines.torch', *light}, 'a name above is no module any more'\n"
    )
    done, loaded = _loaded_by(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert loaded == []


def test_the_measuring_itself_sees_what_is_loaded(tmp_path):
    _, loaded = _loaded_by("import numpy", tmp_path)
    assert loaded == ["numpy"]


def test_scikit_learn_on_disk_does_not_load_torch(tmp_path):
    code = "from trainwright.run.archive import decode, encode\nassert encode([1])"
    done, loaded = _loaded_by(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "sklearn" in loaded
    assert "torch" not in loaded
