"""Numbers and names as people write them; the same everywhere."""

from trainwright.core.amounts import amount as amount

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
    "precision_macro": "precision (macro)",
    "precision_weighted": "precision (weighted)",
    "recall_macro": "recall (macro)",
    "recall_weighted": "recall (weighted)",
    "median_ae": "median absolute error",
    "max_error": "largest error",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "mape": "MAPE",
    "rmsle": "RMSLE",
}


_STAGES = {
    "data": "reading the data",
    "data_checks": "checks of the data",
    "threads": "choice of threads",
    "checks": "checks of the model",
    "fit": "training",
    "refit": "training again",
    "export": "storing the model",
    "exports": "exports and their proofs",
    "evaluate": "evaluation",
}


def stage_name(name: str) -> str:
    """A stage of a run for people."""
    return _STAGES.get(name, name.replace("_", " "))


def metric_label(name: str) -> str:
    """A metric's name for people."""
    return _LABELS.get(name, name.replace("_", " "))


def count(value: int | None) -> str:
    """A whole number with separators; a dash for none."""
    return "-" if value is None else f"{value:,}"


def plural(number: int, noun: str) -> str:
    """``1 round``, ``2,000 rounds``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def sentence(words: str) -> str:
    """The words with one full stop at their end, where they do not end a sentence by themselves."""
    return words if words.endswith((".", "!", "?", "…")) else f"{words}."


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
