"""One search by workers of several machines, who meet in a database (any URL of Optuna's RDB storage).

The database hands out trial numbers and keeps what came of them; what to try is proposed as everywhere, from the
records that are there at that moment. So the result depends on who was faster: that is the price, and the run says so.
A worker that dies stops giving signs of life; its trial is then taken up by another under a new number.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from trainwright.core.errors import ResourceMissing, missing_extra
from trainwright.search.ledger import Record, record_from_json
from trainwright.search.loop import Limits
from trainwright.search.propose import Proposal, distribution, propose, quiet_optuna
from trainwright.search.settings import Settings
from trainwright.search.space import filled
from trainwright.search.trial import Bench, Outcome

SIGN_OF_LIFE_S = 5  # between signs of a worker (assumption: short against a trial worth sharing)
GRACE_S = 15  # without one, after which its trial is taken up by another
_LOOK_EVERY_S = 0.5  # assumption: how long the end of the last trial may go unseen
_QUEUE_EVERY_S = 0.05  # assumption: a proposal takes about as long
_LOST = "its worker gave no sign of life; the same configuration was tried again"


@contextmanager
def shared_study(url: str, name: str, *, create: bool) -> Iterator[Any]:
    """The study of that name in the database.

    Raises:
        ResourceMissing: the database or its driver is not there, or it has no such study.
    """
    with quiet_optuna() as optuna:
        try:
            storage = optuna.storages.RDBStorage(url, heartbeat_interval=SIGN_OF_LIFE_S, grace_period=GRACE_S)
            sampler = optuna.samplers.RandomSampler()
            if create:
                study = optuna.create_study(study_name=name, storage=storage, sampler=sampler, load_if_exists=True)
            else:
                study = optuna.load_study(study_name=name, storage=storage, sampler=sampler)
        except ImportError as error:
            raise missing_extra(f"the driver of {url.partition(':')[0]}", "postgres") from error
        except KeyError as error:
            raise ResourceMissing(f"the database has no search of the name {name}: start the run first") from error
        except Exception as error:
            # Drivers raise through SQLAlchemy, which is Optuna's own dependency and has no base class in common with
            # Optuna's storage errors: what comes from neither goes on as it is.
            if type(error).__module__.partition(".")[0] != "sqlalchemy" and "Storage" not in type(error).__name__:
                raise
            said = " ".join(str(error).split())[:300]
            raise ResourceMissing(f"the database of hyperparameter_search.storage cannot be used: {said}") from error
        try:
            yield study
        finally:
            storage.remove_session()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Takes part in a shared search, as the run itself or as a helper."""

    study: Any
    settings: Settings
    bench: Bench
    limits: Limits

    def take_part(self) -> Iterator[Outcome]:
        """Train trials until the budget is handed out or the search is over; gives what it trained itself.

        Raises:
            Stopped: a signal came in; the trial at work is left to another.
        """
        while not self._closed() and not self.limits.over() and not self._handed_out(self._trials()):
            outcome = self._take()
            if outcome is not None:
                yield outcome

    def see_out(self) -> Iterator[Outcome]:
        """Take part until no worker is at a trial and none was lost, or the time is over.

        Raises:
            Stopped: as `take_part`.
        """
        while not self.limits.over():
            yield from self.take_part()
            self._fail_stale()
            trials = self._trials()
            if self._handed_out(trials) and not any(t.state.name == "RUNNING" for t in trials):
                return
            self._pause()

    def close(self) -> None:
        """Tell helpers that the search is over."""
        self.study.set_user_attr("closed", value=True)

    def records(self) -> tuple[Record, ...]:
        """Every finished trial, whoever trained it; a lost one as failed."""
        found = []
        for trial in self._trials():
            if "record" in trial.user_attrs:
                found.append(record_from_json(trial.user_attrs["record"]))
            elif trial.state.name == "FAIL" and "params" in trial.user_attrs and "void" not in trial.user_attrs:
                known = trial.user_attrs
                found.append(
                    Record(
                        number=trial.number,
                        params=known["params"],
                        state="failed",
                        origin=known["origin"],
                        reason=_LOST,
                    )
                )
        return tuple(found)

    def _closed(self) -> bool:
        return bool(self.study.user_attrs.get("closed"))

    def _trials(self) -> list[Any]:
        found: list[Any] = self.study.get_trials(deepcopy=False)
        return found

    def _fail_stale(self) -> None:
        from optuna.storages import fail_stale_trials

        fail_stale_trials(self.study)

    def _pause(self, seconds: float = _LOOK_EVERY_S) -> None:
        self.bench.stop.raise_if_requested()
        time.sleep(seconds)

    def _handed_out(self, trials: Sequence[Any]) -> bool:
        """Whether no further number is needed: the budget or the space is used up, and nothing was lost."""
        if _left_over(trials):
            return False
        counted = [t for t in trials if "void" not in t.user_attrs and not _is_lost(t)]
        used_up = self.settings.trials is not None and len(counted) >= self.settings.trials
        return used_up or bool(self.study.user_attrs.get("exhausted"))

    def _take(self) -> Outcome | None:
        """Draw a number, say what is tried under it, and train that; None where there was nothing left for it."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.storages._heartbeat import get_heartbeat_thread  # what `Study.optimize` does; ask has no other way

        trial = self.study.ask()
        try:
            with get_heartbeat_thread(trial._trial_id, self.study._storage):
                proposal = self._proposal(trial)
                return None if proposal is None else self._train(trial, proposal)
        except UpdateFinishedTrialError:
            return None  # this worker was silent for so long that another took the trial up
        except BaseException:
            # Ctrl-C and SIGTERM too: told without a record, so that another worker takes it up at once and not only
            # when this one's signs of life stop.
            self._tell(trial, None)
            raise

    def _earlier(self, number: int) -> list[Any]:
        """The trials with lower numbers, once each of them has said what it tries, or the time is over.

        Numbers are a queue: whoever holds the lowest decides first, so nobody hands out more than the budget, takes
        up a lost trial a second time or proposes without knowing what the others are at.
        """
        since: dict[int, float] = {}
        while True:
            self._fail_stale()
            trials = [t for t in self._trials() if t.number < number]
            silent = [t for t in trials if t.state.name == "RUNNING" and "params" not in t.user_attrs]
            if not silent or self.limits.over():
                return trials
            for trial in silent:
                if time.monotonic() - since.setdefault(trial.number, time.monotonic()) > 2 * GRACE_S:
                    self._drop(trial.number, trial._trial_id)  # it died before its first sign of life
            self._pause(_QUEUE_EVERY_S)

    def _proposal(self, trial: Any) -> Proposal | None:
        """What to try under a number, written down: first what was lost. None when nothing is left, or no time."""
        earlier = self._earlier(trial.number)
        lost = _left_over(earlier)
        proposal: Proposal | None = None
        if lost and not self.limits.over():
            trial.set_user_attr("retry_of", lost[0].number)
            proposal = _same(trial.number, lost[0])
        elif not self.limits.over() and not self._handed_out(earlier):
            proposal = self._proposed(trial.number, earlier)
        if proposal is None:
            self._drop(trial.number, trial._trial_id)
            return None
        self._show_params(trial, proposal)
        trial.set_user_attr("origin", proposal.origin)
        trial.set_user_attr("share", proposal.share)
        trial.set_user_attr("params", dict(proposal.params))  # the last: with it the next number may decide
        return proposal

    def _proposed(self, number: int, earlier: Sequence[Any]) -> Proposal | None:
        pending = [_same(t.number, t) for t in earlier if t.state.name == "RUNNING"]
        proposal = propose(number, self.settings, self.records(), pending)
        if proposal is None:
            self.study.set_user_attr("exhausted", value=True)
        return proposal

    def _show_params(self, trial: Any, proposal: Proposal) -> None:
        """Parameters where Optuna's own tools look for them."""
        from trainwright.core.jsonable import dumps

        for name in filled(self.settings.space, proposal.params, self.settings.fixed):
            if name in proposal.params:
                dimension = distribution(self.settings.space[name])
                value = proposal.params[name]
                shown = dumps(value) if self.settings.space[name].choices else value
                inner = dimension.to_internal_repr(shown)
                self.study._storage.set_trial_param(trial._trial_id, name, inner, dimension)

    def _drop(self, number: int, trial_id: int) -> None:
        """Give a number back that stands for nothing."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with suppress(UpdateFinishedTrialError):
            self.study._storage.set_trial_user_attr(trial_id, key="void", value=True)
            self.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)

    def _train(self, trial: Any, proposal: Proposal) -> Outcome:
        outcome = self.bench.run(proposal, self.records(), deadline_s=self.limits.deadline_s, keep=False)
        trial.set_user_attr("record", outcome.record.to_json())
        self._tell(trial, outcome.record.value)
        return outcome

    def _tell(self, trial: Any, value: float | None) -> None:
        from optuna.trial import TrialState

        if value is None:
            self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        else:
            self.study.tell(trial, self.settings.cost(value), skip_if_finished=True)


def _is_lost(trial: Any) -> bool:
    """Whether a trial ended without a word from its worker."""
    known: Mapping[str, Any] = trial.user_attrs
    return trial.state.name == "FAIL" and "record" not in known and "void" not in known


def _same(number: int, trial: Any) -> Proposal:
    """What a trial tries, under a number."""
    known: Mapping[str, Any] = trial.user_attrs
    return Proposal(number=number, params=known["params"], origin=known["origin"], share=known["share"])


def _left_over(trials: Sequence[Any]) -> list[Any]:
    """Lost trials that nobody has taken up yet, the oldest first."""
    said = [t for t in trials if "params" in t.user_attrs and "void" not in t.user_attrs]
    taken = {t.user_attrs["retry_of"] for t in said if "retry_of" in t.user_attrs}
    return [t for t in said if _is_lost(t) and t.number not in taken]
