"""What single layers say: gradients that vanish or explode on their way, units that are dead."""

import math
from statistics import median

from trainwright.core.findings import Finding, Severity
from trainwright.doctor.history import History, Series

# Assumptions, measured with benchmarks/clinic.py as those of `losses`.
_VANISHED = 1e-4  # of the last layers' gradient arrives at the first
_DEAD_SHARE = 0.99  # of a layer's activations pass no gradient on
_READINGS = 2  # that agree: a single one may be a chance
_GREW = 100.0  # times the usual length of the whole gradient
_UNITS = 4  # before a gradient has a usual length


def vanishing(history: History) -> Finding | None:
    """The first layers get a gradient that is nothing beside that of the last ones."""
    norms = [(name, s) for name, s in history.layers("grad_norm").items() if len(s.values) >= _READINGS]
    if len(norms) < 3:
        return None
    third = max(1, len(norms) // 3)
    low = max(max(s.values[-_READINGS:]) for _, s in norms[:third])
    high = min(max(s.values[-_READINGS:]) for _, s in norms[-third:])
    if not (math.isfinite(low) and math.isfinite(high)) or high <= 0 or low >= _VANISHED * high:
        return None
    return Finding(
        code="doctor.vanishing_gradients",
        severity=Severity.WARNING,
        where=norms[0][0],
        what=f"its gradient is {low:.1e} long where that of {norms[-1][0]} is {high:.1e}",
        why="Gradients shrink from layer to layer: saturating activations, a poor initialisation, or too much depth",
        fix="Use normalisation layers or residual connections, ReLU-like activations, or fewer layers",
        evidence={"first": low, "last": high, "layers": len(norms)},
    )


def dead(history: History) -> Finding | None:
    """A layer whose activations pass nothing on, or whose weights do not move while others do."""
    for name, series in history.layers("saturated_share").items():
        if len(series.values) >= _READINGS and min(series.values[-_READINGS:]) >= _DEAD_SHARE:
            share = series.values[-1]
            return _dead(name, f"{share:.1%} of its activations pass no gradient on", {"saturated_share": share})
    moved = {name: max(s.values) for name, s in history.layers("grad_norm").items() if len(s.values) >= _READINGS}
    still = [name for name, most in moved.items() if most == 0]
    if still and len(still) < len(moved):
        return _dead(
            still[0], f"its gradient is exactly 0, as is that of {len(still) - 1} more", {"layers": len(still)}
        )
    return None


def _dead(layer: str, what: str, evidence: dict[str, float | int]) -> Finding:
    return Finding(
        code="doctor.dead_layer",
        severity=Severity.WARNING,
        where=layer,
        what=what,
        why="Its units are off for every row: a learning rate that was too high once, an initialisation far from "
        "zero, inputs that are not scaled, or a part of the network that the loss does not reach",
        fix="Lower the learning rate, scale the inputs, use an activation with a slope everywhere (gelu, leaky_relu)",
        evidence=dict(evidence),
    )


def exploding_gradients(history: History) -> Finding | None:
    """A gradient many times as long as it was before."""
    lengths = history.of("gradient_norm")
    for i in range(_UNITS, len(lengths.values)):
        usual, now = median(lengths.values[:i]), lengths.values[i]
        if math.isfinite(now) and now > _GREW * max(usual, 1e-6) and now > 1:
            return _exploding(history, lengths, i, usual)
    return None


def _exploding(history: History, lengths: Series, i: int, usual: float) -> Finding:
    return Finding(
        code="doctor.exploding_gradients",
        severity=Severity.WARNING,
        where=history.text("stage"),
        what=f"the gradient is {lengths.values[i]:.2e} long at {lengths.steps[i]:g}, usual is {usual:.2e}",
        why="A rate at the edge of what is stable, long sequences, or extreme rows",
        fix="Set training.clip_norm to about the usual length, or lower the learning rate",
        evidence={"step": lengths.steps[i], "length": lengths.values[i], "usual": usual},
    )
