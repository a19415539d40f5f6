"""How a symptom is put into words: one shape for all of them."""

from collections.abc import Mapping

from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.history import History


def symptom(
    history: History,
    code: str,
    what: str,
    why: str,
    fix: str,
    evidence: Mapping[str, JsonValue],
    *,
    severity: Severity = Severity.WARNING,
    where: str = "",
) -> Finding:
    """The finding ``doctor.<code>``; ``where`` is a layer or a key of the spec, else the stage of the training."""
    return Finding(
        code=f"doctor.{code}",
        severity=severity,
        where=where or history.text("stage"),
        what=what,
        why=why,
        fix=fix,
        evidence=dict(evidence),
    )


def at(history: History, step: float) -> str:
    """A position with its unit: ``epoch 3``, or ``epoch 4, within`` for one between two whole ones."""
    unit = history.text("unit") or "round"
    return f"{unit} {step:g}" if step == int(step) else f"{unit} {int(step) + 1}, within"
