"""One search by workers of several machines, who meet in a database (any URL of Optuna's RDB storage).

The database hands out trial numbers and keeps what came of them; what to try is proposed as everywhere, from the
records that are there at that moment. So the result depends on who was faster: that is the price, and the run says so.
A worker that dies stops giving signs of life; its trial is then taken up by another under a new number.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
        """Train trials until the search is over for this worker; gives what it trained itself.

        Raises:
            Stopped: a signal came in; the trial at work is left to another.
        """
        while not self._closed() and not self.limits.over():
            taken = self._take()
            if taken is None:
                return
            trial, proposal = taken
            yield self._train(trial, proposal)

    def wait(self) -> None:
        """Until no other worker is at a trial, or the time is over."""
        while not self.limits.over():
            self._fail_stale()
            if not self._in_state("RUNNING"):
                return
            self.bench.stop.raise_if_requested()
            time.sleep(_LOOK_EVERY_S)

    def close(self) -> None:
        """Tell helpers that the search is over."""
        self.study.set_user_attr("closed", value=True)

    def records(self) -> tuple[Record, ...]:
        """Every finished trial, whoever trained it; a lost one as failed."""
        found = []
        for trial in self.study.get_trials(deepcopy=False):
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

    def _in_state(self, name: str) -> list[Any]:
        return [t for t in self.study.get_trials(deepcopy=False) if t.state.name == name]

    def _fail_stale(self) -> None:
        from optuna.storages import fail_stale_trials

        fail_stale_trials(self.study)

    def _take(self) -> tuple[Any, Proposal] | None:
        """A trial number and what to try; first what a dead worker left. None when the budget is handed out."""
        self._fail_stale()
        trials = self.study.get_trials(deepcopy=False)
        left = _left_over(trials)
        counted = [t for t in trials if "void" not in t.user_attrs and not _is_lost(t)]
        if not left and self.settings.trials is not None and len(counted) >= self.settings.trials:
            return None
        trial = self.study.ask()
        proposal = self._proposal(trial, left[0] if left else None)
        if proposal is None:
            self._drop(trial)
            return None
        trial.set_user_attr("params", dict(proposal.params))
        trial.set_user_attr("origin", proposal.origin)
        trial.set_user_attr("share", proposal.share)
        self._show_params(trial, proposal)
        if left and self._taken_by_another(trial, left[0].number):
            self._drop(trial)
            return self._take()
        return trial, proposal

    def _proposal(self, trial: Any, left: Any) -> Proposal | None:
        if left is not None:
            trial.set_user_attr("retry_of", left.number)
            known = left.user_attrs
            params, origin, share = known["params"], known["origin"], known["share"]
            return Proposal(number=trial.number, params=params, origin=origin, share=share)
        running = [t for t in self._in_state("RUNNING") if t.number != trial.number and "params" in t.user_attrs]
        pending = [
            Proposal(number=t.number, params=t.user_attrs["params"], origin="", share=t.user_attrs.get("share", 1.0))
            for t in running
        ]
        return propose(trial.number, self.settings, self.records(), pending)

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

    def _taken_by_another(self, trial: Any, number: int) -> bool:
        """Whether two workers took up the same trial, and the other one has the lower number."""
        same = [t for t in self.study.get_trials(deepcopy=False) if t.user_attrs.get("retry_of") == number]
        return any(t.number < trial.number and "void" not in t.user_attrs for t in same)

    def _drop(self, trial: Any) -> None:
        trial.set_user_attr("void", value=True)
        self._tell(trial, None)

    def _train(self, trial: Any, proposal: Proposal) -> Outcome:
        from optuna.storages._heartbeat import get_heartbeat_thread  # what `Study.optimize` does; ask has no other way

        try:
            with get_heartbeat_thread(trial._trial_id, self.study._storage):
                done = self.records()
                outcome = self.bench.run(proposal, done, deadline_s=self.limits.deadline_s, keep=False)
        except BaseException:
            self._tell(trial, None)  # without a record: another worker takes it up
            raise
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


def _left_over(trials: Sequence[Any]) -> list[Any]:
    """Lost trials that nobody has taken up yet, the oldest first."""
    taken = {t.user_attrs["retry_of"] for t in trials if "retry_of" in t.user_attrs and "void" not in t.user_attrs}
    return [t for t in trials if _is_lost(t) and "params" in t.user_attrs and t.number not in taken]
