"""What to write into a spec against overfitting, which is only said: a regularised model is another one."""

from collections.abc import Callable, Mapping, Sequence

from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue

_DECAY, _LEAST_DECAY, _MOST_DECAY = 10.0, 1e-3, 0.3
"""Weight decay is searched by powers of ten, from a thousandth to 0.3 (the ranges of the families that have it)."""

_DROPOUT, _MOST_DROPOUT = 0.2, 0.5  # a step of the families' search ranges; one half is Srivastava et al. 2014

_TREES: Mapping[str, Callable[[float], float]] = {
    "num_leaves": lambda leaves: max(4, leaves // 2),
    "max_depth": lambda depth: max(2, depth - 2),
    "depth": lambda depth: max(2, depth - 2),
    "min_data_in_leaf": lambda rows: 2 * rows,
    "min_samples_leaf": lambda rows: 2 * rows,
}
"""One clear step (assumption): half the leaves, a quarter of the regions of a tree, twice the rows of a leaf."""

_PENALTIES: Mapping[str, float] = {"lambda_l2": 1.0, "reg_lambda": 1.0, "l2_leaf_reg": 3.0}
"""At least what XGBoost and CatBoost have by default (LightGBM has none), else ten times the present one."""


_OTHERWISE = (
    "doctor.non_finite",
    "doctor.loss_exploding",
    "doctor.rate_too_high",
    "doctor.label_noise",
    "doctor.learned_by_heart",
)
"""Where one of these was found too, validation is worse than training for another reason."""


def advise(
    verdict: Sequence[Finding],
    *,
    params: Mapping[str, JsonValue],
    weight_decay: float | None,
    unit: str,
    best: int | None,
) -> list[Finding]:
    """What to write into the spec after a training with these findings. See `against_overfitting`."""
    if any(finding.code in _OTHERWISE for finding in verdict):
        return []
    found = (
        against_overfitting(finding, params=params, weight_decay=weight_decay, unit=unit, best=best)
        for finding in verdict
    )
    return [finding for finding in found if finding is not None]


def against_overfitting(
    finding: Finding, *, params: Mapping[str, JsonValue], weight_decay: float | None, unit: str, best: int | None
) -> Finding | None:
    """The change for this model; None where the finding is another one, or no parameter is known that would help.

    ``params`` are those of the model; ``weight_decay`` is that of a network, None for others. ``best`` is the best
    number of ``unit`` where the model was not taken from it.
    """
    if finding.code != "doctor.overfitting":
        return None
    changes = _changes(params, weight_decay)
    if best:
        changes[f"training.{'epochs' if unit == 'epoch' else 'rounds'}"] = best
    if not changes:
        return None
    written = ", ".join(f"{path}: {value:g}" for path, value in changes.items())
    return Finding(
        code="doctor.repair_suggested",
        severity=Severity.INFO,
        where=next(iter(changes)),
        what="doctor.overfitting would be treated by stronger regularisation" + (" or an earlier end" if best else ""),
        why="It makes another model, which has to be trained from the beginning",
        fix=f"Write {written}: one of them or all, and compare on validation rows",
        evidence={"symptom": finding.code, "changes": dict(changes)},
    )


def _changes(params: Mapping[str, JsonValue], weight_decay: float | None) -> dict[str, float]:
    changes: dict[str, float] = {}
    if weight_decay is not None and weight_decay < _MOST_DECAY:
        changes["training.optimizer.weight_decay"] = min(_MOST_DECAY, max(_LEAST_DECAY, _DECAY * weight_decay))
    for name, value in params.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        path = f"architecture.architecture_spec.{name}"
        if name.endswith("dropout") and value < _MOST_DROPOUT:
            changes[path] = round(min(_MOST_DROPOUT, value + _DROPOUT), 4)
        elif name in _PENALTIES:
            changes[path] = max(_PENALTIES[name], 10.0 * value)
        elif name in _TREES and value > 0 and _TREES[name](value) != value:
            changes[path] = _TREES[name](value)
    return changes
