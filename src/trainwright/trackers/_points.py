"""From the record to points: the one place that says what every number is called, whichever tracker holds it.

A pure function of lines of ``training_log.jsonl``. docs/tracking.md shows the table.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainwright.core.metrics import loss_metric
from trainwright.core.tasks import Task
from trainwright.trackers.contract import Axis, Point

STEPS_OF_A_UNIT = 50
"""Losses of single steps that are passed on from a unit, evenly spread, its last one among them; the record has all.
A server takes some thousand points a second, and a unit is at least some milliseconds (assumption: a curve needs no
more)."""

VALUES: Mapping[str, str] = {
    "loss": "running_loss",
    "train_loss": "running_loss",
    "learning_rate": "learning_rate",
    "grad_norm": "gradient_norm",
    "step_seconds": "batch_time",
    "epoch_seconds": "epoch_time",
    "samples_per_second": "samples_per_second",
    "data_wait_share": "data_wait_share",
    "cpu_percent": "system/cpu_usage",
    "rss_bytes": "system/memory",
    "gpu_bytes": "system/gpu_memory",
    "gpu_peak_bytes": "system/gpu_memory_peak",
    "device_use_percent": "system/gpu_usage",
}
"""Values of a ``trained`` event, and what they are called at a tracker."""

_LOSSES = frozenset(loss_metric(task).name for task in Task)
_SYSTEM = "system/"
_OF_ROUNDS = frozenset({"epoch_seconds"})


@dataclass(slots=True, kw_only=True)
class Points:
    """The points of a log, event by event in its order. ``began_s`` is when the run began, in seconds since 1970.

    Points of the final fit have plain names; those of other stages begin with the stage's (``fold_0/val_loss``).
    """

    began_s: float
    stage: str = ""
    _rounds: int = 0
    _within: bool = False
    _prefixes: dict[str, str] = field(default_factory=dict)

    def of(self, event: Mapping[str, Any]) -> Iterator[Point]:
        """The points of one event; values that are not finite are left out."""
        kind, body = event["event"], event
        if kind == "started":
            self.stage, self._rounds, self._within = str(event["stage"]), int(event["step"]), False
        elif kind == "trained":
            yield from self._trained(body)
        elif kind == "evaluated":
            yield from self._evaluated(body)
        elif kind == "saved":
            yield from self._made(body, "round", body["step"], {"checkpoint_size": body["size_bytes"]})
        elif kind == "trial":
            values = {"search_value": body["value"], "search_best": body["best"], "trial_time": body["seconds"]}
            yield from self._made(body, "trial", body["number"], values, prefix="")

    def _trained(self, body: Mapping[str, Any]) -> Iterator[Point]:
        rounds, steps = int(body["step"]), int(body["steps"])
        values = {VALUES[name]: v for name, v in body["values"].items() if name in VALUES and name not in _OF_ROUNDS}
        if not steps and rounds > self._rounds:
            values["batch_time"] = body["seconds"] / (rounds - self._rounds)
        axis: Axis = "step" if steps else "round"
        yield from self._step_losses(body, body["step_losses"], steps)
        yield from self._made(body, axis, steps or rounds, values)
        ended = {VALUES[name]: v for name, v in body["values"].items() if name in _OF_ROUNDS}
        yield from self._made(body, "round", rounds, ended)
        curve = body["curves"].get("val_loss", ())
        for number, value in enumerate(curve, start=rounds - len(curve) + 1):
            yield from self._made(body, "round", number, {"val_loss_each_round": value})
        self._rounds, self._within = rounds, body["step_in_round"] > 0

    def _step_losses(self, body: Mapping[str, Any], losses: Sequence[Any], steps: int) -> Iterator[Point]:
        every = math.ceil(len(losses) / STEPS_OF_A_UNIT)
        first = steps - len(losses) + 1
        for index, loss in enumerate(losses):
            if (len(losses) - 1 - index) % every == 0:
                yield from self._made(body, "step", first + index, {"per_batch_loss": loss})

    def _evaluated(self, body: Mapping[str, Any]) -> Iterator[Point]:
        at = int(body["step"]) + self._within  # inside a round: the budget ended it there
        for part, metrics in body["metrics"].items():
            values = {f"{part}_{name}": value for name, value in metrics.items()}
            values |= {f"{part}_loss": value for name, value in metrics.items() if name in _LOSSES}
            yield from self._made(body, "round", at, values)

    def _made(
        self, body: Mapping[str, Any], axis: Axis, at: int, values: Mapping[str, Any], *, prefix: str | None = None
    ) -> Iterator[Point]:
        before = self._prefix() if prefix is None else prefix
        time_s = self.began_s + float(body["time_s"])
        for name, value in values.items():
            if before and name.startswith(_SYSTEM):
                continue  # seconds of a baseline say nothing about the machine
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                yield Point(name=before + name, axis=axis, at=int(at), value=float(value), time_s=time_s)

    def _prefix(self) -> str:
        if self.stage not in self._prefixes:
            plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in self.stage)
            self._prefixes[self.stage] = "" if self.stage in ("", "fit") else f"{plain}/"
        return self._prefixes[self.stage]


def final_metrics(record: Mapping[str, Any], model_bytes: int) -> dict[str, float]:
    """The numbers of a finished run: ``final/val_accuracy`` and the like, of the delivered model; its size."""
    found: dict[str, Any] = {}
    for part, metrics in (record.get("metrics") or {}).items():
        found |= {f"final/{part}_{name}": value for name, value in metrics.items()}
    intervals = record.get("intervals") or {}
    primary = (record.get("primary") or {}).get("name", "")
    for part, interval in intervals.items():
        found |= {f"final/{part}_{primary}_{end}": interval.get(end) for end in ("low", "high")}
    for baseline in record.get("baselines") or []:
        found[f"final/baseline_{baseline['name']}"] = baseline["val"]
    model = record.get("model") or {}
    found |= {"parameter_count": model.get("num_parameters"), "model_size": model_bytes}
    found["selected_round"] = model.get("rounds_best")
    found["total_time"] = (record.get("seconds") or {}).get("total")
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
