"""What comes after a training whose model has many rounds, as far as it grows with them: predicting and writing."""

from trainwright.core.clock import Clock
from trainwright.engines.contract import Job, Session

_ROWS = 1_000  # assumption: enough to outweigh what a call costs in itself, cheap beside a unit of training
_AGAIN = 2  # rounds grow by this factor between two looks: their cost is a small share of the training's
_EXPORT = 1.5  # assumption: writing, loading and describing the model take half as long as its predictions


class Tail:
    """The seconds that scoring the model on all rows will take, measured on a few while it grows.

    Sessions that keep every round are boosters, which predict round by round: a thousand trees trained in seconds may
    take as long again to be scored. Other models cost the same at any round, and what is set aside for that is enough.
    """

    def __init__(self, session: Session, job: Job, clock: Clock) -> None:
        self._session, self._clock = session, clock
        self._few = job.train.X[:_ROWS]
        val = job.val.rows if job.val else 0
        self._rows = job.train.rows + 2 * val  # test rows are usually as many as those of validation
        self._grows = session.keeps_every_round
        self._looked_at, self._a_round_s = 0, 0.0

    def seconds(self, rounds: int) -> float:
        """For the model as it is after that many rounds."""
        if not self._grows or not rounds:
            return 0.0
        if rounds >= _AGAIN * self._looked_at:
            began = self._clock.elapsed()
            self._session.predict(self._few, rounds=rounds)
            share = self._rows / max(1, self._few.shape[0])
            self._looked_at, self._a_round_s = rounds, (self._clock.elapsed() - began) * share / rounds
        return _EXPORT * self._a_round_s * rounds
