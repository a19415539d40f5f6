"""The loop of a search: propose, train, write down; then the best few again under other seeds.

    while the budget lasts:
        proposals = propose(...)          a function of the ledger and of numbers
        outcome = bench.run(...)          the driver trains; a failing trial is an outcome
        ledger.append(outcome.record)     on the disk before anything else happens

Trials come in batches of as many as train at the same time. What a batch proposes depends on earlier batches only, so
neither the order in which its trials end nor a kill among them changes anything.
"""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A trial to train: under another seed where ``repeat`` is above 0.

    ``before``: only trials below this number may have a say in its pruning; None: all that are finished.
    """

    proposal: Proposal
    repeat: int
    before: int | None
    deadline_s: float | None


class Worker(Protocol):
    """What trains: in this process, or in several."""

    def submit(self, task: Task) -> None:
        """Take a task; it may begin at once."""
        ...

    def next(self) -> Outcome:
        """The next outcome of the submitted tasks, in any order.

        Raises:
            Stopped: a signal came in.
        """
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
        self.reason = self._by_batches() if self.settings.deterministic else self._as_they_come()
        return self.conclude()

    def conclude(self) -> Verdict:
        """The verdict over what is in the ledger, after the best few were compared under other seeds.

        Raises:
            TrainingFailed: no trial came to a value.
        """
        best = ranking(self.settings, self.ledger.trials)
        if not best:
            raise TrainingFailed(_all_failed(self.ledger.trials))
        self._compare(best)
        verdict = judge(self.settings, best, self.ledger.repeats)
        self._let_go([verdict.number])
        return verdict

    def _by_batches(self) -> str:
        """Trials in batches that wait for their last one; why it ended.

        They are told by their numbers, a batch once it is whole: after a kill the ledger may hold the second of two.
        """
        heard = self._tell_from(0, self._begin())
        while not (why := self._ended()):
            asked = self._batch()
            if not asked:
                why = "space"
                break
            for proposal in asked:
                self._submit(proposal, before=self._begin())
            for _ in asked:
                self._take(self.worker.next())
            heard = self._tell_from(heard, self._begin())
        self._tell_from(heard)
        return why

    def _begin(self) -> int:
        """The first number of the batch that is not whole yet."""
        number = self._missing()
        return number - number % self.settings.parallel

    def _missing(self, more: Collection[int] = ()) -> int:
        """The lowest number that has no record and is not among ``more``."""
        known = {r.number for r in self.ledger.trials} | set(more)
        return next(n for n in range(len(known) + 1) if n not in known)

    def _tell_from(self, first: int, end: int = sys.maxsize) -> int:
        """Let the trials from one number to before another be heard; where the next ones begin."""
        for record in self.ledger.trials:
            if first <= record.number < end:
                self.tell(record.number)
        return end

    def _as_they_come(self) -> str:
        """A new trial whenever one ends: no process waits, and the timing decides what is known when; why it ended."""
        self._tell_from(0)
        running: dict[int, Proposal] = {}
        why = self._ended()
        while not why or running:
            while not why and len(running) < self.settings.parallel:
                proposal = self._next_free(running)
                if proposal is None:
                    why = "space" if not running else ""
                    break
                running[proposal.number] = proposal
                self._submit(proposal, before=None)
            if running:
                outcome = self.worker.next()
                del running[outcome.record.number]
                self._take(outcome)
                self.tell(outcome.record.number)
                why = why or self._ended()
        return why

    def _next_free(self, running: Mapping[int, Proposal]) -> Proposal | None:
        number = self._missing(running)
        if self.settings.trials is not None and number >= self.settings.trials:
            return None
        return propose(number, self.settings, self.ledger.trials, list(running.values()))

    def _submit(self, proposal: Proposal, *, before: int | None, repeat: int = 0) -> None:
        deadline = self.limits.deadline_s
        self.worker.submit(Task(proposal=proposal, repeat=repeat, before=before, deadline_s=deadline))

    def _take(self, outcome: Outcome) -> None:
        self.ledger.append(outcome.record)
        self._keep(outcome)
        self.filed(outcome)

    def _ended(self) -> str:
        trials, settings = self.ledger.trials, self.settings
        if settings.trials is not None and len(trials) >= settings.trials:
            return "trials"
        if any(t.state == "cut" for t in trials) or (trials and self.limits.over(self._reserve_s())):
            return "time"  # what is left after a cut trial is set aside for scoring its model
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
        begin = self._begin()
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

    def tell(self, number: int) -> None:
        """Let the log and the screen hear of a finished trial."""
        record = self.ledger.find(number)
        assert record is not None
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
            wanted = [r for r in few if self.ledger.find(r.number, number) is None]
            if self.limits.over():
                return
            for record in wanted:
                proposal = Proposal(number=record.number, params=record.params, origin=record.origin)
                self._submit(proposal, before=0, repeat=number)
            again = sorted((self.worker.next().record for _ in wanted), key=lambda r: r.number)
            for record in again:
                self.ledger.append(record)


def _all_failed(trials: Sequence[Record]) -> str:
    reasons = list(dict.fromkeys(t.reason for t in trials if t.state == "failed"))
    if not reasons:
        return "the time ended before one trial of the search came to a value. Raise the budget"
    more = f" ({len(reasons) - 1} other reasons are in search/trials.jsonl)" if len(reasons) > 1 else ""
    return f"all {len(trials)} trials of the search failed: {reasons[0]}{more}"


def known_to(task: Task, trials: Sequence[Record]) -> list[Record]:
    """The finished trials that have a say in a task."""
    return [r for r in trials if task.before is None or r.number < task.before]


@dataclass(slots=True)
class OwnProcess:
    """Trains one trial after the other in this process; the models of those that may win stay open."""

    bench: Bench
    trials: Callable[[], Sequence[Record]]
    _tasks: list[Task] = field(default_factory=list)

    def submit(self, task: Task) -> None:
        """Put a task at the end of the queue."""
        self._tasks.append(task)

    def next(self) -> Outcome:
        """Train the first task of the queue."""
        return perform(self.bench, self._tasks.pop(0), self.trials(), keep=True)


def perform(bench: Bench, task: Task, trials: Sequence[Record], *, keep: bool) -> Outcome:
    """Do a task on a bench."""
    if task.repeat:
        return bench.repeat(task.proposal, task.repeat, deadline_s=task.deadline_s)
    return bench.run(task.proposal, known_to(task, trials), deadline_s=task.deadline_s, keep=keep)
