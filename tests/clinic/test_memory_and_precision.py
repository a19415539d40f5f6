"""A training that does not fit is made to fit: found, named, and as good as the healthy one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clinic.cases import run
from tests.clinic.memory_and_precision import HEALTHY_HALF, IN_FLOAT32, OVERFLOW, WIDE

pytest.importorskip("torch")


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is on address space, as Linux counts it")
def test_a_real_limit_of_memory_halves_the_batch_and_the_loss_stays(tmp_path: Path) -> None:
    """A pass over 1,024 rows keeps two matrices of 1,024 x 16,384 floats and needs a third: 64 MiB each."""
    command = [sys.executable, "-m", "tests.clinic.memory_and_precision", str(tmp_path / "limited"), "420"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert set(seen["codes"]) & set(WIDE.expected)
    assert seen["after"][-1]["batch_size"] < 1024
    assert seen["after"][-1]["step_rows"] == 1024
    healthy = run(WIDE, tmp_path / "free")
    assert not set(healthy.codes) & set(WIDE.expected)
    assert seen["loss"] == pytest.approx(healthy.loss, rel=1e-4)


def test_activations_beyond_fp16_are_found_and_trained_in_another_format(tmp_path: Path) -> None:
    seen, healthy = run(OVERFLOW, tmp_path / "sick"), run(IN_FLOAT32, tmp_path / "healthy")
    assert set(seen.codes) & set(OVERFLOW.expected)
    assert seen.repairs == ("precision",)
    assert seen.loss is not None
    assert healthy.loss is not None
    assert seen.loss == pytest.approx(healthy.loss, rel=0.1)


def test_fp16_that_holds_its_values_is_left_alone(tmp_path: Path) -> None:
    seen = run(HEALTHY_HALF, tmp_path)
    assert (seen.codes, seen.repairs) == ((), ())
