"""Cross-validation folds over training rows."""

import itertools
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused, SpecError
from trainwright.core.seeds import Seeds
from trainwright.data.arrays import ARRAY, is_array_frame
from trainwright.data.canonical import row_hashes, time_numbers
from trainwright.data.images import IMAGE, is_image_frame
from trainwright.data.kinds import looks_like_identifier
from trainwright.data.split import SplitInputs, strata_of, units_of

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.dataset import Part, Target
    from trainwright.spec.models import Columns


def make_folds(
    part: "Part", target: "Target", *, folds: int, strategy: str, columns: "Columns", seeds: Seeds
) -> "list[tuple[np.ndarray, np.ndarray]]":
    """Positions ``(train, held out)`` for every fold, ascending; each row is held out once, except with ``time``.

    ``group`` keeps groups whole, ``stratified`` and ``random`` keep equal rows together, ``time`` is an expanding
    window: fold k trains on everything before its stretch of time. ``auto`` chooses as the split does.

    Raises:
        SpecError: ``group`` or ``time`` without a column of that role.
        DataRefused: fewer rows, groups or times than folds need.
    """
    chosen = _choose(strategy, target, columns)
    if chosen == "time":
        assert columns.time is not None
        return _by_time(time_numbers(part.frame[columns.time]), folds)
    if chosen == "group":
        assert columns.group is not None
        keys = row_hashes(part.frame, [columns.group])
    else:
        keys = row_hashes(part.frame, _compared(part, columns))
    classes = part.y if target.task.is_classification else None
    inputs = SplitInputs(rows=len(part), classes=classes)
    held = _deal(inputs, keys, folds, stratify=chosen != "random", seeds=seeds)
    return [_pair(held, fold) for fold in range(folds)]


def _compared(part: "Part", columns: "Columns") -> list[str]:
    """The columns that make two rows equal: no identifiers, which make every row different."""
    hidden = {columns.group, columns.time, *columns.ignore}
    for content, holds in ((IMAGE, is_image_frame), (ARRAY, is_array_frame)):
        if holds(part.frame):
            return [content]
    names = [str(name) for name in part.frame.columns if name not in hidden]
    return [name for name in names if not looks_like_identifier(part.frame[name])]


def _choose(strategy: str, target: "Target", columns: "Columns") -> str:
    if strategy == "auto":
        if columns.group:
            return "group"
        if columns.time:
            return "time"
        return "stratified" if target.task.is_classification else "random"
    named = {"group": columns.group, "time": columns.time}
    if strategy in named and named[strategy] is None:
        raise SpecError(f"cross_validation.strategy: {strategy} needs data.columns.{strategy}.")
    if strategy == "stratified" and not target.task.is_classification:
        raise SpecError(
            "cross_validation.strategy: stratified needs classes, and the task is regression. Write random."
        )
    return strategy


def _deal(inputs: SplitInputs, keys: "np.ndarray", folds: int, *, stratify: bool, seeds: Seeds) -> "np.ndarray":
    """The fold that holds each row out: strata in turn, big units first, each to the fold with the fewest rows."""
    import numpy as np

    units, sizes = units_of(keys, inputs.rows)
    if len(sizes) < folds:
        raise DataRefused(f"{folds} folds need {folds} groups of rows at least, and there are {len(sizes)}.")
    stratum = strata_of(inputs, units, len(sizes), stratify=stratify)
    generator = seeds.generator("folds")
    fold_of = np.zeros(len(sizes), dtype="int64")
    totals = np.zeros(folds)
    for value in np.unique(stratum):
        members = np.flatnonzero(stratum == value)
        members = members[generator.permutation(len(members))]
        mine = np.zeros(folds)
        several = members[sizes[members] > 1]
        for unit in several[np.argsort(-sizes[several], kind="stable")]:
            fold = int(np.lexsort((totals, mine))[0])
            fold_of[unit] = fold
            mine[fold] += sizes[unit]
            totals[fold] += sizes[unit]
        single = members[sizes[members] == 1]
        counts = _level(mine, totals, len(single))
        fold_of[single] = np.repeat(np.arange(folds), counts)
        totals += counts
    held: np.ndarray = fold_of[units]
    return held


def _level(mine: "np.ndarray", totals: "np.ndarray", rows: int) -> "np.ndarray":
    """How many of so many single rows each fold gets, so that the folds' counts of this stratum end up level."""
    import numpy as np

    order = np.lexsort((totals, mine))
    ordered = mine[order]
    for used in range(len(order), 0, -1):  # the fullest folds get nothing
        height, extra = divmod(int(rows + ordered[:used].sum()), used)
        if height >= ordered[used - 1]:
            break
    counts = np.zeros(len(order), dtype="int64")
    counts[order[:used]] = height - ordered[:used]
    counts[order[:extra]] += 1
    return counts


def _pair(held: "np.ndarray", fold: int) -> "tuple[np.ndarray, np.ndarray]":
    import numpy as np

    return np.flatnonzero(held != fold), np.flatnonzero(held == fold)


def _by_time(times: "np.ndarray", folds: int) -> "list[tuple[np.ndarray, np.ndarray]]":
    """Time is cut into folds + 1 stretches of about equal rows; rows without a time always train."""
    import numpy as np

    known = np.flatnonzero(~np.isnan(times))
    unknown = np.flatnonzero(np.isnan(times))
    order = known[np.argsort(times[known], kind="stable")]
    ordered = times[order]
    cuts = (
        [
            int(np.searchsorted(ordered, ordered[len(order) * k // (folds + 1)], side="left"))
            for k in range(1, folds + 1)
        ]
        if len(order) > folds
        else []
    )
    bounds = [0, *cuts, len(order)]
    if len(bounds) != folds + 2 or any(a >= b for a, b in itertools.pairwise(bounds)):
        raise DataRefused(f"{folds} folds by time need more than {folds} different times, and there are too few.")
    return [
        (np.sort(np.concatenate([order[: bounds[k]], unknown])), np.sort(order[bounds[k] : bounds[k + 1]]))
        for k in range(1, folds + 1)
    ]
