"""What a device or a number format cannot hold: a step without memory, a value beyond fp16.

Numbers go in, findings come out.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from trainwright.core.findings import Finding, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A forward and backward pass that a ``device`` had no memory for: over ``batch_rows`` of the ``step_rows`` rows of
    a step. Below ``least_rows`` rows no pass can be made."""

    device: str
    batch_rows: int
    step_rows: int
    least_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """The gradient of ``rows`` rows in one pass and in two: the largest difference of a weight's, as a share of the
    largest gradient. None: no two passes fit into memory (``rows`` is 0), or the gradient is not finite.

    ``tolerance`` is what another order of adding up may make; ``batch_norms`` counts modules whose output for a row
    depends on its batch. ``noise``: the training draws noise (dropout), which was left out here, and of which smaller
    batches draw other values of the same kind.
    """

    rows: int
    difference: float | None
    tolerance: float
    batch_norms: int
    noise: bool

    @property
    def holds(self) -> bool:
        """Whether the step stays the same but for rounding."""
        return self.difference is not None and self.difference <= self.tolerance and not self.batch_norms


def out_of_memory(tried: Pass, *, step: int, stage: str) -> Finding:
    """That a pass did not fit, and what to write into the spec."""
    smaller = halved(tried.batch_rows, tried.least_rows)
    if smaller < tried.batch_rows:
        fix = f"Take {tried.step_rows} rows a step in smaller passes: {accumulated(smaller, tried.step_rows)}"
    else:
        fix = "Use a smaller network or shorter rows"
    return Finding(
        code="doctor.out_of_memory",
        severity=Severity.ERROR,
        where=stage,
        what=f"{tried.device} has no memory for a pass over {tried.batch_rows} rows, after round {step}",
        why="What a pass keeps for its gradients grows with its rows; weights and the optimizer's state do not shrink",
        fix=f"{fix}, or set training.activation_checkpointing: true",
        evidence={**asdict(tried), "step": step},
    )


def halved(batch_rows: int, least_rows: int) -> int:
    """The next smaller number of rows of a pass."""
    return max(least_rows, -(-batch_rows // 2))


def accumulated(batch_rows: int, step_rows: int) -> str:
    """What to write into a spec for passes of ``batch_rows`` rows in a step that stays the same, or nearly."""
    times = max(1, round(step_rows / batch_rows))
    inexact = "" if batch_rows * times == step_rows else f" ({batch_rows * times} rows a step in place of {step_rows})"
    return f"training.batch_size: {batch_rows} and training.accumulate: {times}{inexact}"


def not_equivalent(found: Equivalence, *, step: int, stage: str) -> Finding:
    """Smaller passes give another gradient than the whole batch, or it could not be seen whether they do."""
    if found.difference is None:
        seen = "their gradient is not finite" if found.rows else "no two of them fit into memory"
        what = f"whether smaller passes give the same gradient could not be seen: {seen}"
    else:
        what = (
            f"smaller passes give another gradient: {found.difference:.3g} of the largest entry apart over "
            f"{found.rows} rows (rounding makes up to {found.tolerance:.3g})"
        )
    norms = found.batch_norms
    many = "1 batch norm takes its" if norms == 1 else f"{norms} batch norms take their"
    return Finding(
        code="doctor.not_equivalent",
        severity=Severity.WARNING,
        where=stage,
        what=what,
        why=f"{many} statistics from the rows of a pass, which are fewer now"
        if norms
        else "The rows of a pass look at each other, or their losses are not added up",
        fix="Use layer or group norm, or train with the smaller batch size and compare"
        if norms
        else "Look for what the network takes from its whole batch",
        evidence={**asdict(found), "step": step},
    )


_LEAST_SCALE = 1.0
"""A loss scale below which fp16 is given up, as in DeepSpeed (``min_loss_scale``): from 65,536 that takes 17 steps in a
row that were left out, and gradients overflow then without any scale."""


def scale_collapsed(values: Mapping[str, float], *, precision: str, step: int, stage: str) -> Finding | None:
    """A scaler that has left out so many steps in a row that it has nothing left to scale by."""
    scale = values.get("loss_scale")
    if scale is None or scale >= _LEAST_SCALE:
        return None
    return Finding(
        code="doctor.precision_overflow",
        severity=Severity.WARNING,
        where=stage,
        what=f"the loss scale of {precision} has fallen to {scale:.3g} at round {step}: gradients overflow, and their "
        "steps are left out",
        why=_RANGE,
        fix="Set training.precision: bf16, or fp32",
        evidence={
            "precision": precision,
            "loss_scale": scale,
            "skipped": values.get("skipped_steps", 0.0),
            "step": step,
        },
    )


def overflown(finding: Finding, *, precision: str) -> Finding:
    """The finding of a value that is not finite, where it is finite in float32."""
    return Finding(
        code="doctor.precision_overflow",
        severity=finding.severity,
        where=finding.where,
        what=f"{finding.what} in {precision}; the same rows have finite losses in float32",
        why=_RANGE if precision == "fp16" else "bf16 has 8 bits for a number's digits",
        fix="Set training.precision: fp32" + (", or bf16" if precision == "fp16" else ""),
        evidence={**finding.evidence, "precision": precision},
    )


_RANGE = "fp16 ends at 65,504; bf16 and fp32 at 3e38"
