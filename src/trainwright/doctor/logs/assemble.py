"""From the numbers of a log under its own names to a history under ours."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from trainwright.core.errors import ArtifactRefused
from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.history import History, Series
from trainwright.doctor.logs.contract import Column, Points, note
from trainwright.doctor.logs.names import LOSSES, Name, meaning

Axis: TypeAlias = Literal["step", "epoch", "row"]

_DISTINCT = 0.5
"""The share of positions that must differ, or the axis is too coarse: several lines an epoch. A training that was done
twice into one log has exactly one half."""

_SHOWN = 8  # names in a sentence; all are in the evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """A history with ``axis`` (what its positions count), ``names`` (ours to the log's) and what was said of names."""

    history: History
    axis: Axis
    names: Mapping[str, str]
    notes: tuple[Finding, ...]


def assemble(points: Points, facts: Mapping[str, JsonValue]) -> Assembled:
    """Give every column its name and its positions.

    Raises:
        ArtifactRefused: no column is a loss or a metric.
    """
    meanings = {raw: meaning(raw) for raw in points.columns}
    chosen, unused = _choose(meanings)
    if not any(meanings[raw].kind in ("loss", "metric") for raw in chosen.values()):
        known = ", ".join(list(points.columns)[:_SHOWN]) or "none"
        raise ArtifactRefused(
            "a training log needs a loss or a metric, and this has none that is known by its name. "
            f"Names of numbers in it: {known}. Name the column of the loss `loss`, or `train_loss` and `val_loss`."
        )
    columns = {ours: points.columns[raw] for ours, raw in chosen.items()}
    axis = _axis(list(columns.values()))
    series = {ours: _series(column, axis) for ours, column in columns.items()}
    return Assembled(
        history=History(series, {**facts, "unit": str(facts.get("unit") or axis)}),
        axis=axis,
        names=chosen,
        notes=_notes(chosen, meanings, unused, points),
    )


def _choose(meanings: Mapping[str, Name]) -> tuple[dict[str, str], list[str]]:
    """Our names with the log's name for each, and names that nothing was made of."""
    parts = {name.part for name in meanings.values()}
    as_val = "test" if "val" not in parts else ""
    told = {name.metric for name in meanings.values() if name.kind == "loss" and name.part == "train"}
    chosen: dict[str, str] = {}
    unused: list[str] = []
    for raw in sorted(meanings, key=_whole_epochs_first):
        name = meanings[raw]
        if name.kind in ("loss", "metric"):
            part = "val" if name.part == as_val and as_val else name.part or "train"
            # beside `train loss` a plain `loss` is what the optimiser sees, batch by batch
            ours = f"{part}.{name.metric}" if name.part or name.metric not in told else "objective"
        elif name.kind == "other":
            ours = name.metric
        else:
            if name.kind == "unknown":
                unused.append(raw)
            continue
        if ours in chosen:
            unused.append(raw)
        else:
            chosen[ours] = raw
    _add_losses(chosen)
    return chosen, unused


def _whole_epochs_first(raw: str) -> bool:
    """Of ``loss_epoch`` and ``loss_step``, as Lightning writes both, the first is comparable with validation."""
    return raw.lower().endswith("_step")


def _add_losses(chosen: dict[str, str]) -> None:
    """``train_loss`` and ``val_loss``, from the first of `LOSSES` that both parts have, else from what is there."""
    for parts in (("train", "val"), ("train",), ("val",)):
        for metric in LOSSES:
            if all(f"{part}.{metric}" in chosen for part in parts):
                for part in parts:
                    chosen[f"{part}_loss"] = chosen[f"{part}.{metric}"]
                if "train" in parts:
                    chosen.setdefault("objective", chosen["train_loss"])
                return


def _axis(columns: Sequence[Column]) -> Axis:
    """The finest position that all columns have and that goes forward."""
    if all(_usable(c.steps, c.epochs) for c in columns):
        return "step"
    if all(_usable(c.epochs, None) for c in columns):
        return "epoch"
    return "row"


def _usable(positions: Sequence[float], epochs: Sequence[float] | None) -> bool:
    if not all(map(math.isfinite, positions)):
        return False
    if epochs is not None and _begins_anew(positions, epochs):
        return False
    return len(set(positions)) >= _DISTINCT * len(positions)


def _begins_anew(steps: Sequence[float], epochs: Sequence[float]) -> bool:
    """Whether steps are counted inside each epoch: they go back where the epoch goes on."""
    pairs = zip(itertools.pairwise(steps), itertools.pairwise(epochs), strict=True)
    return any(b < a and f > e for (a, b), (e, f) in pairs)


def _series(column: Column, axis: Axis) -> Series:
    """Rising positions; where a training was taken up again, what was trained later is what counts."""
    positions = {"step": column.steps, "epoch": column.epochs, "row": column.rows}[axis]
    steps: list[float] = []
    values: list[float] = []
    for at, value in zip(positions, column.values, strict=True):
        while steps and steps[-1] >= at:
            steps.pop()
            values.pop()
        steps.append(at)
        values.append(value)
    return Series(tuple(steps), tuple(values))


def _notes(
    chosen: Mapping[str, str], meanings: Mapping[str, Name], unused: Sequence[str], points: Points
) -> tuple[Finding, ...]:
    notes: list[Finding] = []
    loss = chosen.get("train_loss") or chosen.get("val_loss")
    if loss is not None and meanings[loss].metric not in ("loss", "total_loss"):
        notes.append(note("loss_chosen", f"{loss} is taken as the loss", "The log has no column of that name"))
    if any(meanings[raw].part == "test" for ours, raw in chosen.items() if ours.startswith("val")):
        notes.append(note("test_as_val", "the log has test values and no validation: they are taken as validation"))
    if unused:
        shown = ", ".join(unused[:_SHOWN]) + (f" and {len(unused) - _SHOWN} more" if len(unused) > _SHOWN else "")
        why, names = "Unknown names, or second ones", {"names": list(unused)}
        notes.append(note("names_unused", f"not used: {shown}", why, evidence=names))
    if points.left_out:
        notes.append(
            note("names_left_out", f"{len(points.left_out):,} further names are left out", "There are too many")
        )
    return tuple(notes)
