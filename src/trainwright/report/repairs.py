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
    values = mapping(made.get("values"))
    rows = values.get("rows")
    if text(made.get("action")) == "learning_rate":
        rates = _rates(made)
        return rates or f"the learning rate was multiplied by {values.get('factor')}"
    if isinstance(rows, list):
        return f"{plural(len(rows), 'training row')} left out (positions {', '.join(str(row) for row in rows)})"
    return f"gradients were scaled down to {amount(finite(values.get('norm')))} at most"


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
