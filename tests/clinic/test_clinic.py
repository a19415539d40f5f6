"""The doctor finds what is broken and leaves healthy trainings alone.

A few of each kind run always; all of them with ``TRAINWRIGHT_CLINIC=all``. The measure is `benchmarks/clinic.py`.
"""

import os
from pathlib import Path

import pytest

from tests.clinic.cases import Case, all_cases, healthy, run, sick, tuning

pytest.importorskip("torch")
pytest.importorskip("lightgbm")
pytest.importorskip("xgboost")

_EVERY = 1 if os.environ.get("TRAINWRIGHT_CLINIC") == "all" else 4
"""A fast part is every fourth case."""


def held_out(cases: list[Case]) -> list[Case]:
    return [case for case in cases if not tuning(case)][:: max(1, _EVERY // 2)] if _EVERY > 1 else cases


def test_the_clinic_is_large_enough_and_names_are_its_own() -> None:
    assert len(sick()) >= 25
    assert len(healthy()) >= 25
    names = [case.name for case in all_cases()]
    assert len(set(names)) == len(names)
    assert all(case.healthy_as in names for case in sick() if case.healthy_as)


@pytest.mark.parametrize("case", held_out(sick()), ids=lambda case: case.name)
def test_what_is_broken_is_found(case: Case, tmp_path: Path) -> None:
    seen = run(case, tmp_path)
    assert set(seen.codes) & set(case.expected), seen.codes


@pytest.mark.parametrize("case", held_out(healthy()), ids=lambda case: case.name)
def test_a_healthy_training_is_left_alone(case: Case, tmp_path: Path) -> None:
    seen = run(case, tmp_path)
    assert seen.codes == ()
    assert seen.repairs == ()
