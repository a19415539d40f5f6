"""What the run ran on: versions, hardware, git state, command line."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from trainwright import __version__
from trainwright.core.jsonable import JsonValue
from trainwright.core.secrets import hidden

_PACKAGES = (
    "numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "skops", "lightgbm", "xgboost", "xgboost-cpu", "catboost",
    "torch", "safetensors", "transformers", "tokenizers", "timm", "pillow", "pydantic", "ruamel.yaml",
)  # fmt: skip


def describe_environment(seed: int, threads: int, cwd: Path) -> dict[str, JsonValue]:
    """Everything that is written to ``environment.json``. No host name, no user name, no environment variables."""
    return {
        "trainwright": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": package_versions(),
        "hardware": {"cpu": _cpu_name(), "cores": available_cores(), "memory_bytes": _memory(), "gpus": []},
        "threads": threads,
        "seeds": {"root": seed, "random": seed, "numpy": seed},
        "git": _git_state(cwd),
        "command": [Path(sys.argv[0]).name, *(hidden(argument) for argument in sys.argv[1:])],
    }


def package_versions() -> dict[str, JsonValue]:
    """Versions of the installed packages that shape a result."""
    found: dict[str, JsonValue] = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def available_cores() -> int:
    """Cores this process may use (a container's CPU mask is honoured)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory() -> int:
    import psutil

    return int(psutil.virtual_memory().total)


def _git_state(cwd: Path) -> dict[str, JsonValue] | None:
    try:
        commit = _git(cwd, "rev-parse", "HEAD")
        dirty = bool(_git(cwd, "status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": dirty}


def _git(cwd: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
