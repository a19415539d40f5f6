"""The loop of a search with a worker that trains nothing."""

from pathlib import Path

import pytest

from tests.search.builders import record, settings
from trainwright.core.clock import SystemClock
from trainwright.search.ledger import Ledger
from trainwright.search.loop import Limits, Search, Task
from trainwright.search.trial import Outcome


class Backwards:
    """Ends the tasks of a batch in the opposite order."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def submit(self, task: Task) -> None:
        self.tasks.append(task)

    def next(self) -> Outcome:
        proposal = self.tasks.pop().proposal
        done = record(proposal.number, 0.5 + proposal.number / 100, params=proposal.params)
        return Outcome(record=done, lines="")


def heard_of(ledger: Ledger, trials: int) -> list[int]:
    """The numbers of the trials in the order in which they are told."""
    heard: list[int] = []
    search = Search(
        settings=settings(trials=trials, parallel=2, compared_seeds=1, method="random"),
        ledger=ledger,
        worker=Backwards(),
        limits=Limits(clock=SystemClock(), deadline_s=None),
        told=lambda number, _trial: heard.append(number),
    )
    search.run()
    return heard


@pytest.mark.parametrize("trials", [6, 7], ids=["whole batches", "half a batch at the end"])
@pytest.mark.parametrize(
    "there", [[], [0, 1], [0, 1, 3], [0, 1, 2, 3, 4, 5]], ids=["new", "a batch", "the second of two", "all"]
)
def test_trials_are_told_by_their_numbers_whatever_ended_first(tmp_path: Path, trials: int, there: list[int]) -> None:
    ledger = Ledger(tmp_path / "trials.jsonl")
    for number in there:
        ledger.append(record(number, 0.5))
    assert heard_of(ledger, trials) == list(range(trials))
