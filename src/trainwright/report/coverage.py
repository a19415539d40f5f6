"""Prediction intervals in words: what they are made of, and how they held on test rows."""

from trainwright.report.facts import Facts
from trainwright.report.reading import finite, mapping, text, whole
from trainwright.report.words import amount, plural

_SOURCES = {"val": "validation row", "oof": "out-of-fold row"}


def falls_short(facts: Facts) -> bool:
    """Whether test rows were covered less than chance explains."""
    return any(f.code == "intervals.coverage" for f in facts.findings)


def interval_words(facts: Facts) -> str:
    """A few sentences, as Markdown; empty where the run has no intervals."""
    stored = mapping(facts.record.get("prediction_intervals"))
    level, rows = finite(stored.get("level")), whole(stored.get("rows"))
    if level is None or rows is None:
        return ""
    made_of = plural(rows, _SOURCES.get(text(stored.get("source")), "row"))
    if stored.get("possible") is not True:
        return (
            f"{level:.0%} prediction intervals need {whole(stored.get('rows_needed'))} rows, and there are {made_of}."
        )
    words = f"{_held(stored.get('coverage'), level)} They are made of the errors on {made_of}."
    unlike = text(stored.get("unlike"))
    return words + (f" Their promise is for rows alike: {unlike}." if unlike else "")


def _held(stored: object, level: float) -> str:
    found = mapping(stored if isinstance(stored, dict) else None)
    share, rows = finite(found.get("share")), whole(found.get("rows"))
    if share is None or rows is None:
        return f"{level:.0%} prediction intervals were not measured: there were no test rows."
    below, above = (finite(found.get(side)) or 0.0 for side in ("below", "above"))
    return (
        f"{level:.0%} prediction intervals hold the target of {share:.1%} of {plural(rows, 'test row')} "
        f"({below:.1%} lie below, {above:.1%} above) and are {amount(finite(found.get('width')))} wide."
    )
