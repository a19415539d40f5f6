"""The stage that measures how much of the best trial's value is luck, where the spec asks for more than a bootstrap.

It comes after the search, has what is left of the time, and leaves ``search/optimism.json``. Test rows have no part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainwright.core.events import Finished, Started
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.fit.jobs import take
from trainwright.fit.plan import Plan
from trainwright.run.files import read_json, write_json
from trainwright.search.held_out import (
    Division,
    Held,
    Measured,
    Way,
    held_from_json,
    held_to_json,
    measured,
    of_a_fold,
    score_again,
    search_again,
)
from trainwright.search.ledger import Ledger, Record, read_ledger
from trainwright.search.loop import Limits
from trainwright.search.settings import Settings
from trainwright.search.standing import COMPARED, ranking
from trainwright.search.trial import Split
from trainwright.stages.search_setup import bench_of, deadline_of, folds_of, outer_folds, settings_of
from trainwright.stages.work import Work

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.dataset import Dataset, Part
    from trainwright.spec.models import Search as Wanted

_REPEATS = 2  # fresh divisions into folds: the second shows how much the division itself moves a mean (assumption)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """One division of the training rows, as positions: trained on, judged by, held out."""

    train: "np.ndarray"
    val: "np.ndarray"
    held: "np.ndarray"


def measure_optimism(
    work: Work, dataset: "Dataset", plan: Plan, wanted: "Wanted", number: int
) -> Mapping[str, JsonValue] | None:
    """What ``optimism: nested`` or ``repeated`` came to for the winning trial of that number.

    None for ``bootstrap``, and where no division came to a score; a finding then says why.

    Raises:
        Stopped: a signal came in; what was done is kept.
    """
    if wanted.optimism == "bootstrap":
        return None
    path = work.folder.path / "search" / "optimism.json"
    if not work.is_done("optimism", path):
        with work.stage("optimism"):
            settings = settings_of(work, dataset, plan, wanted)
            found = _measured(work, dataset, plan, settings, wanted, number)
            write_json(path, {"measured": found})
    return cast("Mapping[str, JsonValue] | None", read_json(path)["measured"])


def need_divisions(work: Work, dataset: "Dataset", wanted: "Wanted", settings: Settings) -> None:
    """Refuse before the search what could not be divided after it.

    Raises:
        DataRefused: fewer rows, groups or times than the folds need.
    """
    if wanted.optimism != "bootstrap":
        _divisions(work, dataset, wanted.optimism, settings, outer_folds(wanted))


def _measured(
    work: Work, dataset: "Dataset", plan: Plan, settings: Settings, wanted: "Wanted", number: int
) -> Measured | None:
    way: Way = "nested" if wanted.optimism == "nested" else "repeated"
    folder = work.folder.path / "search"
    ledger = Ledger(folder / "trials.jsonl")
    winner = ledger.find(number)
    assert winner is not None
    divisions = _divisions(work, dataset, way, settings, outer_folds(wanted))
    spent = _seconds_of_search(work) + _spent(folder / "optimism")
    end = Limits(clock=work.clock, deadline_s=deadline_of(work, settings, spent_s=spent))
    few = _few(settings, ledger, winner)
    found: list[Held] = []
    for at, rows in enumerate(divisions):
        known = folder / "optimism" / f"{at}.json"
        if not known.is_file() and end.over():
            break
        work.recorder.emit(at, Started(stage=f"optimism:{at}"))
        if not known.is_file():
            division = _division(work, dataset, plan, settings, rows, at)
            left = len(divisions) - at
            if way == "nested":
                inner = of_a_fold(settings, at, trials=len(ledger.trials))
                limits = _share(end, left)
                held = search_again(division, inner, folder / "optimism" / str(at), limits, last=end)
            else:
                held = score_again(division, few, end)
            if not held.counts and end.over():
                break
            write_json(known, held_to_json(held))
        found.append(held_from_json(read_json(known)))
        work.recorder.emit(at, Finished(stage=f"optimism:{at}", reason="done"))
    work.add(_findings(way, found, len(divisions), len(ledger.trials), timed=end.over()))
    return measured(settings, way, winner, found, wanted=len(divisions))


def _seconds_of_search(work: Work) -> float:
    """What the search took, with all that is not in its trials."""
    seconds = work.record["seconds"]
    assert isinstance(seconds, Mapping)
    return float(str(seconds["search"]))


def _spent(folder: Path) -> float:
    """Seconds that divisions of earlier sessions took, finished or not."""
    done = {path.stem: held_from_json(read_json(path)).seconds for path in folder.glob("*.json")}
    begun = {path.parent.name: path for path in folder.glob("*/trials.jsonl")}
    return sum(done.values()) + sum(
        record.seconds for name, path in begun.items() if name not in done for record in read_ledger(path)
    )


def _few(settings: Settings, ledger: Ledger, winner: Record) -> list[Record]:
    """The trials that are scored again: the winner, then the others of the best few."""
    others = [r for r in ranking(settings, ledger.trials)[:COMPARED] if r.number != winner.number]
    return [winner, *others[: COMPARED - 1]]


def _share(end: Limits, left: int) -> Limits:
    """An even share of the time that is left, for one of so many folds."""
    if end.deadline_s is None:
        return end
    now = end.clock.elapsed()
    return replace(end, deadline_s=now + max(end.deadline_s - now, 0.0) / left)


def _divisions(work: Work, dataset: "Dataset", way: str, settings: Settings, folds: int) -> list[_Rows]:
    """Divisions of the training rows: outer folds, once or several times over, and within each the rows that judge.

    The rows that judge are as large a share of the rest as the validation rows are of what is not test.

    Raises:
        DataRefused: fewer rows, groups or times than the folds need.
    """
    judging = max(2, round((len(dataset.train) + len(dataset.val)) / max(1, len(dataset.val))))
    repeats = 1 if way == "nested" else _REPEATS
    found: list[_Rows] = []
    for repeat in range(repeats):
        seeds = settings.seeds.child(way, "outer", repeat)
        for number, (rest, held) in enumerate(folds_of(work, dataset, dataset.train, folds, seeds)):
            part = take(dataset.train, rest, "train")
            pairs = folds_of(work, dataset, part, judging, seeds.child("inner", number))
            train, val = pairs[-1]  # of folds by time the last one trains on all that came before
            if settings.folds:
                folds_of(work, dataset, part, settings.folds, seeds)  # refused here, not after the search
            found.append(_Rows(train=rest[train], val=rest[val], held=held))
    return found


def _division(work: Work, dataset: "Dataset", plan: Plan, settings: Settings, rows: _Rows, number: int) -> Division:
    """The benches of a division, with their own rows prepared from their own training rows."""
    import numpy as np

    seeds = settings.seeds.child("division", number)
    train, val = take(dataset.train, rows.train, "train"), take(dataset.train, rows.val, "val")
    split = Split(name=f"division-{number}", train=train, val=val, seeds=seeds)
    workdir = work.folder.scratch / f"optimism-{number}"
    bench = replace(bench_of(work, dataset, plan, settings, splits=[split]), workdir=workdir, judged_rows=None)
    judged = bench
    if settings.folds:
        rest = take(dataset.train, np.sort(np.concatenate([rows.train, rows.val])), "train")
        judged = replace(bench, splits=_inner_folds(work, dataset, rest, settings, number))
    return Division(judged=judged, final=bench, held=take(dataset.train, rows.held, "held"))


def _inner_folds(work: Work, dataset: "Dataset", part: "Part", settings: Settings, number: int) -> list[Split]:
    seeds = settings.seeds.child("division", number, "folds")
    return [
        Split(
            name=f"division-{number}-fold-{at}",
            train=take(part, train, "train"),
            val=take(part, val, "val"),
            seeds=seeds.child("fold", at),
        )
        for at, (train, val) in enumerate(folds_of(work, dataset, part, settings.folds, seeds))
    ]


def _findings(way: Way, found: list[Held], wanted: int, trials: int, *, timed: bool) -> list[Finding]:
    """Say where the estimate rests on less than was asked for."""
    counted = [h for h in found if h.counts]
    short = [h.trials for h in counted if way == "nested" and h.trials < trials]
    if len(counted) == wanted and not short:
        return []
    reasons = list(dict.fromkeys(h.why for h in found if h.why))
    if len(found) < wanted and timed:
        reasons.append("the time was over")
    what = f"{len(counted)} of {wanted} divisions of the training rows came to a score"
    if short:
        what += f", after {min(short)} to {max(h.trials for h in counted)} trials where the search itself had {trials}"
    return [
        Finding(
            code="search.optimism_cut",
            severity=Severity.WARNING,
            where="hyperparameter_search.optimism",
            what=what + (f": {reasons[0]}" if reasons else ""),
            why="the luck of the best trial is estimated from fewer rows or shorter searches than was asked for"
            if counted
            else f"there is no {way} estimate of the luck of the best trial",
            fix="Raise the time, or lower hyperparameter_search.optimism_folds or the number of trials",
            evidence={"counted": len(counted), "wanted": wanted, "reasons": to_json(reasons[:10])},
        )
    ]
