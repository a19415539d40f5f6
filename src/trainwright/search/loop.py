"""The loop of a search: propose, train, write down; then the best few again under other seeds.

    while the budget lasts:
        proposals = propose(...)          a function of the ledger and of numbers
        outcome = bench.run(...)          the driver trains; a failing trial is an outcome
        ledger.append(outcome.record)     on the disk before anything else happens

Trials come in batches of as many as train at the same time. What a batch proposes depends on earlier batches only, so
neither the order in which its trials end nor a kill among them changes anything.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from trainwright.core.clock import Clock
from trainwright.core.errors import TrainingFailed
from trainwright.core.events import Trial
from trainwright.search.ledger import Ledger, Record
from trainwright.search.propose import Proposal, propose
from trainwright.search.settings import Settings
from trainwright.search.standing import COMPARED, Verdict, judge, ranking
from trainwright.search.trial import Bench, Kept, Outcome

_MOST_FAILURES = 10  # in a row from the first trial: the spec is wrong, not the luck (assumption)
_COMPARING_SHARE = 0.25  # of the search's time may go to other seeds (assumption)


class Worker(Protocol):
    """What trains a batch: in this process, or in several."""

    def run(
        self, proposals: Sequence[Proposal], done: Sequence[Record], *, deadline_s: float | None
    ) -> Iterator[Outcome]:
        """Outcomes as they come."""
        ...

    def repeat(self, wanted: Sequence[tuple[Record, int]], *, deadline_s: float | None) -> Iterator[Record]:
        """Finished trials again, each under the seed of that number."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a search ends: ``deadline_s`` is a reading of the clock, None for none."""

    clock: Clock
    deadline_s: float | None

    def over(self, reserve_s: float = 0.0) -> bool:
        """Whether less than the reserve is left."""
        return self.deadline_s is not None and self.clock.elapsed() >= self.deadline_s - reserve_s


@dataclass(slots=True, kw_only=True)
class Search:
    """One search at work. ``told`` hears of every trial, ``filed`` gets every outcome after it is in the ledger."""

    settings: Settings
    ledger: Ledger
    worker: Worker
    limits: Limits
    told: Callable[[int, Trial], None]
    filed: Callable[[Outcome], None] = lambda _outcome: None
    kept: dict[int, Kept] = field(default_factory=dict)
    reason: str = field(default="")

    def run(self) -> Verdict:
        """Search until trials, time or space are used up, and say which trial is the best.

        Raises:
            TrainingFailed: no trial came to a value.
            Stopped: a signal came in; every finished trial is in the ledger.
        """
        for record in self.ledger.trials:
            self._tell(record)
        while not (why := self._ended()):
            asked = self._batch()
            if not asked:
                why = "space"
                break
            self._train(asked)
        self.reason = why
        best = ranking(self.settings, self.ledger.trials)
        if not best:
            raise TrainingFailed(_all_failed(self.ledger.trials))
        self._compare(best)
        verdict = judge(self.settings, best, self.ledger.repeats)
        self._let_go([verdict.number])
        return verdict

    def _ended(self) -> str:
        trials, settings = self.ledger.trials, self.settings
        if settings.trials is not None and len(trials) >= settings.trials:
            return "trials"
        if trials and self.limits.over(self._reserve_s()):
            return "time"
        if len(trials) >= _MOST_FAILURES and all(t.state == "failed" for t in trials):
            return "failures"
        return ""

    def _reserve_s(self) -> float:
        """Time for the best few under other seeds, as far as it may take a share of what was spent."""
        complete = [r.seconds for r in self.ledger.trials if r.state == "complete"]
        if not complete or self.settings.compared_seeds < 2:
            return 0.0
        wanted = COMPARED * (self.settings.compared_seeds - 1) * max(complete) / self.settings.parallel
        return min(wanted, _COMPARING_SHARE * self.ledger.seconds / self.settings.parallel)

    def _batch(self) -> list[Proposal]:
        """The proposals of the present batch that have no record yet."""
        width, settings = self.settings.parallel, self.settings
        known = {r.number for r in self.ledger.trials}
        number = next(n for n in range(len(known) + 1) if n not in known)
        begin = number - number % width
        earlier = [r for r in self.ledger.trials if r.number < begin]
        asked: list[Proposal] = []
        for at in range(begin, begin + width):
            if settings.trials is not None and at >= settings.trials:
                break
            proposal = propose(at, settings, earlier, asked)
            if proposal is None:
                break
            asked.append(proposal)
        return [p for p in asked if p.number not in known]

    def _train(self, asked: Sequence[Proposal]) -> None:
        begin = min(p.number for p in asked)
        begin -= begin % self.settings.parallel
        earlier = [r for r in self.ledger.trials if r.number < begin]
        for outcome in self.worker.run(asked, earlier, deadline_s=self.limits.deadline_s):
            self.ledger.append(outcome.record)
            self._keep(outcome)
            self.filed(outcome)
            self._tell(outcome.record)

    def _keep(self, outcome: Outcome) -> None:
        """Hold on to the models that may be delivered: the best few of boosters, one of those that hold their rows."""
        if outcome.kept is None:
            return
        self.kept[outcome.kept.number] = outcome.kept
        many = COMPARED if outcome.kept.fitted.session.keeps_every_round else 1
        best = [r.number for r in ranking(self.settings, self.ledger.trials)[:many]]
        self._let_go(best)

    def _let_go(self, wanted: Sequence[int]) -> None:
        for number in [n for n in self.kept if n not in wanted]:
            self.kept.pop(number).close()

    def _tell(self, record: Record) -> None:
        upto = [r for r in self.ledger.trials if r.number <= record.number]
        best = ranking(self.settings, upto)
        trial = Trial(
            number=record.number,
            of=self.settings.trials,
            state=record.state,
            metric=self.settings.primary.name,
            value=record.value,
            best=best[0].value if best else None,
            best_number=best[0].number if best else None,
            params=record.params,
            seconds=record.seconds,
            reason=record.reason,
        )
        self.told(record.number, trial)

    def _compare(self, best: Sequence[Record]) -> None:
        """The best few under other seeds, seed by seed, as long as there is time."""
        few = best[:COMPARED] if len(best) > 1 else []
        for number in range(1, self.settings.compared_seeds):
            wanted = [(r, number) for r in few if self.ledger.find(r.number, number) is None]
            if self.limits.over():
                return
            for record in self.worker.repeat(wanted, deadline_s=self.limits.deadline_s):
                self.ledger.append(record)


def _all_failed(trials: Sequence[Record]) -> str:
    reasons = list(dict.fromkeys(t.reason for t in trials if t.state == "failed"))
    if not reasons:
        return "the time ended before one trial of the search came to a value. Raise the budget"
    more = f" ({len(reasons) - 1} other reasons are in search/trials.jsonl)" if len(reasons) > 1 else ""
    return f"all {len(trials)} trials of the search failed: {reasons[0]}{more}"


@dataclass(frozen=True, slots=True)
class OwnProcess:
    """Trains trials one after the other in this process; the models of those that may win stay open."""

    bench: Bench

    def run(
        self, proposals: Sequence[Proposal], done: Sequence[Record], *, deadline_s: float | None
    ) -> Iterator[Outcome]:
        """Outcomes in the order of the proposals."""
        for proposal in proposals:
            yield self.bench.run(proposal, done, deadline_s=deadline_s, keep=True)

    def repeat(self, wanted: Sequence[tuple[Record, int]], *, deadline_s: float | None) -> Iterator[Record]:
        """Records in the order asked."""
        for record, number in wanted:
            yield self.bench.repeat(record, number, deadline_s=deadline_s)
