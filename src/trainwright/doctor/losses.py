"""What the loss curve says while a training runs: lost, exploding, stuck, rough, at its end too soon."""

import itertools
import math
from collections.abc import Mapping
from statistics import median

from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.causes import Cause, rate_above_one, wide_inputs
from trainwright.doctor.history import History, Series
from trainwright.doctor.wording import at, symptom

# Every number below is an assumption that benchmarks/clinic.py was the measure of: chosen on one half of its runs,
# reported on the other.
_EXPLODED = 3.0  # times the loss of the best constant prediction, in two evaluations that follow each other
_FAR = 10.0  # times that of the best constant in one, or where a unit's steps are averaged with the first ones
_FELL_OFF = 10.0  # times its own lowest value, where no constant is known
_SPIKE = 4.0  # times the median of the units before
_BEFORE = 5  # units a spike is compared with
_STUCK_UNITS = 5  # evaluations before a training may be called stuck
_STUCK_GAIN = 0.02  # of the constant's loss: less than this is no progress
_DESCENT = 0.1  # of the first value: an objective that fell as much is on its way
_SLOW_UPDATE, _WILD_UPDATE = 1e-4, 0.1
"""A step that changes the weights by less than a ten-thousandth, or by more than a tenth, of their length. A
thousandth is the usual advice (Karpathy, "A Recipe for Training Neural Networks" and cs231n's notes)."""
_EVEN = 0.8  # fall of the later half of the units over that of the earlier one
_WARMS_UP = 1.5  # times the first unit's update: a schedule that raises the rate
_NOT_FAR = 0.5  # of the constant's loss: what is not below it when all rounds are used has hardly begun
_ROUGH_STEPS, _ROUGH_UNITS = 0.4, 8  # of pure noise half of all steps go up
_ROUGH_SIZE = 0.25  # mean step over the distance from the first value to the lowest
_ROUGH_MOVED = 0.05  # mean step over the level: a loss that trembles around its floor is no trouble

_TOO_LONG = Cause(
    "loss_exploding",
    "Steps are so long that they lead away from the minimum: the learning rate is too high",
    "Lower the learning rate, or set training.clip_norm",
)
_UNREACHED = Cause(
    "dead_layer",
    "No gradient reaches any weight: the last layer's activation is off for every row, the loss is cut off from the "
    "network (detach, argmax), or everything is frozen",
    "Let the network return raw scores, without an activation after its last layer",
)


def non_finite(history: History) -> Finding | None:
    """A loss, or the gradient, that became NaN or infinite."""
    for name in ("objective", "train_loss", "val_loss", "gradient_norm"):
        series = history.of(name)
        for step, value in zip(series.steps, series.values, strict=True):
            if not math.isfinite(value):
                return symptom(
                    history,
                    "non_finite",
                    f"{_words(name)} became {value} at {at(history, step)}",
                    "The learning rate is too high, a row holds an extreme value, or half precision overflowed",
                    "Lower the learning rate, set training.clip_norm, or look at the range of target and columns",
                    {"series": name, "step": step, "value": str(value)},
                    severity=Severity.ERROR,
                )
    return None


def exploding(history: History) -> Finding | None:
    """A training loss far above that of the best constant prediction, or far above its own lowest value.

    Where inputs are not scaled, or a booster's rate is above one, that is the cause and the code.
    """
    if (far := _far_from_start(history)) is not None:
        return far
    constant = history.number("constant_loss", "train")
    name = "train_loss" if constant and history.of("train_loss").values else "objective"
    series, lowest, before = history.of(name), math.inf, 0.0
    for step, value in finite_points(series):
        if constant and name == "train_loss":  # a hot start may lie that high once, and come back
            limit = _EXPLODED * constant if before > _EXPLODED * constant else _FAR * constant
        else:
            limit = _FELL_OFF * max(lowest, 1e-3)
        if value > limit:
            reference = f"{constant:.4g} for the best constant" if name == "train_loss" else f"{lowest:.4g} before"
            what = f"{_words(name)} is {value:.4g} at {at(history, step)}, against {reference}"
            evidence = {"step": step, "value": value, "constant": constant, "lowest": _or_none(lowest)}
            return _exploded(history, what, evidence)
        lowest, before = min(lowest, value), value
    return None


def _far_from_start(history: History) -> Finding | None:
    """The mean loss of a whole unit far above a constant's, in the optimiser's own scale: squares, for a regression."""
    constant = history.number("constant_loss", "objective")
    squared = history.text("task") == "regression" and history.text("loss") in ("auto", "mse")
    far = _FAR**2 if squared else _FAR
    for step, value in finite_points(history.of("objective")):
        if constant and value > far * constant:
            what = (
                f"the training loss is {value:.4g} at {at(history, step)}, against {constant:.4g} for the best constant"
            )
            return _exploded(history, what, {"step": step, "value": value, "constant": constant})
    return None


def _exploded(history: History, what: str, evidence: Mapping[str, JsonValue]) -> Finding:
    wide = wide_inputs(history)
    cause = wide or rate_above_one(history) or _TOO_LONG
    severity = Severity.ERROR if wide is None else Severity.WARNING
    return symptom(history, cause.code, what, cause.why, cause.fix, {**evidence, **cause.evidence}, severity=severity)


def spike(history: History) -> Finding | None:
    """A single unit whose loss stands out, and a loss that came back afterwards."""
    points = finite_points(history.of("objective")) or finite_points(history.of("train_loss"))
    for i in range(_BEFORE, len(points) - 1):
        usual = median(value for _, value in points[i - _BEFORE : i])
        step, value = points[i]
        if usual > 1e-3 and value > _SPIKE * usual and points[i + 1][1] < value / 2:
            return symptom(
                history,
                "loss_spike",
                f"the training loss jumped to {value:.4g} at {at(history, step)}, from {usual:.4g} before",
                "A batch with extreme rows, or a learning rate at the edge of what is stable",
                "Set training.clip_norm, look at the rows of that batch, or lower the learning rate",
                {"step": step, "value": value, "before": usual},
            )
    return None


def stuck(history: History) -> Finding | None:
    """A training loss that does not get below that of the best constant; which of the causes the evidence names."""
    constant, points = history.number("constant_loss", "train"), finite_points(history.of("train_loss"))
    if not constant or len(points) < 2 or points[-1][0] - points[0][0] < _STUCK_UNITS - 1:
        return None
    lowest = min(value for _, value in points)
    if lowest < (1 - _STUCK_GAIN) * constant or lowest > _EXPLODED * constant or _descends(history):
        return None
    layers = history.layers("update_ratio").values()
    if any(len(series.values) < 2 for series in layers):
        return None  # the first step may be that of a warm-up
    update = median(max(series.values) for series in layers) if layers else None
    cause = _why_stuck(history, update)
    return symptom(
        history,
        cause.code,
        f"the training loss is {lowest:.4g} at best until {at(history, points[-1][0])}; a constant reaches "
        f"{constant:.4g}",
        cause.why,
        cause.fix,
        {"step": points[-1][0], "lowest": lowest, "constant": constant, "update_ratio": update, **cause.evidence},
    )


def crawling(history: History) -> Finding | None:
    """A loss that falls evenly, in steps so small that all rounds together do not bring it far."""
    constant, limit = history.number("constant_loss", "train"), history.number("rounds_limit")
    points, own = finite_points(history.of("train_loss")), finite_points(history.of("objective"))
    layers = history.layers("update_ratio").values()
    if not constant or not limit or len(points) < 2 or len(own) <= _STUCK_UNITS or not layers:
        return None
    if any(len(series.values) < 2 or series.values[-1] > _WARMS_UP * series.values[0] for series in layers):
        return None
    (began, first), (step, last) = points[0], points[-1]
    update, end = (
        median(max(series.values) for series in layers),
        last - (first - last) / (step - began) * (limit - step),
    )
    if update >= _SLOW_UPDATE or not _NOT_FAR * constant <= end < last <= _EXPLODED * constant or not _evenly(own):
        return None
    return symptom(
        history,
        "rate_too_low",
        f"the training loss falls evenly, from {first:.4g} to {last:.4g} until {at(history, step)}, and would be at "
        f"{end:.4g} when all rounds are used; a constant reaches {constant:.4g}",
        *_too_low(update),
        {"step": step, "end": end, "constant": constant, "update_ratio": update},
    )


def _evenly(points: list[tuple[float, float]]) -> bool:
    """Whether the later half of the points falls about as fast as the earlier one: a loss near its floor does not."""
    (began, first), (middle, between), (end, last) = points[0], points[len(points) // 2], points[-1]
    return first > between and (between - last) / (end - middle) >= _EVEN * (first - between) / (middle - began)


def _descends(history: History) -> bool:
    """Whether the optimiser's own loss falls, which shows earlier than a loss that is looked at now and then."""
    values = [value for _, value in finite_points(history.of("objective"))]
    return len(values) > 1 and values[-1] < (1 - _DESCENT) * values[0]


def _why_stuck(history: History, update: float | None) -> Cause:
    """The cause that is known from before the training, else by how far a step moves the weights."""
    if (known := wide_inputs(history) or rate_above_one(history)) is not None:
        return known
    lengths = history.of("gradient_norm").values
    if lengths and not any(lengths):
        return _UNREACHED
    if update is not None and update < _SLOW_UPDATE:
        return Cause("rate_too_low", *_too_low(update))
    if update is not None and update > _WILD_UPDATE:
        why = f"A step changes the weights by {update:.0%} of their length: the learning rate is too high"
        return Cause("rate_too_high", why, "Lower the learning rate tenfold")
    why = "Steps are of a usual size and lead nowhere" if update is not None else "The rows give the model nothing"
    return Cause(
        "loss_stuck",
        f"{why}: features without signal, shuffled labels, values not scaled, or a model that cannot express the task",
        "Look at the features and the target, try another family; `trainwright check` fits a single batch",
    )


def _too_low(update: float) -> tuple[str, str]:
    """Why, and what to do."""
    why = f"A step changes the weights by {update:.1e} of their length, a thousandth is usual: the rate is too low"
    return why, "Raise the learning rate tenfold"


def oscillating(history: History) -> Finding | None:
    """A training loss that goes up nearly as often as down, in steps that are large beside what was gained."""
    points = finite_points(history.of("objective")) or finite_points(history.of("train_loss"))
    if len(points) < _ROUGH_UNITS:
        return None
    values = [value for _, value in points]
    steps = [b - a for a, b in itertools.pairwise(values)]
    up = sum(step > 0 for step in steps) / len(steps)
    gained = max(values[0] - min(values), 1e-12)
    size = sum(abs(step) for step in steps) / len(steps) / gained
    level = sum(values) / len(values)
    moved = sum(abs(step) for step in steps) / len(steps) / max(abs(level), 1e-12)
    if up < _ROUGH_STEPS or size < _ROUGH_SIZE or moved < _ROUGH_MOVED:
        return None
    return symptom(
        history,
        "oscillation",
        f"the training loss rose in {up:.0%} of {len(steps)} steps, by {moved:.0%} of its level on average",
        "Steps jump over the minimum: the learning rate is too high for the batch size",
        "Lower the learning rate, or raise training.batch_size",
        {"rising": up, "step_over_gain": size, "step_over_level": moved},
    )


def finite_points(series: Series) -> list[tuple[float, float]]:
    """The (position, value) pairs of a series whose value is finite."""
    return [(s, v) for s, v in zip(series.steps, series.values, strict=True) if math.isfinite(v)]


def _words(name: str) -> str:
    return {"objective": "the training loss", "gradient_norm": "the gradient"}.get(name, name.replace("_", " "))


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
