"""Runs side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainwright.core.findings import Severity
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.report.curves import Curve
from trainwright.report.facts import Facts
from trainwright.report.markdown import Table, escape, table, yaml_value
from trainwright.report.observations import watched
from trainwright.report.reading import mapping, text, whole
from trainwright.report.words import amount, count, duration, metric_label


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run of a comparison; scores are of its primary metric, intervals (low, high).

    ``curve`` is the validation curve that decided, where there is one; it is drawn, and not part of the JSON.
    """

    run: str
    family: str
    metric: str
    val: float | None
    val_interval: tuple[float, float] | None
    test: float | None
    test_interval: tuple[float, float] | None
    gap: float | None
    verdict: str
    seconds: float | None
    rows: int | None
    rounds: int | None
    data: str
    warnings: int
    params: Mapping[str, JsonValue]
    curve: Curve | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs in the order given. ``best`` is the index of the best validation score, None where metrics differ.

    ``differences`` holds the parameters that are not the same everywhere: name -> value in each run (None: not set).
    """

    rows: tuple[Row, ...]
    best: int | None
    warnings: tuple[str, ...]
    differences: Mapping[str, tuple[JsonValue, ...]]

    def to_json(self) -> dict[str, JsonValue]:
        """What ``trainwright compare --json`` prints."""
        return {
            "status": "ok",
            "runs": [_without_curve(row) for row in self.rows],
            "best": None if self.best is None else self.rows[self.best].run,
            "warnings": list(self.warnings),
            "differences": to_json(self.differences),
        }

    def markdown(self) -> str:
        """A table of the runs with the best in bold, what to beware of, and the parameters that differ."""
        parts = [str(self.scores())]
        if self.warnings:
            parts.append("\n".join(f"- **Beware**: {escape(w)}" for w in self.warnings))
        if self.differences:
            parts.append(str(self.parameters()))
        return "\n\n".join(parts) + "\n"

    def scores(self) -> Table:
        """A line a run, the best in bold; cells are Markdown."""
        header = ["Run", "Family", "Metric", "Validation", "Test", "Gap", "Rounds", "Rows", "Time", "Warnings"]
        lines = []
        for number, row in enumerate(self.rows):
            cells = [
                escape(row.run),
                escape(row.family),
                escape(metric_label(row.metric)),
                _with_interval(row.val, row.val_interval),
                _with_interval(row.test, row.test_interval),
                f"{amount(row.gap)} ({row.verdict})" if row.verdict else amount(row.gap),
                count(row.rounds),
                count(row.rows),
                duration(row.seconds),
                count(row.warnings),
            ]
            lines.append([f"**{c}**" for c in cells] if number == self.best else cells)
        return table(header, lines)

    def parameters(self) -> Table:
        """A line a parameter that is not the same everywhere; cells are Markdown."""
        rows = [
            [escape(name), *("-" if v is None else escape(yaml_value(v)) for v in values)]
            for name, values in self.differences.items()
        ]
        return table(["Parameter", *(escape(row.run) for row in self.rows)], rows)


def _without_curve(row: Row) -> JsonValue:
    told = to_json(row)
    assert isinstance(told, dict)
    return {name: value for name, value in told.items() if name != "curve"}


def compare(facts_list: Sequence[Facts]) -> Comparison:
    """Put runs side by side; says where a comparison of the scores would not be fair."""
    rows = tuple(_row(facts) for facts in facts_list)
    return Comparison(
        rows=rows, best=_best(facts_list), warnings=tuple(_warnings(facts_list)), differences=_differences(rows)
    )


def _row(facts: Facts) -> Row:
    val, test = facts.interval("val"), facts.interval("test")
    return Row(
        run=text(facts.record.get("run"), facts.run.name),
        family=text(facts.model.get("family"), "unknown"),
        metric=facts.primary,
        val=facts.metric("val"),
        val_interval=val[:2] if val else None,
        test=facts.metric("test"),
        test_interval=test[:2] if test else None,
        gap=facts.gap.gap if facts.gap else None,
        verdict=facts.gap.verdict if facts.gap else "",
        seconds=facts.seconds("total"),
        rows=facts.rows("train"),
        rounds=whole(facts.model.get("rounds_best")),
        data=text(mapping(facts.record.get("digests")).get("data")),
        warnings=sum(f.severity is not Severity.INFO for f in facts.findings),
        params=mapping(facts.record.get("best_params")) or mapping(facts.model.get("params")),
        curve=watched(facts),
    )


def _best(facts_list: Sequence[Facts]) -> int | None:
    """The best validation score where all runs have one of the same metric (the first of equals)."""
    scores = [facts.metric("val") for facts in facts_list]
    if len({f.primary for f in facts_list}) != 1 or any(s is None or s != s for s in scores):
        return None
    known = [s for s in scores if s is not None]
    return known.index((max if facts_list[0].higher_is_better else min)(known))


def _warnings(facts_list: Sequence[Facts]) -> list[str]:
    found = []
    if len({f.primary for f in facts_list}) > 1:
        names = sorted({metric_label(f.primary) for f in facts_list})
        found.append(f"the primary metrics differ ({', '.join(names)}), so no run can be called the best")
    if len({f.target for f in facts_list}) > 1:
        found.append(f"the targets differ ({', '.join(sorted({f.target for f in facts_list}))})")
    if len({text(mapping(f.record.get("digests")).get("data")) for f in facts_list}) > 1:
        found.append("the data differs between runs (other data digests), so scores are not measured on the same rows")
    elif len({_held_out_rows(f) for f in facts_list}) > 1:
        found.append("the split differs between runs, so scores are not measured on the same rows")
    return found


def _held_out_rows(facts: Facts) -> tuple[bytes, ...]:
    """Which rows each held-out part consists of, as bytes that can be compared."""
    parts = (facts.predictions.get(part) for part in ("val", "test"))
    return tuple(b"" if p is None else p.rows.tobytes() for p in parts)


def _differences(rows: Sequence[Row]) -> dict[str, tuple[JsonValue, ...]]:
    names = sorted({name for row in rows for name in row.params})
    values = {name: tuple(row.params.get(name) for row in rows) for name in names}
    return {name: found for name, found in values.items() if any(v != found[0] for v in found[1:])}


def _with_interval(value: float | None, interval: tuple[float, float] | None) -> str:
    return amount(value) if interval is None else f"{amount(value)} ({amount(interval[0])} to {amount(interval[1])})"
