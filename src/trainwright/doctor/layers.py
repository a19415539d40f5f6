"""What single layers say: gradients that vanish or explode on their way, units that are dead."""

import math
from statistics import median

from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.history import History, Series
from trainwright.doctor.wording import at, symptom

# Assumptions, measured with benchmarks/clinic.py as those of `losses`.
_VANISHED = 1e-4  # of the last layers' gradient arrives at the first
_DEAD_SHARE = 0.99  # of a layer's activations pass no gradient on
_READINGS = 2  # that agree: a single one may be a chance
_GREW = 100.0  # times the usual length of the whole gradient
_BURST = 1e4  # times the usual length, where a network's first steps are longer anyway
_UNITS = 4  # before a gradient has a usual length


def vanishing(history: History) -> Finding | None:
    """The first layers get a gradient that is nothing beside that of the last ones."""
    norms = [(name, s) for name, s in history.layers("grad_norm").items() if len(s.values) >= _READINGS]
    if len(norms) < 3:
        return None
    third = max(1, len(norms) // 3)
    low = max(max(s.values[-_READINGS:]) for _, s in norms[:third])
    high = min(max(s.values[-_READINGS:]) for _, s in norms[-third:])
    if not (math.isfinite(low) and math.isfinite(high)) or high <= 0 or not 0 < low < _VANISHED * high:
        return None  # exactly 0 is `dead`
    return symptom(
        history,
        "vanishing_gradients",
        f"its gradient is {low:.1e} long where that of {norms[-1][0]} is {high:.1e}",
        "Gradients shrink from layer to layer: saturating activations, a poor initialisation, or too much depth",
        "Use normalisation layers or residual connections, ReLU-like activations, or fewer layers",
        {"first": low, "last": high, "layers": len(norms)},
        where=norms[0][0],
    )


def dead(history: History) -> Finding | None:
    """A layer whose activations pass nothing on, or whose weights do not move while others do."""
    for name, series in history.layers("saturated_share").items():
        if len(series.values) >= _READINGS and min(series.values[-_READINGS:]) >= _DEAD_SHARE:
            share = series.values[-1]
            what = f"{share:.1%} of its activations pass no gradient on"
            return _dead(history, name, what, {"saturated_share": share})
    moved = {name: max(s.values) for name, s in history.layers("grad_norm").items() if len(s.values) >= _READINGS}
    still = [name for name, most in moved.items() if most == 0]
    if still and len(still) < len(moved):
        more = f", as is that of {len(still) - 1} more" if len(still) > 1 else ""
        return _dead(history, still[0], f"its gradient is exactly 0{more}", {"layers": len(still)})
    return None


def _dead(history: History, layer: str, what: str, evidence: dict[str, JsonValue]) -> Finding:
    return symptom(
        history,
        "dead_layer",
        what,
        "Its units are off for every row: a learning rate that was too high once, an initialisation far from zero, "
        "inputs that are not scaled, or a part of the network that the loss does not reach",
        "Lower the learning rate, scale the inputs, use an activation with a slope everywhere (gelu, leaky_relu)",
        evidence,
        where=layer,
    )


def exploding_gradients(history: History) -> Finding | None:
    """A gradient many times as long as it was before, or in the first units as it is afterwards."""
    lengths = history.of("gradient_norm")
    for i in range(_UNITS, len(lengths.values)):
        usual, now = median(lengths.values[:i]), lengths.values[i]
        if math.isfinite(now) and now > _GREW * max(usual, 1e-6) and now > 1:
            return _exploding(history, lengths, i, usual)
    usual = median(lengths.values) if len(lengths.values) > _UNITS else math.nan
    for i, now in enumerate(lengths.values[:_UNITS]):
        if math.isfinite(now) and now > _BURST * max(usual, 1e-6) and now > 1:
            return _exploding(history, lengths, i, usual)
    return None


def _exploding(history: History, lengths: Series, i: int, usual: float) -> Finding:
    step, length = lengths.steps[i], lengths.values[i]
    return symptom(
        history,
        "exploding_gradients",
        f"the gradient is {length:.2e} long at {at(history, step)}, usual is {usual:.2e}",
        "A rate at the edge of what is stable, long sequences, or extreme rows",
        "Set training.clip_norm to about the usual length, or lower the learning rate",
        {"step": step, "length": length, "usual": usual},
    )
