"""Cheap trials first: configurations on part of the rows, the better third of them on three times as many.

Asynchronous successive halving (Li et al. 2020) over training rows, as a function of the ledger: the next trial is a
promotion where one is due, else a new configuration on the fewest rows.
"""

from collections.abc import Sequence

from trainwright.search.ledger import Record
from trainwright.search.settings import Settings
from trainwright.search.space import key_of

ETA = 3  # as in the paper's experiments, and Optuna's Hyperband
LEAST_ROWS = 10_000  # of a cheap trial (assumption: enough for the order of configurations to mean something)
LARGE = 50_000  # training rows from which a search does so by itself (assumption: below, trials take a second or two)
LEAST_PARAMETERS = 4  # fewer are searched well by a few full trials (assumption)


def shares_for(rows: int) -> tuple[float, ...]:
    """Rising shares of the rows, the last one 1: at most three, none below `LEAST_ROWS` rows."""
    below = [round(1 / ETA**k, 6) for k in (2, 1) if rows / ETA**k >= LEAST_ROWS]
    return (*below, 1.0)


def promoted(settings: Settings, done: Sequence[Record], taken: Sequence[tuple[str, float]]) -> Record | None:
    """The finished cheap trial that is due on more rows; None where there is none.

    ``taken``: configuration and share of trials that run at this moment.
    """
    begun = {(key_of(r.params), r.share) for r in done} | set(taken)
    for share, more in reversed(list(zip(settings.shares, settings.shares[1:], strict=False))):
        here = [r for r in done if r.share == share and r.state == "complete" and r.value is not None]
        ranked = sorted(here, key=lambda r: (settings.cost(r.value or 0.0), r.number))
        finished = sum(r.share == share and r.state != "failed" for r in done)
        for record in ranked[: finished // ETA]:
            if (key_of(record.params), more) not in begun:
                return record
    return None


def more_than(settings: Settings, share: float) -> float:
    """The share that follows."""
    return settings.shares[settings.shares.index(share) + 1]


def informative(settings: Settings, done: Sequence[Record], least: int) -> list[Record]:
    """The records a sampler learns from: those on most rows that are enough, as in BOHB (Falkner et al. 2018)."""
    for share in reversed(settings.shares):
        found = [r for r in done if r.share == share]
        if len(found) >= least:
            return found
    return [r for r in done if r.share == settings.shares[0]] or list(done)
