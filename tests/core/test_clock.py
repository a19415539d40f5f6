"""Clocks."""

from datetime import UTC

from trainwright.core.clock import ManualClock, SystemClock


def test_a_manual_clock_moves_only_when_told():
    clock = ManualClock()
    start = clock.now()
    assert clock.elapsed() == 0
    clock.advance(90.5)
    assert clock.elapsed() == 90.5
    assert (clock.now() - start).total_seconds() == 90.5
    assert clock.now().tzinfo is UTC


def test_the_systems_clock_never_goes_back():
    clock = SystemClock()
    first = clock.elapsed()
    assert clock.elapsed() >= first
    assert clock.now().tzinfo is UTC
