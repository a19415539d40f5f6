"""What a careful engineer would write into a spec after a look at the data: what to leave out, groups, time, metric."""

from dataclasses import dataclass
from typing import NamedTuple

from trainwright.checks.after_fact import find_after_the_fact
from trainwright.checks.future import find_future
from trainwright.checks.groups import GroupEvidence, find_groups
from trainwright.checks.identifiers import find_identifiers
from trainwright.checks.leakage import find_suspects
from trainwright.checks.rows import inputs
from trainwright.checks.target import CAPPED, check_target
from trainwright.checks.time_order import LEAK, TimeOrder, find_time
from trainwright.core.tasks import Task
from trainwright.data.dataset import Dataset, Kind


class Reasoned(NamedTuple):
    """A value for the spec and the reason for it, a sentence for its comment."""

    value: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to write into the spec.

    ``ignore``: columns for ``data.columns.ignore``. ``group``: ``data.columns.group``. ``time``: the column for
    ``data.columns.time`` and ``data.split.column``. ``split`` (the strategy) and ``metric`` are always given.
    ``notes`` are sentences for comments: things seen that need a person's decision.
    """

    ignore: tuple[Reasoned, ...]
    group: Reasoned | None
    time: Reasoned | None
    split: Reasoned
    metric: Reasoned
    notes: tuple[str, ...]


def advise(dataset: Dataset) -> Advice:
    """Look at a data set loaded with defaults and decide. The advised split is clean by the checks."""
    groups = find_groups(dataset)
    group = next((e for e in groups if e.certain), None)
    order = find_time(dataset)
    time = order if order is not None and order.alike >= LEAK and order.column is not None else None
    kept = {e.column for e in (group,) if e is not None} | {t.column for t in (time,) if t is not None}
    return Advice(
        ignore=_ignored(dataset, {c for c in kept if c is not None}),
        group=None if group is None else Reasoned(value=group.column, why=group.sentence),
        time=None if time is None or time.column is None else Reasoned(value=time.column, why=time.sentence),
        split=_split(dataset, group, time),
        metric=_metric(dataset),
        notes=_notes(dataset, groups, order, time),
    )


def _ignored(dataset: Dataset, kept: set[str]) -> tuple[Reasoned, ...]:
    """Identifiers, constants, leaks; each column once, with the first reason found, in file order."""
    reasons: dict[str, str] = {}
    for column in inputs(dataset):
        if column.kind is Kind.CONSTANT:
            reasons.setdefault(column.name, "always the same value")
    for name, why in find_identifiers(dataset):
        reasons.setdefault(name, f"identifies the row: {why}")
    for column in inputs(dataset):
        if column.kind is Kind.IDENTIFIER:
            reasons.setdefault(column.name, f"identifies the row: {column.why}")
    for suspect in find_suspects(dataset):
        reasons.setdefault(suspect.column, f"tells the target: {suspect.reason}")
    for finding in (*find_after_the_fact(dataset), *find_future(dataset)):
        reasons.setdefault(finding.where, finding.what)
    return tuple(
        Reasoned(value=c.name, why=reasons[c.name]) for c in inputs(dataset) if c.name in reasons and c.name not in kept
    )


def _split(dataset: Dataset, group: GroupEvidence | None, time: TimeOrder | None) -> Reasoned:
    if time is not None:
        return Reasoned(
            value="time", why="rows are in time and resemble their neighbours: train on the past, judge on the future"
        )
    if group is not None:
        return Reasoned(
            value="group", why=f"rows of one {group.column} belong together: judge on others than were trained on"
        )
    if dataset.target.task.is_classification:
        return Reasoned(value="stratified", why="no group and no time order found; the same class shares in each part")
    return Reasoned(value="random", why="no group and no time order found")


def _metric(dataset: Dataset) -> Reasoned:
    if dataset.target.task is Task.REGRESSION:
        return Reasoned(value="rmse", why="errors in the unit of the target, large ones weighing more")
    if dataset.target.task is Task.BINARY:
        return Reasoned(value="roc_auc", why="ranks both classes whatever their shares and whatever the threshold")
    return Reasoned(value="log_loss", why="judges the probabilities of all classes")


def _notes(
    dataset: Dataset, groups: tuple[GroupEvidence, ...], order: TimeOrder | None, time: TimeOrder | None
) -> tuple[str, ...]:
    notes = [f"{e.column} may group rows ({e.sentence})" for e in groups if not e.certain]
    notes += [f"{e.column} groups rows too ({e.sentence})" for e in groups[1:] if e.certain]
    if order is not None and time is None and order.alike >= LEAK:
        notes.append(f"{order.sentence}; no single column sorts the rows: add one and split by time")
    notes += [f"{f.where}: {f.what}" for f in check_target(dataset).findings if f.code == CAPPED]
    return tuple(notes)
