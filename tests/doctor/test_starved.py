"""A training that waits is told once, and again only after it was well in between."""

import pytest

from trainwright.core.findings import Finding
from trainwright.doctor.symptoms import Waits, starved


def told(units: list[dict[str, float]], seconds: float = 1.0) -> list[tuple[int, Finding]]:
    """The findings of a training, with the number of the unit (from 1) at which they were made."""
    waits, found = Waits(), []
    for step, values in enumerate(units, start=1):
        waits, finding = starved(waits, values, seconds, step=step, stage="fit")
        if finding is not None:
            found.append((step, finding))
    return found


def waiting(*shares: float, use: float | None = None) -> list[dict[str, float]]:
    more = {} if use is None else {"device_use_percent": use}
    return [{"data_wait_share": share, **more} for share in shares]


def test_waiting_half_of_the_time_is_told_once() -> None:
    ((step, finding),) = told(waiting(*[0.5] * 20))
    assert step == 3
    assert finding.code == "doctor.starved"
    assert "50%" in finding.what
    assert "num_workers" in finding.fix


@pytest.mark.parametrize("shares", [[0.49] * 20, [0.0, 0.0, 1.0] * 6, [1.0, 0.0, 0.0, 0.0, 0.0]])
def test_less_than_half_is_no_starvation(shares: list[float]) -> None:
    assert told(waiting(*shares)) == []


def test_around_the_threshold_it_is_told_once_and_after_a_recovery_again() -> None:
    assert [step for step, _ in told(waiting(*[0.6, 0.4] * 10))] == [3]
    assert [step for step, _ in told(waiting(*[0.6] * 4, *[0.1] * 4, *[0.6] * 4))] == [3, 11]


def test_a_second_of_training_is_looked_at_before_anything_is_said() -> None:
    assert told(waiting(*[0.9] * 7), seconds=0.125) == []
    assert [step for step, _ in told(waiting(*[0.9] * 30), seconds=0.125)] == [8]


def test_a_device_that_idles_beside_full_plates_is_told_apart() -> None:
    ((step, finding),) = told(waiting(*[0.05] * 9, use=12.0))
    assert (step, finding.code) == (3, "doctor.device_idle")
    assert "12%" in finding.what
    assert told(waiting(*[0.05] * 9, use=40.0)) == []
    ((_, hungry),) = told(waiting(*[0.8] * 9, use=12.0))
    assert hungry.code == "doctor.starved"


def test_engines_that_do_not_measure_it_are_never_starved() -> None:
    assert told([{"loss": 1.0}] * 9) == []
