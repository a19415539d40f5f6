"""What the predictions of a classifier say: confusion, scores by class, curves, calibration, shares of classes.

Numbers and the words for them; how they are drawn is up to the figures (PNG) and the page (SVG).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.core.tasks import Task
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.predictions import Predictions
from trainwright.report.reliability import ROWS_IN_BIN, calibration_error, claims, reliability
from trainwright.report.words import amount, plural, short

if TYPE_CHECKING:
    import numpy as np

MOST_CLASSES = 25  # more cells than 25 x 25 cannot be read at the width of a report
MOST_LINES = 6  # curves of single classes that can be told apart


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Confusion:
    """Rows by (true, predicted) class on held-out rows, int64; the rarest classes together where there are too many."""

    counts: "np.ndarray"
    names: tuple[str, ...]
    part: str
    title: str
    subtitle: str


def confusion(facts: Facts) -> Confusion | None:
    """The confusion matrix; None where the run has no held-out predictions of classes."""
    found = facts.held_out()
    if found is None or not facts.task.is_classification or not len(found):
        return None
    counts, names = _merged(_counts(found), [short(c, 16) for c in found.classes])
    told = plural(len(found), f"{PART_NAMES[found.part].lower()} row")
    return Confusion(
        counts=counts,
        names=tuple(names),
        part=found.part,
        title=_most_frequent_error(counts, names),
        subtitle=f"{told}; colour: share of the true class; at the most probable class",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One class on held-out rows: how many rows, and precision, recall and F1; None where nothing was to be counted."""

    name: str
    rows: int
    precision: float | None
    recall: float | None
    f1: float | None
    taken_for: str
    taken: int


def class_scores(facts: Facts) -> tuple[ClassScore, ...]:
    """Scores of every class, in the order of the classes."""
    found = facts.held_out()
    if found is None or not facts.task.is_classification or not len(found):
        return ()
    counts = _counts(found)
    return tuple(_class_score(counts, found.classes, code) for code in range(len(found.classes)))


def _class_score(counts: "np.ndarray", names: tuple[str, ...], code: int) -> ClassScore:
    hits, rows, guesses = int(counts[code, code]), int(counts[code].sum()), int(counts[:, code].sum())
    wrong = counts[code].copy()
    wrong[code] = 0
    worst = int(wrong.argmax())
    return ClassScore(
        name=names[code],
        rows=rows,
        precision=hits / guesses if guesses else None,
        recall=hits / rows if rows else None,
        f1=2 * hits / (rows + guesses) if rows + guesses else None,
        taken_for=names[worst] if wrong[worst] else "",
        taken=int(wrong[worst]),
    )


def _counts(found: Predictions) -> "np.ndarray":
    import numpy as np

    size = len(found.classes)
    counts = np.zeros((size, size), dtype=np.int64)
    np.add.at(counts, (found.y, found.predicted), 1)
    return counts


def _merged(counts: "np.ndarray", names: list[str]) -> "tuple[np.ndarray, list[str]]":
    import numpy as np

    if len(names) <= MOST_CLASSES:
        return counts, names
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    kept, rest = np.sort(order[: MOST_CLASSES - 1]), order[MOST_CLASSES - 1 :]
    to = np.full(len(names), MOST_CLASSES - 1)
    to[kept] = np.arange(len(kept))
    merged = np.zeros((MOST_CLASSES, MOST_CLASSES), dtype=np.int64)
    np.add.at(merged, (to[:, None], to[None, :]), counts)
    return merged, [*(names[int(k)] for k in kept), f"{len(rest)} others"]


def _most_frequent_error(counts: "np.ndarray", names: list[str]) -> str:
    import numpy as np

    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    if wrong.sum() == 0:
        return "Every row got its right class"
    row, column = (int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
    total = int(counts[row].sum())
    return (
        f"Most frequent error: {names[row]} taken for {names[column]}, "
        f"{int(wrong[row, column]):,} of {total:,} ({wrong[row, column] / total:.0%})"
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """One curve: of a part of the rows (two classes) or of a class against the rest; ``named`` in the legend."""

    label: str
    part: str
    x: "np.ndarray"
    y: "np.ndarray"
    area: float
    named: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """ROC or precision and recall. ``chance`` is the precision of guessing, where one line holds for all curves."""

    title: str
    subtitle: str
    area_name: str
    lines: tuple[Line, ...]
    chance: float | None


def curves(facts: Facts, *, precision_recall: bool) -> Curves | None:
    """The curves; the weakest three of many classes are named."""
    if not facts.task.is_classification:
        return None
    told = _by_part(facts) if facts.task is Task.BINARY else _by_class(facts)
    scored = [
        (label, part, truth, score, _area(truth, score, precision_recall))
        for label, part, truth, score in told
        if 0 < truth.sum() < len(truth)
    ]
    if not scored:
        return None
    area_name = "average precision" if precision_recall else "ROC AUC"
    areas = [(label, area) for label, _, _, _, area in scored]
    title, subtitle = _curve_words(facts, area_name, areas, precision_recall=precision_recall)
    weakest = sorted(range(len(areas)), key=lambda number: areas[number][1])[:3]
    lines = []
    for number, (label, part, truth, score, area) in enumerate(scored):
        x, y = _points(truth, score, precision_recall)
        named = len(scored) <= MOST_LINES or number in weakest
        lines.append(Line(label=label, part=part, x=x, y=y, area=area, named=named))
    chance = float(scored[-1][2].mean()) if precision_recall and facts.task is Task.BINARY else None
    return Curves(title=title, subtitle=subtitle, area_name=area_name, lines=tuple(lines), chance=chance)


def _by_part(facts: Facts) -> "list[tuple[str, str, np.ndarray, np.ndarray]]":
    return [
        (PART_NAMES[part].lower(), part, p.y == 1, p.probability[:, 1])
        for part in ("train", "val", "test")
        if (p := facts.predictions.get(part)) is not None and len(p)
    ]


def _by_class(facts: Facts) -> "list[tuple[str, str, np.ndarray, np.ndarray]]":
    found = facts.held_out()
    if found is None:
        return []
    return [(short(n, 18), "", found.y == code, found.probability[:, code]) for code, n in enumerate(found.classes)]


def _curve_words(facts: Facts, name: str, areas: list[tuple[str, float]], *, precision_recall: bool) -> tuple[str, str]:
    held = facts.held_out()
    part = PART_NAMES[held.part].lower() if held else ""
    if facts.task is Task.BINARY:
        positive = short(facts.classes[1], 24)
        by_part = dict(areas)
        area = by_part.get(part, areas[-1][1])
        if precision_recall:
            return (
                f"Average precision {amount(area)} for {positive} on {part} rows",
                "precision at every recall, by part",
            )
        lead = by_part["training"] - area if "training" in by_part else 0.0
        known = f"; training rows score {lead:.3f} higher" if lead >= 0.01 else ""
        return (
            f"ROC AUC {amount(area)} on {part} rows{known}",
            f"chance that a random {positive} row gets a higher score than another row; unweighted",
        )
    worst = min(areas, key=lambda a: a[1])
    more = "" if len(areas) <= MOST_LINES else "; the three weakest are named"
    return (
        f"Hardest to tell from the rest: {worst[0]}, {name} {amount(worst[1])}",
        f"one class against the rest, {part} rows{more}",
    )


def _points(truth: "np.ndarray", score: "np.ndarray", precision_recall: bool) -> "tuple[np.ndarray, np.ndarray]":
    from sklearn import metrics

    if precision_recall:
        precision, recall, _ = metrics.precision_recall_curve(truth, score, drop_intermediate=True)
        return recall, precision
    false_rate, true_rate, _ = metrics.roc_curve(truth, score)
    return false_rate, true_rate


def _area(truth: "np.ndarray", score: "np.ndarray", precision_recall: bool) -> float:
    from sklearn import metrics

    return float(
        metrics.average_precision_score(truth, score) if precision_recall else metrics.roc_auc_score(truth, score)
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """Claimed probability against what happened: points (claim, share, standard error) and all claims."""

    title: str
    subtitle: str
    what: str
    part: str
    points: tuple[tuple[float, float, float], ...]
    claimed: "np.ndarray"


def calibration(facts: Facts) -> Calibration | None:
    """Calibration on held-out rows in bins of equally many rows; None with too few of them."""
    found = facts.held_out()
    if found is None or not facts.task.is_classification or len(found) < 2 * ROWS_IN_BIN:
        return None
    claimed, right = claims(found)
    points, distance = reliability(claimed, right)
    known = calibration_error(facts)
    error = distance if known is None else known
    bias = float(claimed.mean() - right.mean())
    side = "too high" if bias > 0 else "too low"
    title = f"Probabilities are off by {error:.1%} on average"
    title += f", {abs(bias):.1%} {side} overall" if abs(bias) >= 0.005 else ", without a common bias"
    told = plural(len(found), f"{PART_NAMES[found.part].lower()} row")
    binary = facts.task is Task.BINARY
    return Calibration(
        title=title,
        subtitle=f"{told} in {len(points)} bins of equal size; a point on the diagonal is right",
        what=f"P({short(facts.classes[1], 20)})" if binary else "probability of the predicted class",
        part=found.part,
        points=tuple(points),
        claimed=claimed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares of the largest classes by part of the split: part -> one share a class, in the order of ``names``."""

    title: str
    subtitle: str
    names: tuple[str, ...]
    parts: dict[str, tuple[float, ...]]


def class_shares(facts: Facts, most: int = 15) -> Shares | None:
    """How the classes are spread over the parts; None without predictions of classes."""
    import numpy as np

    parts = {part: p for part in ("train", "val", "test") if (p := facts.predictions.get(part)) is not None and len(p)}
    if not facts.task.is_classification or not parts:
        return None
    size = len(facts.classes)
    shares = {part: np.bincount(p.y, minlength=size) / len(p) for part, p in parts.items()}
    first = next(iter(shares.values()))
    order = np.argsort(-first, kind="stable")[:most]
    spread = np.ptp(np.stack(list(shares.values())), axis=0)
    code = int(spread.argmax())
    largest = short(facts.classes[int(first.argmax())])
    shown = "" if size <= len(order) else f"; the {len(order)} largest of {size} classes"
    return Shares(
        title=f"{largest} is the largest class: {first.max():.1%} of {PART_NAMES[next(iter(shares))].lower()} rows",
        subtitle=f"largest difference between parts: {spread[code]:.1%} ({short(facts.classes[code])}){shown}",
        names=tuple(short(facts.classes[int(k)]) for k in order),
        parts={part: tuple(float(v) for v in values[order]) for part, values in shares.items()},
    )
