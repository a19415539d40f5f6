"""From symptoms to one small change of course that can be undone: findings in, a remedy out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.capacity import accumulated, halved

Mode: TypeAlias = Literal["auto", "suggest", "off"]

LOWER = 0.1
"""What a rate is multiplied with that destroyed a model before it had learned anything, after a range test has not
helped: such rates are off by powers of ten (assumption)."""
EASE = 0.5  # the same for a rate that carried a training for a while (assumption)
RAISE = 10.0
"""What a rate is multiplied with under which nothing moves, after a range test. Its sign is an update of less than a
tenth of the usual one (`trainwright.doctor.losses`), so the raised rate is the usual one at most."""
_TOO_FAST = ("doctor.non_finite", "doctor.loss_exploding", "doctor.rate_too_high")
TRACELESS = ("num_workers",)
"""Actions that change no bit of the result: made when the clock says so, so nothing else may depend on them."""

_WIDER = {"fp16": "bf16", "bf16": "fp32"}
_FEW = 0.1  # of the rows looked at: where more are broken, the weights are the likelier cause (assumption)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One change: an ``action`` that engines know, its ``values``, and whether training first goes ``back`` to the
    last position that was good, or to its ``beginning`` (fresh weights of the same seed, all rounds) where no position
    is."""

    symptom: str
    action: str
    values: Mapping[str, JsonValue] = field(default_factory=dict)
    back: bool = False
    beginning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A repair that an earlier training made: at that position it is made again, whatever is seen."""

    remedy: Remedy
    rounds: int
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be repaired: ``auto`` repairs, ``suggest`` says what it would do, ``off`` does neither.

    At most ``rate_changes`` changes of the learning rate, ``skipped_rows`` rows left out, ``clips`` clip norms set,
    ``batch_halvings`` halvings of the rows of a pass, ``precision_changes`` changes of the number format,
    ``worker_changes`` changes of the threads that load.
    ``repeat`` are the first repairs of the training, of an earlier one.
    """

    mode: Mode = "auto"
    rate_changes: int = 4  # assumption: three lower a rate a thousandfold, one is in hand
    skipped_rows: int = 20  # assumption: few enough to be looked at one by one
    clips: int = 1
    batch_halvings: int = 6  # assumption: 64 times less for a pass; where that is too much, the network is the cause
    precision_changes: int = 2  # from fp16 by way of bf16 to fp32
    worker_changes: int = 3  # assumption: from none to eight
    repeat: tuple[Planned, ...] = ()


def choose(
    findings: Sequence[Finding],
    policy: Policy,
    *,
    able: Sequence[str],
    done: Sequence[Remedy] = (),
    best: float | None = None,
) -> Remedy | None:
    """The remedy for the first finding that has one; None where none is known, able or still allowed.

    ``able`` are the actions of the engine, ``done`` what was done in this training. ``best`` is the position, in
    rounds, of the best evaluation that can be gone back to; None: there is none.
    """
    for finding in findings:
        remedy = _for(finding, policy, done, best)
        if remedy is not None and remedy.action in able and _allowed(remedy, policy, done):
            return remedy
    return None


def _for(finding: Finding, policy: Policy, done: Sequence[Remedy], best: float | None) -> Remedy | None:
    evidence, code = finding.evidence, finding.code
    if code == "doctor.non_finite" and (rows := _suspects(evidence)):
        remedy = Remedy(symptom=code, action="skip_rows", values={"rows": rows}, back=bool(evidence.get("spoiled")))
        if _allowed(remedy, policy, done):
            return remedy
    if code == "doctor.starved":
        return _more_workers(finding)
    if code == "doctor.precision_overflow" and (wider := _WIDER.get(str(evidence.get("precision")))):
        return Remedy(symptom=code, action="precision", values={"precision": wider}, back=True)
    if code == "doctor.out_of_memory":
        return _smaller_batches(finding)
    if code in _TOO_FAST:
        values: Mapping[str, JsonValue] = _rate(LOWER, done) if best is None else {"factor": EASE}
        return Remedy(symptom=code, action="learning_rate", values=values, back=True, beginning=best is None)
    lowered = any(d.action == "learning_rate" and d.symptom in _TOO_FAST for d in done)
    if code == "doctor.rate_too_low" and not lowered:  # nothing was learned, and all rounds are there again
        return Remedy(symptom=code, action="learning_rate", values=_rate(RAISE, done), back=True, beginning=True)
    if code == "doctor.exploding_gradients":
        return _clipped(finding, best)
    return None


def _clipped(finding: Finding, best: float | None) -> Remedy | None:
    """Shorter gradients, from before the explosion on: what came after it is the explosion's."""
    norm, step = finding.evidence.get("clip"), finding.evidence.get("step")
    if not isinstance(norm, int | float) or norm <= 0 or not isinstance(step, int | float):
        return None
    first = best is None or best >= step
    return Remedy(symptom=finding.code, action="clip_norm", values={"norm": float(norm)}, back=True, beginning=first)


def _smaller_batches(finding: Finding) -> Remedy | None:
    """Passes of half the rows, and steps of as many rows as before."""
    now, step, least = (int(str(finding.evidence[name])) for name in ("batch_rows", "step_rows", "least_rows"))
    half = halved(now, least)
    if half >= now:
        return None
    return Remedy(symptom=finding.code, action="halve_batch", values={"batch_size": half, "step_rows": step})


def _more_workers(finding: Finding) -> Remedy | None:
    """Twice the threads, where rows are gathered by threads and there are cores for them: those of several processes
    as if all of them were on this machine."""
    workers, cores = finding.evidence.get("workers"), finding.evidence.get("cores")
    processes = finding.evidence.get("processes", 1)
    if not finding.evidence.get("streamed") or not isinstance(workers, int) or not isinstance(cores, int):
        return None
    share = cores // processes if isinstance(processes, int) else cores
    more = min(share, max(2, 2 * workers))
    if more <= workers or share < 2:
        return None
    return Remedy(symptom=finding.code, action="num_workers", values={"num_workers": more})


def _rate(factor: float, done: Sequence[Remedy]) -> Mapping[str, JsonValue]:
    """A range test on the first batches says what the rate should be; where it was done already, a factor."""
    return {"factor": factor} if any(d.values.get("measure") for d in done) else {"measure": True}


def _suspects(evidence: Mapping[str, JsonValue]) -> list[JsonValue]:
    """Rows that are broken each by itself, where they are few."""
    rows, examined = evidence.get("rows"), evidence.get("examined")
    if not isinstance(rows, list | tuple) or not isinstance(examined, int) or len(rows) > max(1, _FEW * examined):
        return []
    return list(rows)


def _allowed(remedy: Remedy, policy: Policy, done: Sequence[Remedy]) -> bool:
    same = [d for d in done if d.action == remedy.action]
    if remedy.action == "learning_rate":
        return len(same) < policy.rate_changes
    limits = {
        "clip_norm": policy.clips,
        "halve_batch": policy.batch_halvings,
        "precision": policy.precision_changes,
        "num_workers": policy.worker_changes,
    }
    if remedy.action in limits:
        return len(same) < limits[remedy.action]
    return sum(_count(d) for d in [*same, remedy]) <= policy.skipped_rows


def _count(remedy: Remedy) -> int:
    rows = remedy.values.get("rows")
    return len(rows) if isinstance(rows, list | tuple) else 0


def _factor(remedy: Remedy) -> float:
    factor = remedy.values.get("factor")
    return float(factor) if isinstance(factor, int | float) else 1.0


def suggestion(remedy: Remedy, *, rate: float | None, path: str) -> Finding:
    """What somebody would write into the spec in place of the repair; ``path`` is where the rate stands there."""
    if remedy.values.get("measure"):
        change = f"{path}: auto" if path.startswith("training.") else f"{path}: 0.05, or another that is usual"
    elif remedy.action == "learning_rate" and rate is not None:
        change = f"{path}: {rate * _factor(remedy):g}"
    elif remedy.action == "clip_norm":
        change = f"training.clip_norm: {remedy.values['norm']:.4g}"
    elif remedy.action == "halve_batch":
        change = accumulated(*(int(str(remedy.values[name])) for name in ("batch_size", "step_rows")))
    elif remedy.action == "num_workers":
        change = f"training.num_workers: {remedy.values['num_workers']}"
    elif remedy.action == "precision":
        change = f"training.precision: {remedy.values['precision']}"
    elif remedy.action == "skip_rows":
        change = f"leave rows {remedy.values['rows']} (positions in the training part) out of the data"
    else:
        change = f"a learning rate {_factor(remedy):g} times the present one"
    return Finding(
        code="doctor.repair_suggested",
        severity=Severity.INFO,
        where=path if remedy.action == "learning_rate" else "training",
        what=f"{remedy.symptom} would be treated by {words(remedy)}",
        why="training.repairs does not make this change by itself here",
        fix=f"Write {change}",
        evidence={"symptom": remedy.symptom, "action": remedy.action, **remedy.values},
    )


def repaired(finding: Finding, remedy: Remedy) -> Finding:
    """The finding of something that was treated: no error any more."""
    severity = Severity.WARNING if finding.severity is Severity.ERROR else finding.severity
    return replace(finding, severity=severity, fix=f"Repaired: {words(remedy)}")


def words(remedy: Remedy) -> str:
    """A remedy for people."""
    back = "" if not remedy.back else "beginning again and " if remedy.beginning else "going back and "
    if remedy.values.get("measure"):
        return f"{back}measuring the learning rate on the first batches"
    if remedy.action == "learning_rate":
        return f"{back}multiplying the learning rate by {_factor(remedy):g}"
    if remedy.action == "clip_norm":
        return f"{back}scaling gradients down to a length of {remedy.values['norm']:.4g}"
    if remedy.action == "num_workers":
        return f"gathering rows by {remedy.values['num_workers']} threads"
    if remedy.action == "precision":
        return f"{back}computing in {remedy.values['precision']}"
    if remedy.action == "halve_batch":
        return f"taking steps of {remedy.values['step_rows']} rows in passes of {remedy.values['batch_size']}"
    return f"{back}leaving {_count(remedy)} broken rows out"
