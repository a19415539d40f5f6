"""What `trainwright --help` costs over bare Python, and what it loads. Run: python benchmarks/startup.py [repeats]."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HEAVY = {"numpy", "scipy", "pandas", "pyarrow", "sklearn", "matplotlib", "xgboost", "lightgbm", "catboost", "torch"}
HEAVY |= {"tensorflow", "mlflow", "optuna", "ray"}
SOURCE = Path(__file__).resolve().parents[1] / "src"
COMMANDS = {
    "bare python": ["-c", "pass"],
    "import trainwright": ["-c", "import trainwright"],
    "trainwright --help": ["-m", "trainwright", "--help"],
    "trainwright families": ["-m", "trainwright", "families"],
    "trainwright schema": ["-m", "trainwright", "schema"],
}


def run(arguments: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter on this checkout's source.

    Raises:
        CalledProcessError: the command failed.
    """
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, *options, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)


def seconds(arguments: list[str], repeats: int) -> float:
    """Median wall-clock seconds, after one run that warms the file cache and writes the bytecode."""
    run(arguments)
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        run(arguments)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def imported(arguments: list[str]) -> list[tuple[float, str]]:
    """Every module of `-X importtime`: own milliseconds and name, slowest first."""
    rows = []
    for line in run(arguments, "-X", "importtime").stderr.splitlines():
        own, _, name = (part.strip() for part in line.removeprefix("import time:").split("|"))
        if own.isdigit():
            rows.append((int(own) / 1000, name))
    return sorted(rows, reverse=True)


def main() -> None:
    """Print the table, then the slowest packages of ``--help``."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    bare = seconds(COMMANDS["bare python"], repeats)
    print(f"median of {repeats}, {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    print("| command | seconds | over bare python | modules | heavy modules loaded |")
    print("| --- | --- | --- | --- | --- |")
    for name, arguments in COMMANDS.items():
        taken = bare if name == "bare python" else seconds(arguments, repeats)
        modules = [m for _, m in imported(arguments)]
        heavy = sorted({m.split(".")[0] for m in modules} & HEAVY)
        print(f"| `{name}` | {taken:.3f} | {taken - bare:.3f} | {len(modules)} | {', '.join(heavy) or 'none'} |")
    packages: dict[str, float] = {}
    for own, module in imported(COMMANDS["trainwright --help"]):
        packages[module.split(".")[0]] = packages.get(module.split(".")[0], 0.0) + own
    slowest = sorted(packages.items(), key=lambda p: -p[1])[:8]
    print("\nslowest packages of --help (milliseconds, own time): " + ", ".join(f"{n} {ms:.0f}" for n, ms in slowest))


if __name__ == "__main__":
    main()
