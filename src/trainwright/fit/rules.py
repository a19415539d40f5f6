"""What ends a training, and what is said where its budget did."""

from dataclasses import dataclass

from trainwright.core.findings import Finding, Severity
from trainwright.core.metrics import Metric
from trainwright.doctor.remedies import Policy
from trainwright.fit.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What ends a training.

    ``patience`` rounds without ``watch`` getting better by more than ``min_delta`` stop it (0: never). ``deadline_s``
    is a reading of the clock by which training, and what scoring its model will take (`Tail`), must have ended: no
    unit begins after that. Where ``scored_in_time`` is false, only the training must have ended by then.
    ``checkpoint_every_s`` seconds pass between saves, of which the newest ``keep_checkpoints`` stay. ``repairs`` is
    what the doctor may do; None: this training is not examined (a trial, a baseline).
    """

    watch: Metric
    primary: Metric
    patience: int
    min_delta: float = 0.0
    deadline_s: float | None = None
    scored_in_time: bool = True
    checkpoint_every_s: float = 30.0
    keep_checkpoints: int = 1
    repairs: Policy | None = None

    @property
    def keeps_best(self) -> bool:
        """Whether the best round is saved: to be selected, or to be gone back to."""
        return bool(self.patience) or (self.repairs is not None and self.repairs.mode == "auto")

    def better(self, value: float, best: float | None) -> bool:
        """Whether a watched value counts as an improvement on the best one so far."""
        if best is None:
            return True
        gain = value - best if self.watch.higher_is_better else best - value
        return gain > self.min_delta


def budget_finding(progress: Progress, limit: int) -> Finding:
    """Say that the time budget ended the training, and how to repeat the result."""
    return Finding(
        code="budget.stopped",
        severity=Severity.WARNING,
        where="training.time_budget",
        what=f"the time budget ended training after {progress.rounds} of at most {limit} rounds",
        why="more time may give a better model",
        fix=f"Set training.rounds: {progress.rounds} to repeat this result exactly, or raise the budget",
        evidence={"rounds": progress.rounds, "limit": limit},
    )
