"""One trial: a configuration, trained by the same driver as the final model and judged on rows it did not see."""

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.clock import Clock
from trainwright.core.errors import Stopped, TrainingFailed, TrainwrightError
from trainwright.core.events import Evaluated, Event
from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue, dumps, to_json
from trainwright.core.plan import ModelPlan
from trainwright.core.seeds import Seeds
from trainwright.engines.contract import Job
from trainwright.fit.driver import Fitted, fit
from trainwright.fit.jobs import Prepared, open_session, prepare_job, take, weighed
from trainwright.fit.plan import Plan
from trainwright.fit.recorder import Recorder
from trainwright.fit.rules import Rules
from trainwright.fit.stop import StopRequest
from trainwright.search.ledger import Record, State
from trainwright.search.propose import Proposal
from trainwright.search.pruning import Prunes, loses_folds, pruner
from trainwright.search.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.dataset import Dataset, Part
    from trainwright.data.pipelines import FeaturePipeline

_LONGEST_REASON = 300  # characters of an error in the ledger: its first line says what it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A trained trial whose session is still open: what the final fit can take over as it is."""

    number: int
    plan: Plan
    prepared: Prepared
    fitted: Fitted
    events: tuple[Event, ...]

    def close(self) -> None:
        """Free what the session holds, and its scratch files."""
        self.fitted.session.close()
        shutil.rmtree(self.prepared.job.workdir, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a trial ended: its record, its events as lines of JSON, and the model where it may win.

    ``predictions`` are those for the bench's judged rows, of any trial that came to a model.
    """

    record: Record
    lines: str
    kept: Kept | None = None
    predictions: "np.ndarray | None" = None


def features_key(model: ModelPlan) -> JsonValue:
    """Equal for plans whose rows are prepared alike."""
    return [model.features, model.accepts_sparse, to_json(model.options.get("features"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Rows to train on and rows to judge by; never test rows. ``seeds`` are those of its features and its model."""

    name: str
    train: "Part"
    val: "Part"
    seeds: Seeds


def _part_of(split: Split, share: float) -> Split:
    """A split with the first rows of a shuffle of its training rows, in their own order."""
    import numpy as np

    rows = len(split.train)
    order = split.seeds.generator("share of rows").permutation(rows)
    picked = np.sort(order[: max(1, round(share * rows))])
    return replace(split, name=f"{split.name}, {share:g} of the rows", train=take(split.train, picked, "train"))


@dataclass(slots=True, kw_only=True)
class Bench:
    """What the trials of one process share: the rows, prepared once for all, and what engines make of them once.

    ``replan`` gives the plan of a configuration. ``splits`` are the validation split, or folds of the training rows.
    ``judged_rows``: positions of validation rows whose predictions are wanted, None for none. ``scored_in_time``:
    whether the run has a time budget, which must suffice for scoring the winner too; the search's own is for trials.
    """

    dataset: "Dataset"
    splits: Sequence[Split]
    replan: Callable[[Mapping[str, JsonValue]], Plan]
    settings: Settings
    workdir: Path
    clock: Clock
    started_s: float
    stop: StopRequest
    checkpoint_every_s: float
    pipeline: "FeaturePipeline | None" = None
    judged_rows: "np.ndarray | None" = None
    scored_in_time: bool = True
    _prepared: dict[str, Prepared] = field(default_factory=dict)
    _shared: dict[str, dict[str, object]] = field(default_factory=dict)
    _parts: dict[float, Sequence[Split]] = field(default_factory=dict)

    def prepared(self, split: Split, plan: Plan, workdir: Path) -> Prepared:
        """The job of a plan on a split; its rows are prepared again only where the plan wants other features.

        Raises:
            SpecError: there are row weights that the model cannot use.
        """
        model = plan.model
        key = dumps([split.name, features_key(model)])
        if key not in self._prepared:
            made = prepare_job(
                self.dataset,
                split.train,
                split.val,
                model,
                seeds=split.seeds,
                threads=plan.threads,
                device=plan.device,
                class_weight="none",
                workdir=workdir,
                pipeline=self.pipeline,
            )
            self._prepared[key] = made
        found = self._prepared[key]
        workdir.mkdir(parents=True, exist_ok=True)
        shared = self._shared.setdefault(dumps([key, plan.class_weight]), {})  # a library bins rows with their weights
        job = replace(found.job, plan=model, workdir=workdir, threads=plan.threads, shared=shared)
        return weighed(replace(found, job=job), split.train, plan.class_weight)

    def run(
        self, proposal: Proposal, done: Sequence[Record], *, deadline_s: float | None, keep: bool, repeat: int = 0
    ) -> Outcome:
        """Train and judge a proposal, under another seed where ``repeat`` is above 0. A failure is an outcome too.

        Raises:
            Stopped: a signal came in.
        """
        began = self.clock.elapsed()
        seen = _Seen(self.settings, self.clock, self.started_s)
        try:
            plan = self.replan(proposal.params)
            outcome = self._run(proposal, plan, done, seen, deadline_s=deadline_s, keep=keep, repeat=repeat)
        except Stopped:
            raise
        except TrainwrightError as error:
            outcome = self._failed(proposal, seen, error.message, error.findings)
        except Exception as error:  # noqa: BLE001 - whatever a library does, the search goes on; the ledger tells it
            outcome = self._failed(proposal, seen, f"{type(error).__name__}: {error}", ())
        if outcome.kept is None:
            for left in self.workdir.glob(f"trial-{proposal.number}-{repeat}-*"):
                shutil.rmtree(left, ignore_errors=True)
        record = replace(
            outcome.record,
            seconds=round(self.clock.elapsed() - began, 6),
            repeat=repeat,
            seed=self._seeds(self.splits[0], repeat).root,
        )
        return replace(outcome, record=record, lines="".join(dumps(e.to_json()) + "\n" for e in seen.events))

    def repeat(self, proposal: Proposal, number: int, *, deadline_s: float | None) -> Outcome:
        """Train a configuration under another seed; its features stay those of the first one. Its size is counted.

        Raises:
            Stopped: a signal came in.
        """
        outcome = self.run(proposal, (), deadline_s=deadline_s, keep=True, repeat=number)
        size = None
        if outcome.kept is not None:
            fitted = outcome.kept.fitted
            facts = fitted.session.facts(rounds=fitted.rounds if fitted.session.keeps_every_round else None)
            size = facts.num_parameters
            outcome.kept.close()
        return Outcome(record=replace(outcome.record, size=size, curve=()), lines="")

    def _at(self, share: float) -> Sequence[Split]:
        """The splits with that share of their training rows. Smaller shares are parts of larger ones."""
        if share == 1.0:
            return self.splits
        if share not in self._parts:
            self._parts[share] = [_part_of(split, share) for split in self.splits]
        return self._parts[share]

    def _seeds(self, split: Split, repeat: int) -> Seeds:
        return split.seeds.child("repeat", repeat) if repeat else split.seeds

    def _run(
        self,
        proposal: Proposal,
        plan: Plan,
        done: Sequence[Record],
        seen: "_Seen",
        *,
        deadline_s: float | None,
        keep: bool,
        repeat: int,
    ) -> Outcome:
        values: list[float] = []
        trains: list[float] = []
        rounds: list[int] = []
        state: State = "complete"
        kept: Kept | None = None
        predictions: np.ndarray | None = None
        splits = self._at(proposal.share)
        for number, split in enumerate(splits):
            workdir = self.workdir / f"trial-{proposal.number}-{repeat}-{number}"
            prepared = self.prepared(split, plan, workdir)
            if repeat:
                prepared = replace(prepared, job=replace(prepared.job, seeds=self._seeds(split, repeat)))
            prunes = pruner(
                self.settings,
                proposal.number,
                done if len(splits) == 1 else (),
                limit=plan.model.rounds,
                share=proposal.share,
            )
            fitted = self._fitted(prepared.job, plan, seen, prunes, deadline_s, workdir)
            state, value, train = seen.ended(fitted)
            rounds.append(fitted.rounds)
            values += [] if value is None else [value]
            trains += [] if train is None else [train]
            if self.judged_rows is not None and not repeat and proposal.share == 1.0 and prepared.job.val is not None:
                predictions = fitted.predict(prepared.job.val.X[self.judged_rows])
            if keep and len(splits) == 1 and state in ("complete", "cut") and proposal.share == 1.0:
                kept = Kept(
                    number=proposal.number, plan=plan, prepared=prepared, fitted=fitted, events=tuple(seen.events)
                )
            else:
                fitted.session.close()
            if state == "complete" and number + 1 < len(splits) and loses_folds(self.settings, values, done):
                state = "pruned"
            if state != "complete":
                break
        where = f"fold {len(values)}" if len(splits) > 1 else f"{plan.model.unit} {seen.last}"
        value = _mean(values)
        if state == "complete" and (value is None or not math.isfinite(value)):
            raise TrainingFailed(f"{self.settings.primary.name} is not defined on the rows that judge this trial")
        record = Record(
            number=proposal.number,
            params=proposal.params,
            state=state,
            value=value if state == "complete" or (state == "cut" and len(splits) == 1) else None,
            train=_mean(trains) if len(trains) == len(values) else None,
            rounds=round(_mean([float(r) for r in rounds]) or 0),
            curve=tuple(seen.curve) if len(splits) == 1 else tuple(enumerate(values, start=1)),
            folds=tuple(values) if len(splits) > 1 else (),
            share=proposal.share,
            origin=proposal.origin,
            reason=seen.reason if state != "pruned" else f"behind the best trial at {where}",
            findings=seen.findings(),
        )
        return Outcome(record=record, lines="", kept=kept, predictions=predictions)

    def _fitted(
        self, job: Job, plan: Plan, seen: "_Seen", prunes: Prunes, deadline_s: float | None, workdir: Path
    ) -> Fitted:
        rules = Rules(
            watch=plan.watch,
            primary=plan.primary,
            patience=plan.patience,
            min_delta=plan.min_delta,
            deadline_s=deadline_s,
            scored_in_time=self.scored_in_time,
            checkpoint_every_s=self.checkpoint_every_s,
        )
        session = open_session(job)
        try:
            return fit(
                session,
                job,
                rules,
                stage="fit",
                recorder=seen.recorder(),
                stop=self.stop,
                checkpoints=workdir / "checkpoints",
                resumable=False,
                ends_early=prunes,
            )
        except BaseException:  # Ctrl-C too: nobody else knows of the session yet
            session.close()
            raise

    def _failed(self, proposal: Proposal, seen: "_Seen", why: str, findings: Sequence[Finding]) -> Outcome:
        record = Record(
            number=proposal.number,
            params=proposal.params,
            state="failed",
            curve=tuple(seen.curve),
            share=proposal.share,
            origin=proposal.origin,
            reason=" ".join(why.split())[:_LONGEST_REASON],
            findings=tuple(findings),
        )
        return Outcome(record=record, lines="")


class _Seen:
    """The events of one trial, and what is read off them."""

    def __init__(self, settings: Settings, clock: Clock, started_s: float) -> None:
        self._settings = settings
        self._clock = clock
        self._started_s = started_s
        self.events: list[Event] = []
        self.curve: list[tuple[int, float]] = []
        self.reason = ""
        self._begin = 0

    def recorder(self) -> Recorder:
        """A recorder for one fit of the trial."""
        self._begin, self.curve = len(self.events), []
        return Recorder(clock=self._clock, started_s=self._started_s, listeners=[self._take])

    def _take(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event.body, Evaluated):
            value = event.body.metrics.get("val", {}).get(self._settings.watch.name)
            if value is not None:
                self.curve.append((event.step, value))

    def ended(self, fitted: Fitted) -> tuple[State, float | None, float | None]:
        """How a fit ended, with the primary metric of both parts at the selected round."""
        self.reason = fitted.progress.reason
        known = {"pruned": "pruned", "time_budget": "cut"}
        state: State = "complete" if self.reason not in known else "pruned" if self.reason == "pruned" else "cut"
        return state, self._at("val", fitted.rounds), self._at("train", fitted.rounds)

    def _at(self, part: str, rounds: int) -> float | None:
        """The primary metric at a round; of training rows, which large tables measure rarely, at the nearest before."""
        name = self._settings.primary.name
        found = [
            (event.step, event.body.metrics[part][name])
            for event in self.events[self._begin :]
            if isinstance(event.body, Evaluated) and name in event.body.metrics.get(part, {})
        ]
        at = [value for step, value in found if step == rounds]
        if at or part == "val":
            return at[-1] if at else None
        before = [value for step, value in found if step <= rounds]
        return before[-1] if before else None

    @property
    def last(self) -> int:
        """The round of the last evaluation."""
        return self.curve[-1][0] if self.curve else 0

    def findings(self) -> tuple[Finding, ...]:
        """What was found on the way."""
        from trainwright.core.events import Found

        return tuple(event.body.finding for event in self.events if isinstance(event.body, Found))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
