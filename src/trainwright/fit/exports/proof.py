"""The proof of an export: another process, which can import the format's runtime and nothing else of ours or of a
framework, loads it by its own loader, and scores the golden rows; the predictions are compared here."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import VerificationFailed
from trainwright.core.jsonable import JsonValue
from trainwright.fit.exports.golden import Golden
from trainwright.fit.formats.contract import ExportInput, Tolerance

if TYPE_CHECKING:
    import numpy as np

MANY_ROWS = 10_000
LIMIT_S = 300.0
"""The most a proof may take: assumption, a large network on a slow machine; one that hangs is a failure."""

_GUARD = """
import json, runpy, sys
allowed = set(json.loads(sys.argv[1]))
class Guarded:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        own = top in allowed or top in sys.stdlib_module_names or top.startswith("_sysconfigdata")
        return self.finder.find_spec(name, path, target) if own else None
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Guarded(finder) for finder in sys.meta_path]
report, sys.argv = sys.argv[2], sys.argv[3:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    known = {n.partition(".")[0] for n in sys.modules} - set(sys.stdlib_module_names)
    with open(report, "w") as file:
        json.dump(sorted(n for n in known if not n.startswith("_")), file)
"""
"""What keeps a module out: every finder is asked for the allowed ones only, so that others are not there, as on a
machine without them. At its end the process says which modules it held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What came of it. ``largest``: the largest difference, None where predictions are not finite or of another shape;
    ``at``: its row among the golden ones; ``why``: why it failed, empty where it passed."""

    passed: bool
    why: str
    largest: float | None
    at: int | None
    labels_differ: int
    rows_alone: int
    said: Mapping[str, JsonValue]
    modules: tuple[str, ...]


def golden_arrays(inputs: Sequence[ExportInput], golden: Golden) -> "dict[str, np.ndarray]":
    """The golden rows as the inputs take them, with what is expected: the content of ``golden.npz``."""
    import numpy as np

    arrays = {f"in/{one.name}": _input_values(one, golden) for one in inputs}
    arrays |= {"expected": golden.expected, "rows": golden.ids, "alone": golden.alone()}
    return {**arrays, "kinds": np.array(golden.kinds, dtype=str)}


def _input_values(one: ExportInput, golden: Golden) -> "np.ndarray":
    import numpy as np

    if one.kind == "matrix":
        return golden.matrices[one.member]
    assert golden.frame is not None
    values = golden.frame[one.column]
    if one.kind == "number":
        return values.to_numpy(dtype="float64")
    if one.kind == "moment":
        return values.astype("datetime64[us]").to_numpy().view("int64")
    return np.array(values.fillna("").tolist(), dtype=str)


def prove(folder: Path, runtime: Sequence[str], golden: Golden, tolerance: Tolerance, *, limit_s: float) -> Proof:
    """Run the loader of an export in a process of its own, and compare.

    Raises:
        VerificationFailed: the process failed, took too long, or held a module that it must not have.
    """
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="trainwright-proof-") as scratch:
        out, report = Path(scratch) / "predictions.npz", Path(scratch) / "modules.json"
        allowed = sorted(modules_of((*runtime, "numpy")))
        command = [
            sys.executable, "-I", "-c", _GUARD, json.dumps(allowed), str(report), str(folder / "loader.py"),
            "check", str(out), str(MANY_ROWS),
        ]  # fmt: skip
        said = _run(command, Path(scratch), limit_s)
        modules = tuple(json.loads(report.read_text(encoding="utf-8")))
        installed = {*metadata.packages_distributions(), "trainwright"}
        if foreign := sorted(set(modules) & installed - set(allowed)):
            raise VerificationFailed(f"the process of the proof held {', '.join(foreign)}, which it must not have")
        with np.load(out, allow_pickle=False) as found:
            return compare(found["together"], found["alone"], golden, tolerance, said, modules)


def _run(command: Sequence[str], folder: Path, limit_s: float) -> Mapping[str, JsonValue]:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise VerificationFailed(f"the export did not score its golden rows within {limit_s:.0f} s") from error
    lines = done.stdout.strip().splitlines()
    try:
        said = json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        ended = f"signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
        last = [line for line in done.stderr.splitlines() if line.strip()][-1:] or ["it said nothing"]
        raise VerificationFailed(f"the export cannot be loaded and run ({ended}): {last[0].strip()[:500]}") from error
    if not isinstance(said, dict):
        raise VerificationFailed(f"the loader must print a JSON object, got {lines[-1][:200]!r}")
    return said


def compare(
    together: "np.ndarray",
    alone: "np.ndarray",
    golden: Golden,
    tolerance: Tolerance,
    said: Mapping[str, JsonValue],
    modules: tuple[str, ...],
) -> Proof:
    """Hold predictions against the model's: of all rows ``together``, and of `Golden.alone` one by one."""
    import numpy as np

    expected, positions = golden.expected, golden.alone()
    if together.shape != expected.shape or alone.shape != expected[positions].shape:
        why = f"predictions have the shape {together.shape}, the model's have {expected.shape}"
        return Proof(
            passed=False, why=why, largest=None, at=None, labels_differ=0, rows_alone=len(alone), said=said,
            modules=modules,
        )  # fmt: skip
    difference = _by_row(together, expected)
    difference[positions] = np.maximum(difference[positions], _by_row(alone, expected[positions]))
    allowed = allowed_difference(tolerance, golden)
    at = int(np.argmax(np.where(np.isnan(difference), np.inf, difference)))
    passed = bool((difference <= allowed).all())
    largest = float(difference.max())
    labels = int((together.argmax(axis=1) != expected.argmax(axis=1)).sum()) if expected.ndim == 2 else 0
    return Proof(
        passed=passed,
        why="" if passed else _told(difference, golden, at, allowed),
        largest=largest if np.isfinite(largest) else None,
        at=at,
        labels_differ=labels,
        rows_alone=len(alone),
        said=said,
        modules=modules,
    )


def allowed_difference(tolerance: Tolerance, golden: Golden) -> float:
    """The difference that a tolerance allows for these rows."""
    import numpy as np

    return tolerance.share * (1.0 if golden.expected.ndim == 2 else float(np.abs(golden.expected).max(initial=0.0)))


def _by_row(found: "np.ndarray", expected: "np.ndarray") -> "np.ndarray":
    """The largest difference of each row; NaN where a prediction is not finite."""
    import numpy as np

    largest: np.ndarray = np.abs(found - expected).reshape(len(found), -1).max(axis=1, initial=0.0)
    return largest


def _told(difference: "np.ndarray", golden: Golden, at: int, allowed: float) -> str:
    wrong = int((~(difference <= allowed)).sum())
    return (
        f"{wrong} of {len(difference)} golden rows are predicted otherwise than by the trained model, by up to "
        f"{difference[at]:.3g} (row {int(golden.ids[at])}, {golden.kinds[at]}); {allowed:.1g} is allowed"
    )


def modules_of(names: Sequence[str]) -> set[str]:
    """The top-level modules of the distributions that provide these modules, and of all that those require."""
    by_module = metadata.packages_distributions()
    by_distribution: dict[str, set[str]] = {}
    for module, distributions in by_module.items():
        for distribution in distributions:
            by_distribution.setdefault(_plain(distribution), set()).add(module)
    found, waiting = set(names), [_plain(d) for name in names for d in by_module.get(name, ())]
    seen: set[str] = set()
    while waiting:
        distribution = waiting.pop()
        if distribution in seen:
            continue
        seen.add(distribution)
        found |= by_distribution.get(distribution, set())
        waiting += [_plain(need) for need in _needs(distribution)]
    return found - {"trainwright"}


def _needs(distribution: str) -> list[str]:
    """Names of what a distribution requires; of its extras nothing."""
    try:
        wanted = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    names = [re.match(r"[A-Za-z0-9._-]+", text) for text in wanted if "extra ==" not in text]
    return [name[0] for name in names if name]


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
