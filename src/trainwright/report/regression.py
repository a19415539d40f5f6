"""What the predictions of a regressor say: errors, bias by predicted value, the target's distribution."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.core.tasks import Task
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.predictions import Predictions
from trainwright.report.words import amount, plural, short

if TYPE_CHECKING:
    import numpy as np

_WINDOWS = 15
_ROWS_IN_WINDOW = 20  # assumption: below that a 10% quantile is a single row


def held_out_numbers(facts: Facts) -> Predictions | None:
    """Held-out predictions of a regressor, two rows or more."""
    found = facts.held_out()
    return found if facts.task is Task.REGRESSION and found is not None and len(found) > 1 else None


def accuracy_words(facts: Facts, found: Predictions) -> tuple[str, str]:
    """Title and subtitle of predicted against actual values."""
    import numpy as np

    error = np.abs(found.predicted - found.y)
    half, most = (amount(float(np.quantile(error, q))) for q in (0.5, 0.9))
    part = PART_NAMES[found.part].lower()
    title = f"Half of all predictions are within {half}, nine in ten within {most}"
    return title, f"{plural(len(found), f'{part} row')} of {facts.target}"


def bias_words(found: Predictions) -> tuple[str, str]:
    """Title and subtitle of the residuals."""
    import numpy as np

    error = found.predicted - found.y
    bias, spread = float(error.mean()), float(error.std())
    side = "above" if bias > 0 else "below"
    if spread > 0 and abs(bias) > 2 * spread / np.sqrt(len(error)):
        title = f"Predictions lie {amount(abs(bias))} {side} the truth on average"
    else:
        title = f"No bias on average ({amount(bias)}, within chance); the spread is {amount(spread)}"
    part = PART_NAMES[found.part].lower()
    return title, f"predicted minus actual, {plural(len(found), f'{part} row')}; line: median, band: middle 80%"


@dataclass(frozen=True, slots=True)
class Window:
    """Equally many rows beside each other: median prediction, and 10%, 50% and 90% quantile of the error."""

    at: float
    lower: float
    middle: float
    upper: float


def windows(found: Predictions) -> tuple[Window, ...]:
    """The error by predicted value; empty with too few rows for two windows."""
    import numpy as np

    error = found.predicted - found.y
    wanted = max(min(_WINDOWS, len(error) // _ROWS_IN_WINDOW), 1)
    rows = [w for w in np.array_split(np.argsort(found.predicted, kind="stable"), wanted) if len(w)]
    if len(rows) < 2:
        return ()
    return tuple(
        Window(float(np.median(found.predicted[w])), *(float(np.quantile(error[w], q)) for q in (0.1, 0.5, 0.9)))
        for w in rows
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distribution:
    """The target's histogram by part: ``edges`` (bins + 1,), part -> shares (bins,)."""

    title: str
    subtitle: str
    edges: "np.ndarray"
    parts: "dict[str, np.ndarray]"


def distribution(facts: Facts) -> Distribution | None:
    """The target's distribution without the outer half percent; None where there is nothing to draw."""
    import numpy as np

    parts = {
        part: p for part in ("train", "val", "test") if (p := facts.predictions.get(part)) is not None and len(p) > 1
    }
    if facts.task is not Task.REGRESSION or not parts:
        return None
    low, high = (float(v) for v in np.quantile(np.concatenate([p.y for p in parts.values()]), [0.005, 0.995]))
    if not high > low:
        return None
    first = next(iter(parts))
    median = amount(float(np.median(parts[first].y)))
    others = ", ".join(f"{amount(float(np.median(p.y)))} in {part}" for part, p in parts.items() if part != first)
    note = f"{others}; " if others else ""
    bins = int(min(max(min(len(p) for p in parts.values()) ** 0.5, 6), 40))
    edges = np.linspace(low, high, bins + 1)
    return Distribution(
        title=f"The median of {short(facts.target, 30)} is {median} in {first} rows",
        subtitle=f"{note}share of rows by value, the outer 0.5% on each side not shown",
        edges=edges,
        parts={part: np.histogram(p.y, edges)[0] / len(p) for part, p in parts.items()},
    )
