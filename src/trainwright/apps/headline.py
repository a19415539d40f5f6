"""What a run came to, on one screen: the score, whether to believe it, what was found, where to look next."""

from collections.abc import Mapping, Sequence

from trainwright.apps import words
from trainwright.apps.failures import say_findings
from trainwright.apps.screen import Screen, Span
from trainwright.core.jsonable import JsonValue
from trainwright.run.result import RunResult

_FINDINGS_SHOWN = 8
_EXIT_BY_STATUS = {"done": 0, "stopped": 75}


def exit_code(result: RunResult) -> int:
    """A run that did not end as done is never exit 0."""
    return _EXIT_BY_STATUS.get(result.status, 5)


def render(result: RunResult, screen: Screen) -> None:
    """Write the headline of a run."""
    record = result.record
    screen.say()
    screen.say(*_title(result))
    screen.say()
    _score(result, screen)
    _baselines(record, str(result.primary.get("name", "")), screen)
    _gap(record, screen)
    _cross_validation(record, screen)
    if result.findings:
        screen.say()
        screen.say((_counted(result), "bold"))
        say_findings(screen, result.findings, limit=_FINDINGS_SHOWN)
    screen.say()
    for name in ("report", "report_html", "model_card", "handoff", "model"):
        if name in result.artifacts:
            screen.say((f"  {name.replace('_', ' '):<12}", "dim"), str(result.run / result.artifacts[name]))
    screen.say((f"  {'next':<12}", "dim"), *_next(result))


def _title(result: RunResult) -> list[Span]:
    model = _map(result.record.get("model"))
    style = "bold green" if result.status == "done" else "bold yellow" if result.status == "stopped" else "bold red"
    parts = [str(p) for p in (model.get("family"), result.record.get("task")) if p]
    took = result.seconds.get("total")
    after = f" in {words.duration(took)}" if took is not None else ""
    name = str(result.record.get("name") or result.run.name)
    return [(name, "bold"), "  ", ", ".join(parts), "  ", (result.status + after, style)]


def _score(result: RunResult, screen: Screen) -> None:
    name = str(result.primary.get("name", ""))
    intervals = _map(result.record.get("intervals"))
    shown: list[Span] = [(f"  {name:<12}", "bold")]
    for part in ("val", "test"):
        value = result.metrics.get(part, {}).get(name)
        if value is not None:
            shown += [
                (f"{part} ", "dim"),
                (words.number(value), "bold"),
                (_interval(intervals.get(part)), "dim"),
                "   ",
            ]
    if name:
        screen.say(*shown)


def _interval(value: JsonValue) -> str:
    known = _map(value)
    if "low" not in known or "high" not in known:
        return ""
    level = known.get("level")
    percent = f"{level:.0%} " if isinstance(level, float) else ""
    return f" ({percent}{words.number(known['low'])} to {words.number(known['high'])})"


def _baselines(record: Mapping[str, JsonValue], metric: str, screen: Screen) -> None:
    rows = [_map(b) for b in _list(record.get("baselines"))]
    if not rows:
        return
    told: dict[bool, list[str]] = {True: [], False: []}
    for row in rows:
        value = row.get("val")
        told[row.get("beaten") is True].append(f"{row.get('name')} (val {words.number(value)})")
    shown: list[Span] = [(f"  {'baselines':<12}", "dim")]
    if told[True]:
        shown += [("beats ", "green"), " and ".join(told[True])]
    if told[False]:
        shown += ["; " if told[True] else "", ("DOES NOT BEAT ", "bold red"), (" and ".join(told[False]), "bold")]
    screen.say(*shown)


def _gap(record: Mapping[str, JsonValue], screen: Screen) -> None:
    gap = _map(record.get("gap"))
    if "verdict" not in gap:
        return
    style = "green" if gap["verdict"] == "Acceptable" else "bold yellow"
    values = f"train {words.number(gap.get('train'))}, val {words.number(gap.get('val'))}"
    screen.say((f"  {'overfitting':<12}", "dim"), (str(gap["verdict"]), style), f"  {gap.get('metric', '')} {values}")


def _cross_validation(record: Mapping[str, JsonValue], screen: Screen) -> None:
    folds = _map(record.get("cross_validation"))
    name = str(_map(record.get("primary")).get("name", ""))
    mean, spread = _map(folds.get("mean")).get(name), _map(folds.get("std")).get(name)
    if mean is not None:
        around = f" ± {words.number(spread)}" if spread is not None else ""
        screen.say((f"  {'folds':<12}", "dim"), f"{name} {words.number(mean)}{around}")


def _counted(result: RunResult) -> str:
    kinds = [f.severity.value for f in result.findings]
    counts = [(kinds.count("error"), "error"), (kinds.count("warning"), "warning"), (kinds.count("info"), "note")]
    return "Found: " + ", ".join(words.count(number, noun) for number, noun in counts if number)


def _next(result: RunResult) -> list[Span]:
    command = f"trainwright predict {result.run} NEW_DATA"
    if result.status == "stopped":
        command = f"trainwright resume {result.run}"
    elif result.status != "done":
        command = "mend what is named above, then train again"
    return [(command, "cyan")]


def _map(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}


def _list(value: JsonValue) -> Sequence[JsonValue]:
    return value if isinstance(value, list | tuple) else []
