"""The proof's process: what it can import, and what becomes of loaders that fail."""

from pathlib import Path

import numpy as np
import pytest

from trainwright.core.errors import VerificationFailed
from trainwright.fit.exports.golden import GIVEN, Golden
from trainwright.fit.exports.proof import allowed_difference, compare, modules_of, prove
from trainwright.fit.formats.contract import EXACT, FLOAT

GOLDEN = Golden(
    matrices=(np.zeros((3, 1)),),
    frame=None,
    ids=np.array([7, 8, 9]),
    kinds=(GIVEN, GIVEN, "made missing: x"),
    expected=np.array([1.0, 2.0, 40.0]),
)


def run_loader(folder: Path, code: str) -> None:
    """A proof of a folder whose loader is this code."""
    (folder / "loader.py").write_text(code)
    prove(folder, (), GOLDEN, EXACT, limit_s=30.0)


@pytest.mark.parametrize("name", ["trainwright", "sklearn", "pandas"])
def test_what_is_not_the_runtime_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(VerificationFailed, match=f"No module named '{name}'"):
        run_loader(tmp_path, f"import numpy\nimport {name}\n")


def test_a_probe_finds_nothing_either(tmp_path: Path) -> None:
    code = "import importlib.util, sys\nsys.exit(repr(importlib.util.find_spec('trainwright')))"
    with pytest.raises(VerificationFailed, match=r"exit 1\): None"):
        run_loader(tmp_path, code)


def test_a_process_that_dies_or_hangs_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(VerificationFailed, match="signal 9"):
        run_loader(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    (tmp_path / "loader.py").write_text("import time\ntime.sleep(60)\n")
    with pytest.raises(VerificationFailed, match="within 0 s"):
        prove(tmp_path, (), GOLDEN, EXACT, limit_s=0.3)


def test_the_runtimes_modules_are_what_it_requires() -> None:
    assert "scipy" in modules_of(("sklearn",))
    assert "numpy" in modules_of(("sklearn",))
    assert "trainwright" not in modules_of(("sklearn", "trainwright"))


def test_rows_alone_are_compared_too() -> None:
    assert GOLDEN.alone().tolist() == [0, 1, 2]
    assert GOLDEN.alone(given=1).tolist() == [0, 2]
    proof = compare(GOLDEN.expected, GOLDEN.expected + np.array([0.0, 0.0, 0.5]), GOLDEN, FLOAT, {}, ())
    assert not proof.passed
    assert (proof.largest, proof.at) == (0.5, 2)
    assert "row 9, made missing: x" in proof.why


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_never_passes(wrong: float) -> None:
    found = np.array([1.0, wrong, 40.0])
    proof = compare(found, GOLDEN.expected, GOLDEN, FLOAT, {}, ())
    assert not proof.passed
    assert (proof.largest, proof.at) == (None, 1)


def test_another_shape_never_passes() -> None:
    proof = compare(np.zeros((3, 2)), np.zeros((3, 2)), GOLDEN, FLOAT, {}, ())
    assert not proof.passed
    assert "shape" in proof.why


def test_the_tolerance_grows_with_the_values_and_not_with_probabilities() -> None:
    assert allowed_difference(FLOAT, GOLDEN) == pytest.approx(40 * FLOAT.share)
    import dataclasses

    shares = dataclasses.replace(GOLDEN, expected=np.full((3, 2), 0.5))
    assert allowed_difference(FLOAT, shares) == FLOAT.share
    assert allowed_difference(EXACT, GOLDEN) == 0.0
