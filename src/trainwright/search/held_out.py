"""The luck of the best trial, measured on rows that chose nothing.

``nested``: in each outer fold of the training rows the whole search is done again on the other rows, and its winner is
scored on the fold. ``repeated``: the best few trials are trained again on fresh divisions of the training rows, and
scored on the part that neither trained them nor ended their training. Both choose nothing: the winner stays.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from trainwright.core.errors import TrainingFailed
from trainwright.core.metrics import compute
from trainwright.search.ledger import Ledger, Record
from trainwright.search.loop import Limits, OwnProcess, Search
from trainwright.search.propose import Proposal
from trainwright.search.settings import Settings
from trainwright.search.trial import Bench, Kept

if TYPE_CHECKING:
    from trainwright.data.dataset import Part

Way: TypeAlias = Literal["nested", "repeated"]

_NO_TIME = "the time was over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Rows for training and for ending it, on two benches, and rows that are held out of both.

    ``judged`` is the bench whose trials are judged as the search's own are; ``final`` trains on one division into
    training and validation rows, as the delivered model is. They are the same where validation rows judge.
    """

    judged: Bench
    final: Bench
    held: "Part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What came of one division.

    ``scores``: trial -> its value on the held-out rows. Nested: the one trial is the winner of the division's own
    search of ``trials`` trials, whose value was ``inner``. ``why``: what left it without a score, else empty.
    """

    scores: Mapping[int, float]
    rows: int
    seconds: float
    trials: int = 0
    inner: float | None = None
    why: str = ""

    @property
    def counts(self) -> bool:
        """Whether there is a score to compare."""
        return bool(self.scores)


def held_to_json(found: Held) -> dict[str, object]:
    """What is written of a division; numbers of trials are texts, as keys of JSON are."""
    return {**asdict(found), "scores": {str(number): value for number, value in found.scores.items()}}


def held_from_json(told: Mapping[str, Any]) -> Held:
    """Read back what `held_to_json` gave."""
    return Held(**{**told, "scores": {int(number): float(value) for number, value in told["scores"].items()}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How much of the best value is luck, measured on held-out rows; the bootstrap's answer is `standing.Optimism`.

    ``optimism`` is how much too good the value of a search's best trial was in the mean, positive where it was too
    good; ``deviation`` is its standard deviation over divisions, None with one. ``corrected`` is the mean score on
    held-out rows: what the winner is worth, but for the fewer rows that trained it there. ``scores``: repeated only,
    trial -> its mean on held-out rows. ``wanted``: how many divisions were asked for.
    """

    method: Way
    value: float
    corrected: float
    optimism: float
    deviation: float | None
    divisions: tuple[Held, ...]
    wanted: int
    scores: Mapping[str, float]
    seconds: float


def search_again(division: Division, settings: Settings, folder: Path, limits: Limits, *, last: Limits) -> Held:
    """One outer fold of a nested search: search, then score the winner on the fold. ``folder`` keeps its ledger.

    ``limits`` end the search, ``last`` the training of its winner where that has to be done again.

    Raises:
        Stopped: a signal came in; the finished trials are in the ledger.
    """
    ledger = Ledger(folder / "trials.jsonl")
    began, before = limits.clock.elapsed(), ledger.seconds
    running = Search(
        settings=settings,
        ledger=ledger,
        worker=OwnProcess(division.judged, lambda: ledger.trials),
        limits=limits,
        told=lambda _number, _trial: None,
    )
    scores: dict[int, float] = {}
    inner: float | None = None
    try:
        winner = ledger.find(running.run().number)
        assert winner is not None
        value, why = score(division, winner, last, running.kept.get(winner.number))
        inner = winner.value
        scores = {} if value is None else {winner.number: value}
    except TrainingFailed as error:
        why = error.message
    finally:
        for kept in running.kept.values():
            kept.close()
    seconds = before + limits.clock.elapsed() - began
    return Held(
        scores=scores, rows=len(division.held), seconds=seconds, trials=len(ledger.trials), inner=inner, why=why
    )


def score_again(division: Division, few: Sequence[Record], limits: Limits) -> Held:
    """The best few trials on a fresh division: all of them, or none where the time ends among them.

    Raises:
        Stopped: a signal came in.
    """
    began = limits.clock.elapsed()
    scores: dict[int, float] = {}
    why = ""
    for record in few:
        value, why = score(division, record, limits, None)
        if value is None:
            scores = {}
            break
        scores[record.number] = value
    return Held(scores=scores, rows=len(division.held), seconds=limits.clock.elapsed() - began, why=why)


def score(division: Division, record: Record, limits: Limits, kept: Kept | None) -> tuple[float | None, str]:
    """A trial's value on the held-out rows, trained where it is not ``kept``; None with the reason."""
    opened = None
    if kept is None or division.final is not division.judged:
        if limits.over():
            return None, _NO_TIME
        proposal = Proposal(number=record.number, params=record.params, origin=record.origin)
        outcome = division.final.run(proposal, (), deadline_s=limits.deadline_s, keep=True)
        kept = opened = outcome.kept
        if kept is None or outcome.record.state != "complete":
            if opened is not None:
                opened.close()
            return None, _NO_TIME if outcome.record.state == "cut" else outcome.record.reason
    try:
        held, metric = division.held, division.final.settings.primary
        predicted = kept.fitted.predict(kept.prepared.features.transform(held.frame))
        value = compute(metric, held.y, predicted, weight=held.weight)
    finally:
        if opened is not None:
            opened.close()
    return (value, "") if math.isfinite(value) else (None, f"{metric.name} is not defined on the held-out rows")


def measured(settings: Settings, way: Way, winner: Record, found: Sequence[Held], *, wanted: int) -> Measured | None:
    """The optimism of the winner's value from the divisions that have a score; None where none has."""
    counted = [h for h in found if h.counts and (way == "nested" or winner.number in h.scores)]
    if not counted or winner.value is None:
        return None
    sign = 1.0 if settings.primary.higher_is_better else -1.0
    outer = [next(iter(h.scores.values())) if way == "nested" else h.scores[winner.number] for h in counted]
    seen = [h.inner if way == "nested" and h.inner is not None else winner.value for h in counted]
    lucks = [sign * (before - after) for before, after in zip(seen, outer, strict=True)]
    return Measured(
        method=way,
        value=winner.value,
        corrected=statistics.fmean(outer),
        optimism=statistics.fmean(lucks),
        deviation=statistics.stdev(lucks) if len(lucks) > 1 else None,
        divisions=tuple(found),
        wanted=wanted,
        scores=_means(counted) if way == "repeated" else {},
        seconds=sum(h.seconds for h in found),
    )


def _means(counted: Sequence[Held]) -> dict[str, float]:
    numbers = sorted({number for held in counted for number in held.scores})
    return {
        str(number): statistics.fmean(h.scores[number] for h in counted if number in h.scores) for number in numbers
    }


def of_a_fold(settings: Settings, number: int, *, trials: int) -> Settings:
    """The settings of the search in an outer fold: the same, for as many trials as the search itself came to, with
    random streams of its own, one trial after the other."""
    seeds = settings.seeds.child("nested", number)
    return replace(settings, seeds=seeds, trials=trials, seconds=None, parallel=1, deterministic=True)
