"""What single layers say: gradients that vanish or explode on their way, units that are dead."""

import math
from statistics import median

from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.history import History
from trainwright.doctor.wording import at, symptom

# Assumptions, measured with benchmarks/clinic.py as those of `losses`.
_VANISHED = 1e-4  # of the last layers' gradient arrives at the first
_DEAD_SHARE = 0.99  # of a layer's activations pass no gradient on
_READINGS = 2  # that agree: a single one may be a chance
_GREW = 100.0  # times the usual length of the whole gradient
_BURST = 1e4  # times the usual length, where a network's first steps are longer anyway
_UNITS = 4  # before a gradient has a usual length
_NO_CAUSE = 0.1  # of their length: steps that change weights by less are not too long (`losses`: a wild update)
_CLIP = 1.0
"""The clip norm where no gradient was seen that is known to be healthy: that of every recipe of ours that has one,
after Pascanu et al. 2013, "On the difficulty of training recurrent neural networks". Measured on a recurrent net that
explodes at its second step (`tests/clinic`, five draws, gradients of 16 to 30 at its first): validation losses of 0.85
to 1.10 with 1, of 0.99 to 1.23 with 0.3, of 1.12 to 1.38 with 3, of 1.47 to 1.82 with 20, the length of the first."""


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


def burst(history: History) -> Finding | None:
    """In the first units one step's gradient many times as long as most of the unit's, or steps of a usual size that
    end in a value that is not finite: it is the gradient that explodes and not the rate that is too high, under which
    all gradients stay long and the first step is far too long. Where gradients are clipped, no step is."""
    if history.number("clip_norm"):
        return None
    longest, usual = (history.of(f"gradient_norm_{name}").values[:_UNITS] for name in ("longest", "usual"))
    lengths = history.of("gradient_norm")
    for i, (now, most) in enumerate(zip(longest, usual, strict=True)):
        if now > _GREW * max(most, 1e-6) and now > 1:
            return _exploding(history, lengths.steps[i], now, most, clip=_CLIP)
    objective = history.of("objective")
    updates = [series.values[-1] for series in history.layers("update_ratio").values()]
    for step, value in list(zip(objective.steps, objective.values, strict=True))[:_UNITS]:
        if not math.isfinite(value) and updates and longest and median(updates) < _NO_CAUSE:
            return _exploding(history, step, longest[-1], usual[-1], clip=_CLIP)
    return None


def exploding_gradients(history: History) -> Finding | None:
    """A gradient many times as long as it was before, or in the first units as others are: see `burst` too."""
    if (found := burst(history)) is not None:
        return found
    lengths = history.of("gradient_norm")
    for i in range(_UNITS, len(lengths.values)):
        usual, now = median(lengths.values[:i]), lengths.values[i]
        if math.isfinite(now) and now > _GREW * max(usual, 1e-6) and now > 1:
            return _exploding(history, lengths.steps[i], now, usual, clip=usual)
    usual = median(lengths.values) if len(lengths.values) > _UNITS else math.nan
    for i, now in enumerate(lengths.values[:_UNITS]):
        if math.isfinite(now) and now > _BURST * max(usual, 1e-6) and now > 1:
            return _exploding(history, lengths.steps[i], now, usual, clip=_CLIP)
    return None


def _exploding(history: History, step: float, length: float, usual: float, *, clip: float) -> Finding:
    """``clip`` is the norm to clip to; where gradients are clipped to less already, it is no cure."""
    given = history.number("clip_norm")
    cure = clip if given is None or given > clip else None
    return symptom(
        history,
        "exploding_gradients",
        f"the gradient is {length:.2e} long at {at(history, step)}, usual is {usual:.2e}",
        "A rate at the edge of what is stable, long sequences, or extreme rows",
        "Lower the learning rate"
        if cure is None
        else f"Set training.clip_norm: {cure:.4g}, or lower the learning rate",
        {"step": step, "length": length, "usual": usual, "clip": cure},
    )
