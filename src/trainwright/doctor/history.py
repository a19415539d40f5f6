"""A training as series of numbers under fixed names: what symptoms look at, whoever wrote the log.

=========================  =============================================================================================
name                       values
=========================  =============================================================================================
``objective``              what the optimiser made smaller, mean over a unit: with dropout, in its own scale
``train_loss``             the loss on training rows, to be compared with ``val_loss`` (where a log has one training
                           loss only, it is this one)
``val_loss``               the same loss on validation rows
``train.<metric>``         a metric on training rows; the name tells its direction, see `higher_is_better`
``val.<metric>``           the same on validation rows
``engine.val_loss``        the engine's own, in its own scale (``engine.train_loss`` alike); stands for ``val_loss``
                           where nothing is evaluated
``learning_rate``          the rate of the last step of a unit
``gradient_norm``          length of the whole gradient before clipping, mean over the steps of a unit;
                           ``gradient_norm_usual`` their median, ``gradient_norm_longest`` the longest that is finite
``skipped_steps``          steps of a unit that were left out because they were not finite
``layer.<layer>.<what>``   a single layer: ``grad_mean``, ``grad_std``, ``grad_min``, ``grad_max``, ``grad_norm``;
                           ``update_ratio`` (length of a step's change over that of the weights);
                           ``saturated_share`` (share of activations that pass no gradient on)
``top_class_share``        share of validation rows for which the most often predicted class is predicted
``overconfidence``         mean probability of the predicted class minus accuracy, on validation rows
``val_loss_error``         standard error of ``val_loss``: how far it would lie from itself on other rows
``highest_probability``    the highest of any validation row and class (of two classes: of the second one);
                           ``lowest_probability`` alike
``lowest_prediction``      the lowest predicted validation value: above the mean of the training target, over its spread
``prediction_spread``      standard deviation of predicted validation values over that of the true ones
``unit_seconds``           seconds of a unit
``step_seconds``           seconds of one step, mean over a unit
``samples_per_second``     training rows a second
``data_wait_share``        share of a unit's time spent waiting for data
``device_use_percent``     percent of the time an accelerator worked
=========================  =============================================================================================

Positions are rounds or epochs done. Inside a round they lie between two whole numbers, and only their order counts.
Values may be NaN or infinite: that is one of the symptoms.

Facts that symptoms know: ``stage``, ``engine``, ``family``, ``task``, ``unit``, ``rounds_limit``, ``rows``,
``val_rows``, ``features``, ``watch`` and ``patience`` (early stopping), ``constant_loss`` (``{"train": ..., "val":
...}``: the loss of the best constant prediction), ``classes`` (how many), ``true_top_class_share``, ``params`` (of the
model), ``loss`` and ``clip_norm`` (of a network's recipe), ``input_scale`` (``{"largest": ..., "column": ...}``: the
column of a table with the largest values, and their typical size), and, once the training has ended, ``reason`` (why)
and ``selected`` (the round that was kept). Every one may be missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from trainwright.core.events import Evaluated, Event, Finished, Repaired, Started, Trained
from trainwright.core.jsonable import JsonValue
from trainwright.core.metrics.definitions import BY_NAME

_LOSSES = ("log_loss", "rmse", "nats_per_character")  # of our own evaluations: the loss of each kind of task
_RENAMED = {
    "loss": "objective",
    "grad_norm": "gradient_norm",
    "usual_grad_norm": "gradient_norm_usual",
    "longest_grad_norm": "gradient_norm_longest",
    "lr": "learning_rate",
}
_OWN_SCALE = {"train_loss": "engine.train_loss", "val_loss": "engine.val_loss"}
"""An engine's own losses may be in another scale (a squared error) than those that are evaluated."""
_RISING = ("acc", "auc", "f1", "r2", "score", "precision", "recall", "map", "iou", "dice", "bleu", "rouge", "mcc")


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers along a training: ``steps`` rise, ``values`` are as many."""

    steps: tuple[float, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a training up to now."""

    series: Mapping[str, Series] = field(default_factory=dict)
    facts: Mapping[str, JsonValue] = field(default_factory=dict)

    def of(self, name: str) -> Series:
        """The series of that name; empty where there is none."""
        return self.series.get(name, Series())

    def number(self, fact: str, inner: str = "") -> float | None:
        """A fact that is a number (one of ``inner`` in a mapping), else None."""
        value = self.facts.get(fact)
        if inner:
            value = value.get(inner) if isinstance(value, Mapping) else None
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def text(self, fact: str) -> str:
        """A fact that is a text, else an empty one."""
        value = self.facts.get(fact)
        return value if isinstance(value, str) else ""

    def layers(self, what: str) -> dict[str, Series]:
        """A statistic of all layers that have it, by layer, in the order of the network."""
        head, tail = "layer.", f".{what}"
        return {
            name[len(head) : -len(tail)]: series
            for name, series in self.series.items()
            if name.startswith(head) and name.endswith(tail)
        }


def higher_is_better(metric: str) -> bool:
    """Which way a metric goes: ours by our table, others by the usual parts of their names; errors and losses fall."""
    if metric in BY_NAME:
        return BY_NAME[metric].higher_is_better
    name = metric.lower()
    return "loss" not in name and "error" not in name and any(part in name for part in _RISING)


def history_of(events: Iterable[Event | Mapping[str, JsonValue]], stage: str = "fit") -> History:
    """The history of one stage, from events or from lines of ``training_log.jsonl`` (without the stage: no series).

    A resumed training repeats steps, and a repair may go back: what was trained again later is what counts.
    """
    growing = Growing(stage)
    for event in events:
        growing.see(event.to_json() if isinstance(event, Event) else event)
    return growing.history()


class Growing:
    """A history that takes in one event after the other; ``only`` are the beginnings of the names it keeps."""

    def __init__(self, stage: str, *, only: tuple[str, ...] = ("",)) -> None:
        self._stage, self._inside, self._only = stage, False, only
        self._points: dict[str, dict[float, float]] = {}
        self._facts: dict[str, JsonValue] = {}

    def see(self, event: Mapping[str, JsonValue]) -> None:
        """Take in a line of the log; those of other stages pass by."""
        kind, step = event.get("event"), _number(event.get("step")) or 0.0
        if kind == "started":
            self._inside = event.get("stage") == self._stage
            if self._inside:
                self._facts.update({**_mapping(event.get("facts")), "stage": self._stage})
                self._cut(step + 1, itself=False)
        elif not self._inside:
            return
        elif kind == "trained":
            self.trained(step, event)
        elif kind == "evaluated":
            self._evaluated(step, event)
        elif kind == "repaired":
            after = _mapping(event.get("after"))
            back, inside = _number(after.get("rounds")), _number(after.get("step")) or 0.0
            self._cut((step if back is None else back) + inside / (inside + 1))
        elif kind == "finished" and event.get("stage") == self._stage:
            facts = _mapping(event.get("facts"))
            self._facts.update({"reason": event.get("reason"), **{k: facts[k] for k in ("selected",) if k in facts}})
            self._inside = False

    def event(self, event: Event) -> None:
        """Take in an event of this process, without the way through JSON."""
        body = event.body
        if isinstance(body, Started | Trained | Evaluated | Repaired | Finished):
            values = {one.name: getattr(body, one.name) for one in fields(body)}
            self.see({"event": type(body).__name__.lower(), "step": event.step, **values})

    def trained(self, step: float, event: Mapping[str, JsonValue]) -> None:
        """Numbers of a unit."""
        inside = _number(event.get("step_in_round")) or 0.0
        at = step + inside / (inside + 1)
        self._put("unit_seconds", at, event.get("seconds"))
        for name, value in _mapping(event.get("values")).items():
            self._put(_RENAMED.get(name, _OWN_SCALE.get(name, name)), at, value)
        for name, values in _mapping(event.get("curves")).items():
            if isinstance(values, list | tuple):
                for offset, value in enumerate(reversed(values)):
                    self._put(_OWN_SCALE.get(name, name), step - offset, value)
        for layer, numbers in _mapping(event.get("statistics")).items():
            for name, value in _mapping(numbers).items():
                self._put(f"layer.{layer}.{name}", at, value)

    def _evaluated(self, step: float, event: Mapping[str, JsonValue]) -> None:
        for part, metrics in _mapping(event.get("metrics")).items():
            for name, value in _mapping(metrics).items():
                self._put(f"{part}.{name}", step, value)
                if name in _LOSSES:
                    self._put(f"{part}_loss", step, value)
        for name, value in _mapping(event.get("signs")).items():
            self._put(name, step, value)

    def forget(self) -> None:
        """Begin again with the facts alone."""
        self._points = {}

    def history(self) -> History:
        """What is known now."""
        series: dict[str, Series] = {}
        for name, points in self._points.items():
            steps = tuple(sorted(points))
            series[name] = Series(steps, tuple(points[step] for step in steps))
        for name, own in _OWN_SCALE.items():
            if name not in series and own in series:
                series[name] = series[own]
        return History(series, dict(self._facts))

    def _put(self, name: str, at: float, value: object) -> None:
        number = _number(value) if name.startswith(self._only) else None
        if number is not None:
            self._points.setdefault(name, {})[at] = number

    def _cut(self, step: float, *, itself: bool = True) -> None:
        """Forget what came after a position (and there, unless ``itself`` stays): it is trained again."""
        for name, points in self._points.items():
            self._points[name] = {at: v for at, v in points.items() if at < step or (itself and at == step)}


def _mapping(value: object) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> float | None:
    """A number; ``"nan"``, ``"inf"`` and ``"-inf"`` are what the log writes for those that JSON does not have."""
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
