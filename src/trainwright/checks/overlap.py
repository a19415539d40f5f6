"""Rows shared by train and validation or test: copies, or repeats that a table of few values has by nature."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.checks.contract import CheckResult, leak_result, not_checked
from trainwright.checks.rows import codes, sample
from trainwright.core.findings import Finding, Severity
from trainwright.core.tasks import Task
from trainwright.data.canonical import row_hashes
from trainwright.data.dataset import OPAQUE, Dataset, Kind

if TYPE_CHECKING:
    import numpy as np

NAME = "shared_rows"
ENTROPY_ROWS = 20_000  # assumption: column entropies are stable from such a sample on

# A table can hold 2^bits different rows; below 2^3 for each row it has, chance alone repeats rows (assumption).
ROOM_BITS = 3.0
CHANCE = 1e-3  # the overlap is more than the training rows' own repeats explain, with this error
SAME_LABEL = (
    0.97  # twins that are copies agree on the label; natural ones disagree as the target is noisy (titanic: 0.77)
)
NEGLIGIBLE = 0.005  # share of rows below which repeats cannot move a score that matters


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repeats:
    """What repeats inside the training rows say: share with a twin there, label agreement of twins, bits of variety."""

    share: float
    twins: int
    agreement: float
    bits: float
    rows: int

    @property
    def natural(self) -> bool:
        """Whether equal rows are to be expected without any copying."""
        by_chance = self.bits <= math.log2(max(self.rows, 2)) + ROOM_BITS
        return by_chance or (self.twins >= 10 and self.agreement < SAME_LABEL)


def check_shared_rows(dataset: Dataset) -> CheckResult:
    """Compare row hashes of the feature columns between the parts."""
    import numpy as np

    features = [c.name for c in dataset.schema.features]
    if not features:
        return not_checked(NAME, "data", "The data has no feature column to compare rows by.")
    train = row_hashes(dataset.train.frame, features)
    others = {"validation": row_hashes(dataset.val.frame, features)}
    if dataset.test is not None:
        others["test"] = dataset.test.row_hashes
    shared = {name: int(np.isin(hashes, train).sum()) for name, hashes in others.items()}
    repeats = _repeats(dataset, train, features)
    findings = [
        f
        for name, hashes in others.items()
        if (f := _judge(dataset, name, shared[name], len(hashes), repeats)) is not None
    ]
    if "test" in others:
        both = int(np.isin(others["test"], others["validation"]).sum())
        shared["test, with validation"] = both
    counts = ", ".join(f"{count:,} of {name}" for name, count in shared.items())
    saw = (
        f"Compared {len(features)} feature columns of {len(train):,} training rows by hash: shared rows: {counts}. "
        f"{repeats.share:.2%} of the training rows have a twin among themselves."
    )
    return leak_result(NAME, saw, findings)


def _repeats(dataset: Dataset, train: "np.ndarray", features: list[str]) -> _Repeats:
    import numpy as np

    _, members, counts = np.unique(train, return_inverse=True, return_counts=True)
    twins = counts[members] >= 2
    return _Repeats(
        share=float(twins.mean()) if len(train) else 0.0,
        twins=int(twins.sum()),
        agreement=_agreement(members[twins], dataset.train.y[twins], dataset.target.task),
        bits=_bits(dataset, features),
        rows=len(train),
    )


def _agreement(members: "np.ndarray", y: "np.ndarray", task: Task) -> float:
    """How often neighbouring twins have the same label; numbers agree when within 1% of the spread."""
    import numpy as np

    if len(members) < 2:
        return 1.0
    order = np.argsort(members, kind="stable")
    same = members[order][1:] == members[order][:-1]
    tolerance = 0.01 * float(y.std()) if task is Task.REGRESSION else 0.0
    return float((np.abs(np.diff(y[order].astype(np.float64))) <= tolerance)[same].mean())


def _bits(dataset: Dataset, features: list[str]) -> float:
    """The sum of the columns' entropies: an upper bound of the variety of rows."""
    import numpy as np

    rows = sample(dataset, ENTROPY_ROWS, features)
    bits = 0.0
    for name in features:
        if dataset.schema[name].kind in (Kind.TEXT, *OPAQUE):
            return math.inf  # nobody writes the same text, or takes the same picture, twice by chance
        shares = np.bincount(codes(rows.frame[name]) + 1) / max(len(rows), 1)
        shares = shares[shares > 0]
        bits -= float((shares * np.log2(shares)).sum())
    return bits


def _judge(dataset: Dataset, part: str, shared: int, size: int, repeats: _Repeats) -> Finding | None:
    if shared == 0:
        return None
    share = shared / size
    expected = size * (repeats.twins + 1) / (repeats.rows + 2)
    surplus = _tail(shared, expected) < CHANCE and shared > 2 * expected
    if surplus and not (repeats.natural and share <= 4 * repeats.share):
        return _finding(
            part, shared, size, repeats, Severity.ERROR, "far more than the repeats among the training rows explain"
        )
    if repeats.natural:
        return _finding(part, shared, size, repeats, Severity.INFO, "the table repeats rows by nature")
    own_order = dataset.split.strategy in ("time", "group")  # rows that come again later, or in another group
    if share < NEGLIGIBLE or shared < 5 or own_order:
        return _finding(
            part,
            shared,
            size,
            repeats,
            Severity.WARNING if shared >= 5 else Severity.INFO,
            "few, or as the order of rows has it",
        )
    return _finding(part, shared, size, repeats, Severity.ERROR, "twins carry the same label: these are copies")


def _tail(count: int, expected: float) -> float:
    from scipy.stats import poisson

    return float(poisson.sf(count - 1, expected))


def _finding(part: str, shared: int, size: int, repeats: _Repeats, severity: Severity, reason: str) -> Finding:
    return Finding(
        code="leak.shared_rows" if severity is Severity.ERROR else "data.shared_rows",
        severity=severity,
        where=part,
        what=f"{shared:,} of {size:,} {part} rows ({shared / size:.2%}) are also training rows; {reason}",
        why="A row that was trained on tells nothing about new rows.",
        fix="Take them out of one side, or let Trainwright split with data.split.duplicates: together",
        evidence={
            "shared": shared,
            "rows": size,
            "train_rows_with_twin": round(repeats.share, 6),
            "twins_same_label": round(repeats.agreement, 4),
            "bits_of_variety": round(repeats.bits, 1) if math.isfinite(repeats.bits) else None,
        },
    )
