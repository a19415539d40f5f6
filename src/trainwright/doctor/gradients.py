"""What one batch sends back through a network, layer by layer, and a verdict on each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median

from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue, to_json

VANISHED = 1e-4
"""Of the gradient of the last layers, where it comes from: the mark of `trainwright.doctor.layers`, measured with
benchmarks/clinic.py."""

EXPLODED, LONG = 100.0, 1.0
"""Times the gradient of the last layers (assumption: the doctor's factor over time), and longer than what whole
gradients are clipped to (Pascanu et al. 2013, "On the difficulty of training recurrent neural networks"; 1.0 in GPT-3).
"""


class Verdict(StrEnum):
    """What the gradient of a layer says."""

    OK = "ok"
    VANISHING = "vanishing"
    EXPLODING = "exploding"
    ZERO = "zero"
    ABSENT = "none"
    NON_FINITE = "not finite"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGradient:
    """The gradient of a layer's own parameters, taken as one vector of ``size`` numbers.

    ``zero_share`` is the share of exact zeros, ``weight_norm`` the length of the parameters themselves. All numbers but
    ``size`` and ``weight_norm`` are NaN for a layer without a gradient.
    """

    layer: str
    size: int
    mean: float
    std: float
    min: float
    max: float
    norm: float
    zero_share: float
    weight_norm: float
    verdict: Verdict = Verdict.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradients:
    """All layers in the order of the network, and the ``loss`` of the batch of ``rows`` rows."""

    layers: tuple[LayerGradient, ...]
    loss: float
    rows: int

    @property
    def norm(self) -> float:
        """The length of the whole gradient."""
        lengths = [layer.norm for layer in self.layers if not math.isnan(layer.norm)]
        return math.hypot(*lengths) if lengths else 0.0

    def findings(self) -> tuple[Finding, ...]:
        """One for each kind of trouble, with the layers that have it."""
        found = []
        for verdict, (severity, why, fix) in _TROUBLE.items():
            names = [layer.layer for layer in self.layers if layer.verdict is verdict]
            if names:
                found.append(_finding(verdict, names, len(self.layers), severity, why, fix))
        return tuple(found)

    def to_json(self) -> dict[str, JsonValue]:
        """As ``trainwright diagnose RUN --gradients --json`` prints it."""
        return {
            "loss": to_json(self.loss),
            "rows": self.rows,
            "norm": to_json(self.norm),
            "layers": [to_json(layer) for layer in self.layers],
        }


def judged(layers: Sequence[LayerGradient]) -> tuple[LayerGradient, ...]:
    """The layers with their verdicts; those that are settled (frozen, without a gradient) keep theirs."""
    norms = [layer.norm for layer in layers if math.isfinite(layer.norm) and layer.norm > 0]
    source = median(norms[-max(1, len(norms) // 3) :]) if norms else 0.0  # the last third, as the doctor takes it
    return tuple(replace(layer, verdict=_verdict(layer, source)) for layer in layers)


def _verdict(layer: LayerGradient, source: float) -> Verdict:
    if layer.verdict is not Verdict.OK:
        return layer.verdict
    if not math.isfinite(layer.norm):
        return Verdict.NON_FINITE
    if layer.norm == 0:
        return Verdict.ZERO
    if layer.norm > LONG and layer.norm > EXPLODED * source:
        return Verdict.EXPLODING
    return Verdict.VANISHING if layer.norm < VANISHED * source else Verdict.OK


_TROUBLE = {
    Verdict.NON_FINITE: (
        Severity.ERROR,
        "A division, logarithm or square root of zero in the network or the loss, or an extreme row",
        "Look at the first of these layers and at the rows of the batch",
    ),
    Verdict.ABSENT: (
        Severity.WARNING,
        "They are not part of the computation of the loss: they stay as they are",
        "Use them in forward or remove them; detach, no_grad and .data cut gradients",
    ),
    Verdict.ZERO: (
        Severity.WARNING,
        "Units that are off for every row, or a factor of zero behind them: they cannot learn",
        "Use an activation with a slope everywhere (gelu, leaky_relu), scale the inputs, lower the learning rate",
    ),
    Verdict.EXPLODING: (
        Severity.WARNING,
        "A layer that multiplies what comes through: large weights, no normalisation, long sequences",
        "Clip the gradient (training.clip_norm: 1.0), normalise, or initialise with smaller weights",
    ),
    Verdict.VANISHING: (
        Severity.WARNING,
        "Gradients shrink from layer to layer: saturating activations, a poor initialisation, or too much depth",
        "Use normalisation layers or residual connections, ReLU-like activations, or fewer layers",
    ),
}

_CODES = {
    Verdict.NON_FINITE: "gradients.non_finite",
    Verdict.ABSENT: "gradients.none",
    Verdict.ZERO: "gradients.zero",
    Verdict.EXPLODING: "gradients.exploding",
    Verdict.VANISHING: "gradients.vanishing",
}


def _finding(verdict: Verdict, names: list[str], of: int, severity: Severity, why: str, fix: str) -> Finding:
    some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return Finding(
        code=_CODES[verdict],
        severity=severity,
        where=names[0],
        what=f"the gradient of {len(names)} of {of} layers is {_SAID.get(verdict, verdict.value)}: {some}",
        why=why,
        fix=fix,
        evidence={"layers": list(names)},
    )


_SAID = {Verdict.ABSENT: "missing"}
