"""Durations and budgets: what reads, what is refused, and that text reads back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.core.units import Budget, Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2 hours", 7200), ("1 hour 30 minutes", 5400), ("500ms", 0.5),
        ("1.5h", 5400), ("2D", 172800), ("10 Min", 600), ("3secs", 3), ("45", 45), ("0.5", 0.5), (12, 12), (0.25, 0.25),
        (" 5m ", 300), ("1d 2h 3m 4s", 93784),
    ],
)  # fmt: skip
def test_a_duration_reads(text, seconds):
    assert Duration.parse(text).seconds == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "m", "10 parsecs", "ten minutes", "-1h", "- 5m", "0", "0s", 0, -3, float("nan"), float("inf"), True,
     "1h x", "1:30", "1e3", "10m-"],
)  # fmt: skip
def test_no_duration_is_refused_with_a_reason(text):
    with pytest.raises(ValueError, match="duration"):
        Duration.parse(text)


@given(st.integers(1, 10**7))
def test_whole_seconds_read_back(seconds):
    assert Duration.parse(str(Duration(float(seconds)))).seconds == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(90, "1m30s"), (5400, "1h30m"), (86400, "1d"), (0.25, "0.25s"), (1.5, "1.5s")]
)
def test_the_shortest_text(seconds, text):
    assert str(Duration(seconds)) == text
    assert Duration.parse(text).seconds == seconds


@given(st.floats(1e-9, 1e9))
def test_any_duration_reads_back(seconds):
    assert Duration.parse(str(Duration(seconds))).seconds == seconds


def test_durations_compare():
    assert Duration.parse("59m") < Duration.parse("1h")


@pytest.mark.parametrize(
    ("text", "trials", "seconds"),
    [
        ("50 trials", 50, None), ("1 trial", 1, None), ("1h", None, 3600), ("50 trials, 1h", 50, 3600),
        ("1h or 50 trials", 50, 3600), ("50 trials and 90s", 50, 90), ("20; 5m", 20, 300), (12, 12, None),
        ("12", 12, None), ("10 TRIALS", 10, None),
    ],
)  # fmt: skip
def test_a_budget_reads(text, trials, seconds):
    budget = Budget.parse(text)
    assert budget.trials == trials
    assert (budget.time.seconds if budget.time else None) == seconds


@pytest.mark.parametrize(
    "text", ["0 trials", 0, -5, "50 trials, 20 trials", "1h, 2h", "", "soon", "5 apples", "-1h", True]
)
def test_no_budget_is_refused(text):
    with pytest.raises(ValueError, match=r"budget|duration|twice"):
        Budget.parse(text)
