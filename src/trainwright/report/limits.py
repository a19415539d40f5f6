"""What a run does not show: limitations for the model card, open questions for the evaluator."""

import re

from trainwright.core.findings import Severity
from trainwright.report.distributions import compared_parts, moved_columns, named_columns, small_groups
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.markdown import escape
from trainwright.report.reading import mapping, text
from trainwright.report.reliability import calibration_error
from trainwright.report.words import amount, metric_label, plural, sentence

_FEW_ROWS = 50  # assumption: below 50 rows a share has a standard error of up to 0.07, too wide to judge a class
_SMALL_PART = 200  # assumption: below that an AUC or a share moves by several points between draws
_OFF = 0.05  # assumption: probabilities that are 5 points off on average change decisions
_MOST_NAMED = 8

_PROTECTED = frozenset(
    [
        "sex",
        "gender",
        "race",
        "ethnic",
        "ethnicity",
        "age",
        "religion",
        "nationality",
        "country",
        "disability",
        "disabled",
        "marital",
        "marriage",
        "pregnant",
        "pregnancy",
        "orientation",
        "birth",
        "dob",
        "birthdate",
        "zip",
        "zipcode",
        "postcode",
        "postal",
        "language",
        "caste",
        "veteran",
        "immigrant",
        "citizenship",
        "married",
        "relationship",
        "senior",
    ]
)
"""Words in column names that point to people's protected traits or close stand-ins for them.

After the protected classes of EU Directive 2000/43 and 2000/78 and the US Equal Credit Opportunity Act; an aid for the
reader, not a complete list.
"""


def protected_columns(facts: Facts) -> tuple[str, ...]:
    """Columns (the target aside) whose names point to a protected trait."""
    found = []
    for column in facts.columns:
        parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", column.name)
        words = {p.lower() for p in parts} | {column.name.lower()}
        if column.role != "target" and words & _PROTECTED:
            found.append(column.name)
    return tuple(found)


def rare_classes(facts: Facts) -> tuple[tuple[str, int], ...]:
    """Classes with too few held-out rows to be judged: (class, rows), fewest first."""
    held = facts.held_out()
    if held is None or not facts.classes:
        return ()
    counts = [(name, int((held.y == code).sum())) for code, name in enumerate(facts.classes)]
    return tuple(sorted((c for c in counts if c[1] < _FEW_ROWS), key=lambda c: (c[1], c[0])))


def well_calibrated(facts: Facts) -> bool | None:
    """Whether probabilities can be used as they are; None where they were not judged."""
    error = calibration_error(facts)
    return None if error is None else error <= _OFF


def limitations(facts: Facts) -> tuple[str, ...]:
    """Known limitations as Markdown sentences, the gravest first; each comes from a fact of the run."""
    found = [*_score_limits(facts), *_data_limits(facts), *_check_limits(facts)]
    warnings = [f for f in facts.findings if f.severity is not Severity.INFO and not _said_elsewhere(f.code, facts)]
    found += [escape(f.sentence()) for f in warnings]
    columns = protected_columns(facts)
    if columns:
        found.append(f"Not tested by group: no score was computed by {_named(columns)}.")
    split = mapping(mapping(facts.record.get("data")).get("split"))
    strategy = text(split.get("strategy"), "unknown")
    found.append(
        f"Scores hold for rows like those of the given data (split: {escape(strategy)}); other sources were not tested."
    )
    return tuple(found)


def _said_elsewhere(code: str, facts: Facts) -> bool:
    return code in ("baseline.not_beaten", "fit.overfit") or (code == "doctor.overfitting" and _wide_gap(facts))


def _wide_gap(facts: Facts) -> bool:
    return facts.gap is not None and facts.gap.verdict == "Concerning"


def _score_limits(facts: Facts) -> list[str]:
    found = []
    if facts.losing:
        names = ", ".join(escape(b.name) for b in facts.losing)
        found.append(f"**Does not beat the baseline {names}** on validation rows.")
    if facts.gap is not None and _wide_gap(facts):
        found.append(
            f"The gap from training to validation is large: {amount(facts.gap.gap)} {metric_label(facts.gap.metric)}."
        )
    error = calibration_error(facts)
    if error is not None and error > _OFF:
        found.append(
            f"Probabilities are off by {error:.1%} on average on {_held(facts)}; calibrate before using them as such."
        )
    if facts.metric("val") is None:
        found.append(f"The run is {text(facts.record.get('status'), 'unfinished')}: no model was delivered.")
    elif facts.metric("test") is None:
        found.append("There were no test rows: the validation score chose the model and is somewhat hopeful.")
    if text(facts.model.get("stopped_by")) == "time_budget":
        found.append("The time budget ended training, so another machine may give another model.")
    return found


def _data_limits(facts: Facts) -> list[str]:
    found = []
    rare = rare_classes(facts)
    if rare:
        shown = ", ".join(f"{escape(name)} ({count})" for name, count in rare[:_MOST_NAMED])
        more = f" and {len(rare) - _MOST_NAMED} more" if len(rare) > _MOST_NAMED else ""
        found.append(f"Too few held-out rows (fewer than {_FEW_ROWS}) to judge these classes: {shown}{more}.")
    for part in ("val", "test"):
        rows = facts.rows(part)
        if rows is not None and rows < _SMALL_PART:
            found.append(f"{PART_NAMES[part]} scores rest on {plural(rows, 'row')} only.")
    return found


def _check_limits(facts: Facts) -> list[str]:
    found = []
    lifted = [c.name for c in facts.checks if c.lifted]
    unknown = [c.name for c in facts.checks if c.verdict == "not checked"]
    if lifted:
        found.append(f"The spec lifted these checks: {_named(lifted)}.")
    if unknown:
        found.append(f"Not checked before training (which is not the same as clean): {_named(unknown)}.")
    return found


def open_questions(facts: Facts) -> tuple[str, ...]:
    """What the next stage should look at first, as Markdown sentences."""
    found = [*_bias_questions(facts), *_calibration_questions(facts), *_drift_questions(facts)]
    if facts.gap is not None and facts.gap.gap is not None:
        size = f"the gap of {amount(facts.gap.gap)} {metric_label(facts.gap.metric)} between training and validation"
        found.append(f"Overfitting: {size} is {facts.gap.verdict.lower()} by the rule above; is it so on fresh rows?")
    doubts = [c for c in facts.checks if c.verdict in ("warning", "leak", "not checked") or c.lifted]
    found += [
        f"Check {escape(c.name)} ({escape(c.verdict)}{', lifted' if c.lifted else ''}): {escape(sentence(c.saw))}"
        for c in doubts[:_MOST_NAMED]
    ]
    return tuple(found)


def _bias_questions(facts: Facts) -> list[str]:
    found = []
    columns = protected_columns(facts)
    if columns:
        compared = "scores, error rates and calibration" if facts.classes else "scores and mean errors"
        found.append(f"Bias: compare {compared} by {_named(columns)}; none was computed by group here.")
    else:
        found.append(
            "Bias: no column name points to a protected trait; ask for group labels, or look for close stand-ins."
        )
    if rare := rare_classes(facts):
        shown = ", ".join(f"{escape(n)} ({plural(c, 'row')})" for n, c in rare[:_MOST_NAMED])
        found.append(f"Rare classes: how good is the model for {shown}? So few held-out rows hardly say.")
    groups = small_groups(facts, columns or named_columns(facts), fewer_than=_FEW_ROWS)
    if groups:
        shown = ", ".join(
            f"{escape(g.column)} = {escape(g.value)} ({plural(g.rows, 'row')})" for g in groups[:_MOST_NAMED]
        )
        more = f" and {len(groups) - _MOST_NAMED} more" if len(groups) > _MOST_NAMED else ""
        found.append(
            f"Groups with fewer than {_FEW_ROWS} held-out rows: {shown}{more}. Scores by these groups need more rows."
        )
    return found


def _calibration_questions(facts: Facts) -> list[str]:
    if (error := calibration_error(facts)) is None:
        return []
    state = "needs work" if error > _OFF else "looks usable"
    return [f"Calibration {state} (off by {error:.1%} on average on {_held(facts)}): does it hold by group?"]


def _drift_questions(facts: Facts) -> list[str]:
    """Columns that moved between the parts, by count or by a check; "nothing seen" only where somebody looked."""
    found = [
        f"Drift: {escape(one.column)} is distributed otherwise in the {PART_NAMES[one.part].lower()} rows than in "
        f"training (PSI {one.drift.psi:.2f}, {one.drift.verdict}): is the split like the use, and which part is?"
        for one in moved_columns(facts)[:_MOST_NAMED]
    ]
    told = [f for f in facts.findings if "drift" in f.code or "schema" in f.code]
    found += [f"Drift: {escape(f.sentence())}" for f in told[:_MOST_NAMED]]
    if found:
        return found
    parts = " and ".join(PART_NAMES[part].lower() for part in compared_parts(facts))
    seen = (
        f"no column of the {parts} rows moved against training (PSI below 0.1 or within chance)"
        if parts
        else "the held-out rows were too few to be compared with training, or were not counted"
    )
    return [f"Drift: {seen}; rows made later than the data were not seen."]


def _held(facts: Facts) -> str:
    """``test rows``: those that calibration was judged on."""
    held = facts.held_out()
    return f"{PART_NAMES[held.part].lower() if held else 'held-out'} rows"


def _named(names: "tuple[str, ...] | list[str]") -> str:
    shown = ", ".join(escape(n) for n in names[:_MOST_NAMED])
    return f"{shown} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else shown
