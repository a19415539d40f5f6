"""Group leakage: the same person (patient, customer, machine...) on both sides of the split."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.checks.contract import CheckResult, leak_result
from trainwright.checks.rows import OpenRows, codes, inputs, is_numeric, sample
from trainwright.checks.words import has_code_word, stands_for_somebody
from trainwright.core.findings import Finding, Severity
from trainwright.core.tasks import Task
from trainwright.data.canonical import column_hashes
from trainwright.data.dataset import OPAQUE, Column, Dataset, Kind, Part

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NAME = "group_leakage"
ROWS = 200_000  # assumption: the groups of a larger table are still met several times in a sample of this size

# Measured on the public data sets, tables in docs/checks.md.
MIN_GROUPS = 5
MAX_SHARE = 0.2  # nobody owns a fifth of the rows; zero in a column of counts does
MIN_REPEATED = 0.05  # share of rows with a companion in their group
ALIKE = 0.05  # the target varies so much less (or more) within a group than over all rows
FIXED = 0.9  # a column counts as fixed in a group: agreement of two members above chance
FIXED_UNNAMED, FIXED_COLUMNS, ALIKE_UNNAMED, GROUPS_UNNAMED = 0.95, 2, 0.1, 20  # asked of a column named like nobody
SHARED_ROWS = 0.05  # share of validation rows whose group also trains, from which a found group matters


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEvidence:
    """Why a column looks as if it groups rows.

    ``alike``: 1 - (target variance within groups / variance over all), among rows with a companion; negative where
    companions differ more than strangers do. ``fixed``: columns that do not change inside a group. ``named``: its name
    says that it stands for somebody. ``certain``: name and numbers agree.
    """

    column: str
    groups: int
    repeated: float
    alike: float
    fixed: tuple[str, ...]
    named: bool
    certain: bool

    @property
    def sentence(self) -> str:
        """The evidence in words."""
        fixed = (
            f"{', '.join(self.fixed[:3])} hardly ever change inside one" if self.fixed else "no column is fixed in one"
        )
        named = "its name says it stands for somebody" if self.named else "its name says nothing"
        return (
            f"{self.groups:,} values, {self.repeated:.0%} of the rows share theirs with another row, the target varies "
            f"{abs(self.alike):.0%} {'less' if self.alike >= 0 else 'more'} within one, {fixed}, {named}"
        )


def check_groups(dataset: Dataset) -> CheckResult:
    """Look for groups that straddle train, validation and test: the named one, and any found in the data."""
    named = [c.name for c in inputs(dataset) if c.role == "group"]
    found = [e for e in find_groups(dataset) if e.column not in named]
    findings = [f for column in named for f in _named_straddles(dataset, column)]
    findings += [f for e in found if (f := _found_straddles(dataset, e)) is not None]
    saw = f"Looked at {len(inputs(dataset))} columns for repeated codes that group rows: "
    saw += f"group column {named[0]}" if named else "no group column is named"
    saw += f"; found {', '.join(e.column for e in found)}." if found else "; no other column groups rows."
    if dataset.test is not None and not (named and dataset.test.group_hashes is not None):
        saw += " Test rows are sealed: only a named group column can be compared with them."
    return leak_result(NAME, saw, findings)


def find_groups(dataset: Dataset) -> tuple[GroupEvidence, ...]:
    """Columns that group rows by the evidence of the open rows, the surest first."""
    rows = sample(dataset, ROWS)
    found = [e for c in inputs(dataset) if (e := _evidence(c, dataset.target.task, rows)) is not None]
    return tuple(sorted(found, key=lambda e: (not e.certain, -len(e.fixed), -abs(e.alike), e.column)))


def shared_rows(train: Part, other: Part, column: str) -> int:
    """How many rows of the other part belong to a group that the training rows also hold."""
    import numpy as np

    mine, theirs = train.frame[column], other.frame[column]
    return int(np.asarray(theirs.isin(mine.dropna().unique()) & theirs.notna()).sum())


def _evidence(column: Column, task: Task, rows: OpenRows) -> GroupEvidence | None:
    import numpy as np

    values = rows.frame[column.name]
    if not _could_be_code(column, values):
        return None
    group = codes(values)
    sizes = np.bincount(group[group >= 0]) if (group >= 0).any() else np.empty(0, dtype=np.int64)
    if len(sizes) < MIN_GROUPS or sizes.max() > MAX_SHARE * len(rows):
        return None
    repeated = float(sizes[sizes >= 2].sum() / len(rows))
    if repeated < MIN_REPEATED:
        return None
    named = stands_for_somebody(column.name)
    alike, noise = _alike(group, rows.y, task)
    if not named and (alike < max(ALIKE_UNNAMED, noise) or len(sizes) < GROUPS_UNNAMED):
        return None
    fixed = _fixed_columns(group, rows.frame, column.name, FIXED if named else FIXED_UNNAMED)
    if not named and len(fixed) < FIXED_COLUMNS:
        return None
    certain = named and (bool(fixed) or abs(alike) >= max(ALIKE, noise))
    if named and not certain and is_numeric(values) and not has_code_word(column.name):
        return None  # a count of people, not a person
    return GroupEvidence(
        column=column.name,
        groups=len(sizes),
        repeated=repeated,
        alike=alike,
        fixed=fixed,
        named=named,
        certain=certain,
    )


def _could_be_code(column: Column, values: "pd.Series") -> bool:
    import numpy as np

    if column.kind in (Kind.CONSTANT, Kind.DATETIME, Kind.BOOLEAN, *OPAQUE) or column.role == "time":
        return False
    if values.dtype.kind == "f":
        present = values.to_numpy()[~np.isnan(values.to_numpy())]
        return bool(np.all(present == np.floor(present)))
    return column.kind is not Kind.TEXT


def _alike(group: "np.ndarray", y: "np.ndarray", task: Task) -> tuple[float, float]:
    """How much less the target varies within groups, and three standard errors of that number."""
    import numpy as np

    sizes = np.bincount(group[group >= 0])
    keep = (group >= 0) & (sizes[group] >= 2)
    _, group = np.unique(group[keep], return_inverse=True)
    y = y[keep]
    goals = np.eye(int(y.max()) + 1)[y] if task is Task.MULTICLASS else y.astype(np.float64)[:, None]
    sizes = np.bincount(group)
    freedom = len(group) - len(sizes)
    within = sum(
        float(((goals[:, k] - (np.bincount(group, weights=goals[:, k]) / sizes)[group]) ** 2).sum())
        for k in range(goals.shape[1])
    )
    total = float(goals.var(axis=0).sum())
    alike = 0.0 if total == 0 else 1.0 - within / freedom / total
    return alike, 3.0 * math.sqrt(2.0 / freedom)


def _fixed_columns(group: "np.ndarray", frame: "pd.DataFrame", own: str, level: float) -> tuple[str, ...]:
    """Columns on which two random members of a group agree far more often than two strangers."""
    import numpy as np

    shuffled = np.random.default_rng(0).permutation(len(group))
    order = shuffled[np.argsort(group[shuffled], kind="stable")]
    pairs = (group[order][1:] == group[order][:-1]) & (group[order][1:] >= 0)
    found = []
    for name in frame.columns:
        if name == own:
            continue
        values = codes(frame[name])
        shares = np.bincount(values + 1) / len(values)
        chance = float((shares**2).sum())
        if chance > 0.98:  # nearly constant everywhere: fixed in any group
            continue
        agree = float((values[order][1:] == values[order][:-1])[pairs].mean())
        if (agree - chance) / (1.0 - chance) >= level:
            found.append(str(name))
    return tuple(found)


def _named_straddles(dataset: Dataset, column: str) -> list[Finding]:
    import numpy as np

    findings = []
    shared = shared_rows(dataset.train, dataset.val, column)
    if shared:
        findings.append(_straddle(column, "validation", shared, len(dataset.val), Severity.ERROR, "named in the spec"))
    test = dataset.test
    if test is not None and test.group_hashes is not None:
        open_hashes = column_hashes(dataset.train.frame[column])
        shared = int(np.isin(test.group_hashes, open_hashes).sum())
        if shared:
            findings.append(_straddle(column, "test", shared, test.num_rows, Severity.ERROR, "named in the spec"))
    return findings


def _found_straddles(dataset: Dataset, evidence: GroupEvidence) -> Finding | None:
    shared = shared_rows(dataset.train, dataset.val, evidence.column)
    if shared < SHARED_ROWS * len(dataset.val):
        return None
    blocks = evidence.certain and dataset.split.strategy != "time"  # people who come again later are met again in use
    return _straddle(
        evidence.column,
        "validation",
        shared,
        len(dataset.val),
        Severity.ERROR if blocks else Severity.WARNING,
        evidence.sentence,
        {"groups": evidence.groups, "alike": round(evidence.alike, 4), "fixed": list(evidence.fixed)},
    )


def _straddle(
    column: str,
    part: str,
    shared: int,
    size: int,
    severity: Severity,
    reason: str,
    evidence: Mapping[str, object] | None = None,
) -> Finding:
    from trainwright.core.jsonable import to_json

    facts = to_json({"shared_rows": shared, "rows": size, **(evidence or {})})
    assert isinstance(facts, Mapping)
    return Finding(
        code="leak.group",
        severity=severity,
        where=column,
        what=f"{shared:,} of {size:,} {part} rows ({shared / size:.0%}) belong to a group also trained on ({reason})",
        why="A model can recognise the group instead of the rule; the score is not what new groups will get.",
        fix=f"Set data.columns.group: {column} and data.split.strategy: group, or lift with checks: {{{NAME}: false}}",
        evidence=facts,
    )
