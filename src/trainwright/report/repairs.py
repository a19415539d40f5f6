"""What was changed while the model was trained, in words: what was seen, what was changed, and whether it helped."""

from collections.abc import Mapping
from dataclasses import dataclass

from trainwright.core.jsonable import JsonValue
from trainwright.report.facts import Facts
from trainwright.report.reading import finite, mapping, objects, text, whole
from trainwright.report.words import amount, plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One repair; ``result`` is empty where the run ended before it was known, ``symptom`` is the code of a finding."""

    when: str
    seen: str
    change: str
    result: str
    symptom: str


def told_repairs(facts: Facts) -> tuple[Told, ...]:
    """The repairs of the record; of a run that did not come to an end those of its log."""
    unit = text(facts.model.get("unit"), "round")
    made = objects(facts.record.get("repairs"))
    return tuple(_recorded(one, unit) for one in made) or tuple(_logged(one, unit) for one in facts.log.repairs)


def _recorded(made: Mapping[str, JsonValue], unit: str) -> Told:
    after = mapping(made.get("after"))
    back = f"; training went back to {unit} {whole(after.get('rounds')) or 0:,}" if made.get("back") else ""
    return Told(
        when=f"{unit} {whole(made.get('rounds')) or 0:,}",
        seen=text(made.get("what"), text(made.get("symptom"))),
        change=_change(made) + back,
        result="it helped" if made.get("helped") else "it was not enough",
        symptom=text(made.get("symptom")),
    )


def _change(made: Mapping[str, JsonValue]) -> str:
    values, action = mapping(made.get("values")), text(made.get("action"))
    rows = values.get("rows")
    if action == "learning_rate":
        return _rates(made) or f"the learning rate was multiplied by {values.get('factor')}"
    if action == "num_workers":
        before = mapping(made.get("before")).get("num_workers")
        return f"rows are gathered by {values.get('num_workers')} threads in place of {before}"
    if action == "precision":
        before = mapping(made.get("before")).get("precision")
        return f"matrix products are computed in {values.get('precision')} in place of {before}"
    if action == "halve_batch":
        return _smaller_passes(values, mapping(made.get("proof")))
    if isinstance(rows, list):
        return f"{plural(len(rows), 'training row')} left out (positions {', '.join(str(row) for row in rows)})"
    return f"gradients were scaled down to {amount(finite(values.get('norm')))} at most"


def _smaller_passes(values: Mapping[str, JsonValue], proof: Mapping[str, JsonValue]) -> str:
    """Steps in smaller passes, and whether that is the same training."""
    change = f"steps of {values.get('step_rows')} rows were taken in passes of {values.get('batch_size')}"
    apart = finite(proof.get("difference"))
    if proof.get("equivalent"):
        noise = ", dropout draws other noise of the same kind" if proof.get("noise") else ""
        return f"{change}, with the same gradient (at most {amount(apart)} apart, measured{noise})"
    if norms := whole(proof.get("batch_norms")):
        return f"{change}; not the same training: {plural(norms, 'batch norm')} saw fewer rows"
    return f"{change}; not shown to be the same training"


def _rates(made: Mapping[str, JsonValue]) -> str:
    before, after = (finite(mapping(made.get(key)).get("learning_rate")) for key in ("before", "after"))
    return "" if before is None or after is None else f"the learning rate went from {before:g} to {after:g}"


def _logged(made: Mapping[str, JsonValue], unit: str) -> Told:
    action = text(made.get("action")).replace("_", " ")
    symptom = text(made.get("symptom"))
    return Told(
        when=f"{unit} {whole(made.get('step')) or 0:,}",
        seen=symptom.removeprefix("doctor.").replace("_", " "),
        change=_rates(made) or f"changed: {action}",
        result="",
        symptom=symptom,
    )
