"""Metrics and other measured values as people write them; every text of the project takes them from here."""

import math


def amount(value: float | None) -> str:
    """A number with four significant digits, below one with four decimals; a dash for none.

    >>> amount(0.85321), amount(1234.567), amount(12345678.0), amount(0.0000123), amount(None)
    ('0.8532', '1,235', '12,345,678', '1.23e-05', '-')
    """
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if value == 0:
        return "0.0000"
    if size < 0.0005 or size >= 1e12:
        return f"{value:.3g}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{4 if size < 1 else 3 if size < 10 else 2 if size < 100 else 1}f}"
