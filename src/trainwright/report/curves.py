"""Learning curves out of the training log."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trainwright.core.jsonable import JsonValue
from trainwright.report.reading import finite, mapping, text, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One metric of one part: ``steps`` (rounds or epochs done, rising) and the ``values`` there."""

    part: str
    metric: str
    steps: tuple[int, ...]
    values: tuple[float, ...]

    def at(self, step: int) -> float | None:
        """The value at a step, None where it was not measured."""
        return self.values[self.steps.index(step)] if step in self.steps else None

    def best(self, *, higher_is_better: bool) -> tuple[int, float]:
        """Step and value of the best point (the first of equals)."""
        pick = max if higher_is_better else min
        value = pick(self.values)
        return self.steps[self.values.index(value)], value


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingLog:
    """What the log tells of one stage: curves by (part, metric), learning rates by step, and counts of events."""

    curves: Mapping[tuple[str, str], Curve] = field(default_factory=dict)
    learning_rates: tuple[tuple[int, float], ...] = ()
    units: int = 0
    unit_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    saves: int = 0
    repairs: tuple[Mapping[str, JsonValue], ...] = ()

    def metrics(self) -> tuple[str, ...]:
        """Names of metrics with a curve, in order of appearance."""
        return tuple(dict.fromkeys(metric for _, metric in self.curves))


def read_log(events: Iterable[Mapping[str, JsonValue]], stage: str = "fit") -> TrainingLog:
    """The events of one stage. A resumed or repaired run may repeat a step: the later reading stands."""
    points: dict[tuple[str, str], dict[int, float]] = {}
    rates: dict[int, float] = {}
    repairs: list[Mapping[str, JsonValue]] = []
    units, saves, unit_seconds, evaluation_seconds, current = 0, 0, 0.0, 0.0, ""
    for event in events:
        kind, step = text(event.get("event")), whole(event.get("step")) or 0
        if kind == "started":
            current = text(event.get("stage"))
        if current != stage:
            continue
        if kind == "evaluated":
            evaluation_seconds += finite(event.get("seconds")) or 0.0
            _add_metrics(points, step, event)
        elif kind == "trained":
            units += 1
            unit_seconds += finite(event.get("seconds")) or 0.0
            _add_unit(points, rates, step, event)
        elif kind == "saved":
            saves += 1
        elif kind == "repaired":
            repairs.append(event)
            _go_back(points, rates, whole(mapping(event.get("after")).get("rounds")))
        elif kind == "finished" and text(event.get("stage")) == stage:
            current = ""
    return TrainingLog(
        curves={key: _curve(key, found) for key, found in points.items()},
        learning_rates=tuple(sorted(rates.items())),
        units=units,
        unit_seconds=unit_seconds,
        evaluation_seconds=evaluation_seconds,
        saves=saves,
        repairs=tuple(repairs),
    )


def _go_back(points: dict[tuple[str, str], dict[int, float]], rates: dict[int, float], step: int | None) -> None:
    """A repair went back: what came after that step belongs to no model."""
    for series in (*points.values(), rates):
        for late in [at for at in series if step is not None and at > step]:
            del series[late]


def _add_metrics(points: dict[tuple[str, str], dict[int, float]], step: int, event: Mapping[str, JsonValue]) -> None:
    for part, metrics in mapping(event.get("metrics")).items():
        for name, value in mapping(metrics).items():
            if (found := finite(value)) is not None:
                points.setdefault((part, name), {})[step] = found


def _add_unit(
    points: dict[tuple[str, str], dict[int, float]],
    rates: dict[int, float],
    step: int,
    event: Mapping[str, JsonValue],
) -> None:
    """Numbers the engine computed on the way: ``train_loss`` and ``val_loss``, per unit or per round inside it."""
    for name, value in mapping(event.get("values")).items():
        if (found := finite(value)) is None:
            continue
        if name in ("learning_rate", "lr"):
            rates[step] = found
        elif name in ("train_loss", "val_loss"):
            points.setdefault((name.removesuffix("_loss"), "loss"), {})[step] = found
    for name, values in mapping(event.get("curves")).items():
        if name not in ("train_loss", "val_loss") or not isinstance(values, list):
            continue
        found_values = [finite(v) for v in values]
        series = points.setdefault((name.removesuffix("_loss"), "loss"), {})
        for offset, value in enumerate(reversed(found_values)):
            if value is not None:
                series[step - offset] = value


def _curve(key: tuple[str, str], found: Mapping[int, float]) -> Curve:
    steps = tuple(sorted(found))
    return Curve(part=key[0], metric=key[1], steps=steps, values=tuple(found[s] for s in steps))
