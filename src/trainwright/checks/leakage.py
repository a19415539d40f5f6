"""Target leakage: a column that is the target again, or says nearly all of it."""

import re
from dataclasses import dataclass, replace

from trainwright.checks.contract import CheckResult, leak_result, not_checked
from trainwright.checks.future import is_past
from trainwright.checks.groups import find_groups
from trainwright.checks.rows import OpenRows, codes, inputs, is_constant, is_numeric, numbers, sample
from trainwright.checks.skill import Folds, column_skill, group_folds, joint_skill, random_folds
from trainwright.core.findings import Finding, Severity
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.data.dataset import OPAQUE, Column, Dataset, Kind
from trainwright.data.pixels import traits

NAME = "target_leakage"
ROWS = 20_000  # assumption: the skill of one column is known to 1% from so many rows
JOINT_ROWS = 8_000  # the same for all columns together, at under a second a fit
MIN_ROWS = 30  # fewer rows: any column may fit by chance

# Limits of the skill (0 constant guess, 1 perfect), set from the strongest honest columns of the public data sets:
# kdd count 0.957, breast_cancer worst perimeter 0.91, iris petal length 0.86, adult relationship 0.56.
PERFECT, PERFECT_ROWS = 0.999, 1_000
NEARLY = 0.98
DOMINANT, LEAD = (
    0.75,
    0.3,
)  # alone so good, and so far ahead of all other columns together (motor_UPDRS: 0.9 and over 1)
NAMED = 0.3  # a column that carries the target's name
SIZE = 0.3  # what the size and colour mode of images say of the target (assumption: in mixed photographs, nothing)
SPEARMAN = 0.999
IMAGE_SIZE = "leak.image_size"
SAME = 0.98  # rank correlation above which two columns count as one when "all others" are asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A column that tells the target, how well alone, and how sure it is that this is a leak."""

    column: str
    certain: bool
    skill: float
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What was scored: the skill of each feature column, and on which rows."""

    rows: OpenRows
    folds: Folds
    skills: dict[str, float]
    grouped_by: str | None


def check_target_leakage(dataset: Dataset) -> CheckResult:
    """Score each feature alone on rows it was not fitted on, and look for copies and transforms of the target."""
    features = dataset.schema.features
    if len(dataset.train) + len(dataset.val) < MIN_ROWS or not features:
        rows = len(dataset.train) + len(dataset.val)
        why = f"{rows} rows and {len(features)} features are too few to judge a column by."
        return not_checked(NAME, "data", why)
    if is_constant(dataset.train.y):
        return not_checked(NAME, "data", "The target is the same in every training row.")
    look = _look(dataset, features)
    strongest = max(look.skills, key=lambda name: look.skills[name])
    grouped = f", whole groups of {look.grouped_by} on one side" if look.grouped_by else ""
    saw = (
        f"Scored {len(features)} columns one by one on {look.rows.described}, on rows not fitted on{grouped}; "
        f"the strongest is {strongest} with a skill of {look.skills[strongest]:.3f} (0 a constant guess, 1 perfect)."
    )
    if any(c.kind in OPAQUE for c in features):
        saw += " Of images only the size and colour mode were looked at."
    return leak_result(NAME, saw, [_finding(s) for s in _suspects(dataset, look)])


def find_suspects(dataset: Dataset) -> tuple[Suspect, ...]:
    """Feature columns that leak the target, the certain ones first."""
    features = dataset.schema.features
    if len(dataset.train) + len(dataset.val) < MIN_ROWS or not features or is_constant(dataset.train.y):
        return ()
    found = _suspects(dataset, _look(dataset, features))
    return tuple(sorted(found, key=lambda s: (not s.certain, -s.skill)))


def _look(dataset: Dataset, features: tuple[Column, ...]) -> _Look:
    rows = _without_pixels(sample(dataset, ROWS), features)
    seeds = Seeds(0)
    folds = random_folds(len(rows), seeds.generator("folds"))
    skills = {c.name: _skill(c, rows, dataset.target.task, folds) for c in features}
    group = _group(dataset) if max(skills.values()) >= DOMINANT else None
    if group is not None:
        folds = group_folds(codes(rows.frame[group]), seeds.generator("folds"))
        skills = {c.name: _skill(c, rows, dataset.target.task, folds) for c in features}
    return _Look(rows=rows, folds=folds, skills=skills, grouped_by=group)


def _without_pixels(rows: OpenRows, features: tuple[Column, ...]) -> OpenRows:
    """Images as their size and colour mode: those must not tell the target, what an image shows may."""
    images = {c.name: traits(rows.frame[c.name]) for c in features if c.kind in OPAQUE}
    return replace(rows, frame=rows.frame.assign(**images)) if images else rows


def _group(dataset: Dataset) -> str | None:
    """The group column of the spec, or one that the data shows beyond doubt."""
    named = [c.name for c in inputs(dataset) if c.role == "group"]
    return named[0] if named else next((e.column for e in find_groups(dataset) if e.certain), None)


def _skill(column: Column, rows: OpenRows, task: Task, folds: Folds) -> float:
    is_category = column.kind in (Kind.CATEGORICAL, Kind.BOOLEAN, Kind.TEXT, Kind.IDENTIFIER, *OPAQUE)
    return column_skill(rows.frame[column.name], rows.y, task, folds, is_category=is_category)


def _suspects(dataset: Dataset, look: _Look) -> list[Suspect]:
    task = dataset.target.task
    found: list[Suspect] = []
    images = {c.name for c in dataset.schema.features if c.kind in OPAQUE}
    for name, skill in look.skills.items():
        if name == look.grouped_by or name in images:
            continue
        reason = _copy(look.rows, name, task) or _near_perfect(look, skill)
        if reason:
            found.append(Suspect(column=name, certain=True, skill=skill, code="leak.target_copy", reason=reason))
    certain = {s.column for s in found}
    for name, skill in look.skills.items():
        if name == look.grouped_by or name in certain:
            continue
        reason = _suspicion(dataset, look, name, skill, certain)
        if reason and not is_past(dataset, name):
            code = IMAGE_SIZE if name in images else "leak.target_suspicion"
            found.append(Suspect(column=name, certain=False, skill=skill, code=code, reason=reason))
    return found


def _copy(rows: OpenRows, name: str, task: Task) -> str:
    """Why the column is the target itself in other words; empty when it is not."""
    import numpy as np
    from scipy.stats import spearmanr

    values = rows.frame[name]
    if task is not Task.REGRESSION:
        group = codes(values) + 1
        pairs = len(np.unique(group * (int(rows.y.max()) + 1) + rows.y))
        one_to_one = pairs == len(np.unique(group)) == len(np.unique(rows.y)) > 1
        return f"each of its {pairs} values stands for one class, in all {len(rows):,} rows" if one_to_one else ""
    x = numbers(values) if is_numeric(values) or values.dtype.kind == "M" else None
    present = ~np.isnan(x) if x is not None else np.zeros(len(rows), dtype=bool)
    if x is None or present.sum() < MIN_ROWS or len(np.unique(x[present])) < MIN_ROWS:
        return ""
    rank = abs(float(spearmanr(x[present], rows.y[present]).statistic))
    return f"it orders the rows as the target does (rank correlation {rank:.4f})" if rank >= SPEARMAN else ""


def _near_perfect(look: _Look, skill: float) -> str:
    if skill >= PERFECT and len(look.rows) >= PERFECT_ROWS:
        return f"alone it predicts the target with a skill of {skill:.4f} on rows it was not fitted on"
    return ""


def _suspicion(dataset: Dataset, look: _Look, name: str, skill: float, certain: set[str]) -> str:
    if dataset.schema[name].kind in OPAQUE:
        told = f"the size and colour mode of the images, not what they show, have a skill of {skill:.3f}"
        return told if skill >= SIZE else ""
    if skill >= NEARLY:
        return f"alone it predicts the target with a skill of {skill:.3f}"
    if skill >= NAMED and _carries_name(name, dataset.target.name):
        return f"its name holds the target's and alone it has a skill of {skill:.3f}"
    if skill < DOMINANT:
        return ""
    others = _joint_of_others(dataset, look, name, certain)
    if skill - others < LEAD:
        return ""
    return f"alone it has a skill of {skill:.3f} where all other columns together reach {others:.3f}"


def _carries_name(column: str, target: str) -> bool:
    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", text.lower())

    return len(plain(target)) >= 4 and plain(target) in plain(column)


def _joint_of_others(dataset: Dataset, look: _Look, name: str, certain: set[str]) -> float:
    """The skill of all other columns together; columns that are this one again, and certain leaks, are left out."""
    import numpy as np
    from scipy.stats import rankdata

    few = slice(None, JOINT_ROWS) if look.grouped_by is None else slice(None)
    frame = look.rows.frame.iloc[few]
    own = rankdata(numbers(frame[name]), nan_policy="omit")
    others = []
    for column in dataset.schema.features:
        if column.name in {name, look.grouped_by} | certain or column.kind in (Kind.TEXT, *OPAQUE):
            continue
        ranks = rankdata(numbers(frame[column.name]), nan_policy="omit")
        both = ~(np.isnan(own) | np.isnan(ranks))
        spread = both.sum() > 2 and own[both].std() > 0 and ranks[both].std() > 0
        if not (spread and abs(np.corrcoef(own[both], ranks[both])[0, 1]) >= SAME):
            others.append(column.name)
    folds = Folds(fold=look.folds.fold[few], units=look.folds.units)
    return joint_skill(frame[others], look.rows.y[few], dataset.target.task, folds)


def _finding(suspect: Suspect) -> Finding:
    column = suspect.column
    fix = f"Add {column} to data.columns.ignore, or lift the check with checks: {{{NAME}: false}} if it is honest"
    if suspect.code == IMAGE_SIZE:
        fix = "Bring all images to one size and mode before training"
    return Finding(
        code=suspect.code,
        severity=Severity.ERROR if suspect.certain else Severity.WARNING,
        where=column,
        what=f"{'tells' if suspect.certain else 'may tell'} the target: {suspect.reason}",
        why="If it is not known before the target is, the model will fail in use however good its score.",
        fix=fix,
        evidence={"skill": round(suspect.skill, 4)},
    )
