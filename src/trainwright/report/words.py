"""Numbers and names as people write them; the same everywhere."""

import math

_LABELS = {
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC (one vs rest)",
    "pr_auc": "PR AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "loss": "engine loss",
    "brier": "Brier score",
    "f1": "F1",
    "f1_macro": "F1 (macro)",
    "f1_weighted": "F1 (weighted)",
    "mcc": "Matthews correlation",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "mape": "MAPE",
    "rmsle": "RMSLE",
}


def metric_label(name: str) -> str:
    """A metric's name for people."""
    return _LABELS.get(name, name.replace("_", " "))


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


def count(value: int | None) -> str:
    """A whole number with separators; a dash for none."""
    return "-" if value is None else f"{value:,}"


def plural(number: int, noun: str) -> str:
    """``1 round``, ``2,000 rounds``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def times(number: int) -> str:
    """``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def size(number: int) -> str:
    """Bytes in the unit that reads best (powers of 1000, as disks are sold)."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def duration(seconds: float | None) -> str:
    """A time span: ``0.3 s``, ``12 s``, ``4 min 10 s``, ``2.5 h``."""
    if seconds is None:
        return "not recorded"
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    return f"{seconds / 3600:.1f} h"


def short(name: str, limit: int = 26) -> str:
    """A name cut to fit a label, without line breaks or characters that do not print."""
    flat = "".join(c if c.isprintable() else " " for c in name).strip() or repr(name)
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
