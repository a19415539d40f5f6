"""The numbers on top of the page."""

from dataclasses import dataclass

from trainwright.report.facts import Facts
from trainwright.report.verdict import State
from trainwright.report.words import amount, count, duration, metric_label, stage_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number with its name, what it is measured against, and the file it came from."""

    name: str
    value: str
    note: str
    source: str
    state: State | None = None


def tiles(facts: Facts) -> tuple[Tile, ...]:
    """Scores with intervals, the best baseline, the gap, rows and time; those that the run has."""
    found = [_score(facts, "val", "Validation"), _score(facts, "test", "Test"), _baseline(facts), _gap(facts)]
    return (*(tile for tile in found if tile is not None), *_size(facts))


def _score(facts: Facts, part: str, name: str) -> Tile | None:
    value = facts.metric(part)
    if value is None:
        return None
    interval = facts.interval(part)
    note = f"{amount(interval[0])} to {amount(interval[1])} ({interval[2]:.0%} interval)" if interval else "no interval"
    source = f"run.json (metrics.{part}, intervals.{part}), computed from predictions/{part}.parquet"
    return Tile(name=f"{name} {metric_label(facts.primary)}", value=amount(value), note=note, source=source)


def _baseline(facts: Facts) -> Tile | None:
    known = [b for b in facts.baselines if b.val is not None]
    if not known:
        return None
    pick = max if facts.higher_is_better else min
    best = pick(known, key=lambda b: b.val if b.val is not None else 0.0)
    state = State.BAD if facts.losing else State.GOOD
    note = f"{best.name}, {'not beaten' if facts.losing else 'beaten'}"
    return Tile(name="Best baseline", value=amount(best.val), note=note, source=facts.source("baselines"), state=state)


def _gap(facts: Facts) -> Tile | None:
    gap = facts.gap
    if gap is None or gap.gap is None:
        return None
    state = State.CAUTION if gap.verdict == "Concerning" else State.GOOD
    note = f"{gap.verdict}; training {amount(gap.train)}"
    return Tile(name="Overfit gap", value=amount(gap.gap), note=note, source=facts.source("gap"), state=state)


def _size(facts: Facts) -> tuple[Tile, ...]:
    found = []
    rows = facts.rows("train")
    if rows is not None:
        others = ", ".join(f"{count(n)} {part}" for part in ("val", "test") if (n := facts.rows(part)) is not None)
        found.append(
            Tile(name="Training rows", value=count(rows), note=others or "no other part", source=facts.source("data"))
        )
    spent = facts.stage_seconds()
    if spent:
        longest = max(spent, key=lambda stage: spent[stage])
        note = f"up to this report; {stage_name(longest)} {duration(spent[longest])}".replace(" s", "\u00a0s")
        found.append(Tile(name="Time", value=duration(sum(spent.values())), note=note, source=facts.source("seconds")))
    return tuple(found)
