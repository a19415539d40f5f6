"""What a device or a number format cannot hold: a step without memory, a value beyond fp16.

Numbers go in, findings come out.
"""

from collections.abc import Mapping

from trainwright.core.findings import Finding, Severity


def out_of_memory(*, device: str, batch_rows: int, step_rows: int, least_rows: int, step: int, stage: str) -> Finding:
    """A forward and backward pass over ``batch_rows`` of the ``step_rows`` rows of a step did not fit.

    Below ``least_rows`` rows no pass can be made.
    """
    if batch_rows > least_rows:
        fix = (
            f"Take {step_rows} rows a step in smaller passes: {accumulated(halved(batch_rows, least_rows), step_rows)}"
        )
    else:
        fix = "Use a smaller network or shorter rows"
    return Finding(
        code="doctor.out_of_memory",
        severity=Severity.ERROR,
        where=stage,
        what=f"{device} has no memory for a pass over {batch_rows} rows, after round {step}",
        why="What a pass keeps for its gradients grows with its rows; weights and the optimizer's state do not shrink",
        fix=f"{fix}, or set training.activation_checkpointing: true",
        evidence={
            "device": device,
            "batch_rows": batch_rows,
            "step_rows": step_rows,
            "least_rows": least_rows,
            "step": step,
        },
    )


def halved(batch_rows: int, least_rows: int) -> int:
    """The next smaller number of rows of a pass."""
    return max(least_rows, -(-batch_rows // 2))


def accumulated(batch_rows: int, step_rows: int) -> str:
    """What to write into a spec for passes of ``batch_rows`` rows in a step that stays the same, or nearly."""
    times = max(1, round(step_rows / batch_rows))
    inexact = "" if batch_rows * times == step_rows else f" ({batch_rows * times} rows a step in place of {step_rows})"
    return f"training.batch_size: {batch_rows} and training.accumulate: {times}{inexact}"


def not_equivalent(
    *, rows: int, difference: float | None, tolerance: float, batch_norms: int, step: int, stage: str
) -> Finding:
    """Smaller passes give another gradient than the whole batch, or it could not be seen whether they do."""
    if difference is None:
        seen = "their gradient is not finite" if rows else "no two of them fit into memory"
        what = f"whether smaller passes give the same gradient could not be seen: {seen}"
    else:
        what = f"smaller passes give another gradient: {difference:.3g} of the largest entry apart over {rows} rows"
    many = "1 batch norm takes its" if batch_norms == 1 else f"{batch_norms} batch norms take their"
    norms = f"{many} statistics from the rows of a pass, which are fewer now"
    return Finding(
        code="doctor.not_equivalent",
        severity=Severity.WARNING,
        where=stage,
        what=f"{what} (rounding makes up to {tolerance:.3g})" if difference is not None else what,
        why=norms if batch_norms else "The rows of a pass look at each other, or their losses are not added up",
        fix="Use layer or group norm, or train with the smaller batch size and compare"
        if batch_norms
        else "Look for what the network takes from its whole batch",
        evidence={
            "rows": rows,
            "difference": difference,
            "tolerance": tolerance,
            "batch_norms": batch_norms,
            "step": step,
        },
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
