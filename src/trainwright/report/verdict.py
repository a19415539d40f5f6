"""Four questions a reader asks first, answered from the facts by fixed rules (docs/report.md lists them)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from trainwright.core.findings import Severity
from trainwright.report.coverage import falls_short, interval_words
from trainwright.report.facts import CheckFact, Facts
from trainwright.report.limits import well_calibrated
from trainwright.report.markdown import escape
from trainwright.report.observations import across_folds, against_baselines, against_test, lead, overfitting
from trainwright.report.reading import items, mapping, text
from trainwright.report.reliability import calibration_error
from trainwright.report.repairs import told_repairs
from trainwright.report.words import plural

_DOUBTS = 3  # in the answer; the section has all
_TIMES = {1: "once", 2: "twice"}
_NAMED = 4  # names in a sentence; the tables have all


class State(IntEnum):
    """How an answer turned out; a larger one is worse."""

    GOOD = 0
    CAUTION = 1
    BAD = 2

    @property
    def word(self) -> str:
        """``good``, ``caution`` or ``bad``."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One thing that was looked at: what it is, how it turned out, a Markdown sentence, and the file it is from.

    ``doubt`` names in a few words what is not as it should be.
    """

    topic: str
    state: State
    sentence: str
    source: str
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A question with its answer in a few words."""

    question: str
    state: State
    answer: str
    anchor: str


def answers(facts: Facts) -> tuple[Answer, ...]:
    """Is it good, can it be trusted, what was wrong, what was repaired."""
    return (_good(facts), _trusted(facts), _wrong(facts), _repaired(facts))


def _good(facts: Facts) -> Answer:
    state, words = State.GOOD, "Yes: better than every baseline"
    if facts.metric("val") is None:
        state, words = State.BAD, "No score: the run did not come that far"
    elif facts.losing:
        state, words = State.BAD, f"No: {_names([b.name for b in facts.losing])} is at least as good"
    elif not any(b.val is not None for b in facts.baselines):
        state, words = State.CAUTION, "Unknown: no baseline was trained"
    elif lead(facts) is False:
        state, words = State.CAUTION, "Perhaps: the lead over the best baseline may be chance"
    return Answer(question="Is the model good?", state=state, answer=words, anchor="good")


def _trusted(facts: Facts) -> Answer:
    points = trust(facts)
    worst = max((p.state for p in points), default=State.CAUTION)
    doubts = [_doubt(verdict, names) for verdict, names in _doubtful(facts.checks).items()]
    doubts += (p.doubt for p in points if p.doubt and p.state is not State.GOOD)
    words = "Yes: no check, gap or interval speaks against it"
    if not points:
        words = "Unknown: there is nothing to judge by"
    elif doubts:
        words = f"{'No' if worst is State.BAD else 'With care'}: {'; '.join(doubts[:_DOUBTS])}"
        words += f"; and {len(doubts) - _DOUBTS} more" if len(doubts) > _DOUBTS else ""
    return Answer(question="Can I trust it?", state=worst, answer=words, anchor="trust")


def _doubt(verdict: str, names: str) -> str:
    """``future values not checked``, but ``leak: target leakage``."""
    return f"{names} not checked" if verdict == "not checked" else f"{verdict}: {names}"


def _wrong(facts: Facts) -> Answer:
    counts = {s: sum(f.severity is s for f in facts.findings) for s in Severity}
    told = [
        plural(n, noun)
        for s, noun in ((Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.INFO, "note"))
        if (n := counts[s])
    ]
    state = State.BAD if counts[Severity.ERROR] else State.CAUTION if counts[Severity.WARNING] else State.GOOD
    return Answer(question="What was wrong?", state=state, answer=", ".join(told) or "Nothing", anchor="findings")


def _repaired(facts: Facts) -> Answer:
    told = told_repairs(facts)
    many = len(told)
    words = plural(many, "repair") if many else "Nothing"
    words += {True: ", which helped", False: ""}[bool(many) and all(one.result == "it helped" for one in told)]
    return Answer(
        question="What was repaired?", state=State.CAUTION if many else State.GOOD, answer=words, anchor="repairs"
    )


def trust(facts: Facts) -> tuple[Point, ...]:
    """What speaks for and against believing the scores, the run's own checks first."""
    found = [
        _checks(facts, "Leaks and data", [c for c in facts.checks if c.group == "data"]),
        _checks(facts, "Model, plan and machine", [c for c in facts.checks if c.group != "data"]),
        _held_out(facts),
        _gap(facts),
        _calibration(facts),
        _intervals(facts),
        _folds(facts),
        _reproducible(facts),
    ]
    return tuple(point for point in found if point is not None)


def _checks(facts: Facts, topic: str, checks: Sequence[CheckFact]) -> Point | None:
    if not checks:
        return None
    doubts = _doubtful(checks)
    fine = sum(c.verdict in ("ok", "clean") for c in checks)
    told = [f"{fine} of {plural(len(checks), 'check')} found nothing"]
    told += [f"**{verdict}**: {names}" for verdict, names in doubts.items()]
    bad = any(c.verdict in ("leak", "failed") for c in checks)
    state = State.BAD if bad else State.CAUTION if doubts else State.GOOD
    sentence = "; ".join(told) + "."
    return Point(topic=topic, state=state, sentence=sentence, source=facts.source("checks"))


def _doubtful(checks: Sequence[CheckFact]) -> dict[str, str]:
    """What checks leave open, by verdict, the gravest first: ``{"leak": "target leakage"}``."""
    by = {v: [c.name for c in checks if c.verdict == v] for v in ("leak", "failed", "warning", "not checked")}
    graded = {
        "leak": by["leak"],
        "failed": by["failed"],
        "lifted by the spec": [c.name for c in checks if c.lifted],
        **by,
    }
    return {verdict: _names(names) for verdict, names in graded.items() if names}


def _held_out(facts: Facts) -> Point | None:
    if facts.metric("val") is None:
        return None
    openings = [text(o) for o in items(facts.record.get("test_openings"))]
    words = _untitled(against_test(facts))
    if facts.metric("test") is not None:
        times = _TIMES.get(len(openings), plural(len(openings), "time"))
        words += f" Test rows were read {times}, after the model was final."
    agree = facts.metric("test") is not None and "do not overlap" not in words
    state = State.GOOD if agree and len(openings) == 1 else State.CAUTION
    source = f"{facts.source('intervals')}; {facts.source('test_openings')}"
    doubt = "test rows disagree with validation" if "do not overlap" in words else "test rows were read again"
    doubt = "no test rows" if facts.metric("test") is None else doubt
    return Point(topic="Held-out rows", state=state, sentence=words, source=source, doubt=doubt)


def _gap(facts: Facts) -> Point | None:
    if facts.gap is None or facts.gap.val is None:
        return None
    state = State.CAUTION if facts.gap.verdict == "Concerning" else State.GOOD
    return Point(
        topic="Overfitting",
        state=state,
        sentence=_untitled(overfitting(facts)),
        source=facts.source("gap"),
        doubt="it overfits",
    )


def _calibration(facts: Facts) -> Point | None:
    error = calibration_error(facts)
    if error is None:
        return None
    good = well_calibrated(facts)
    verdict = "usable as they are" if good else "calibrate before using them as such"
    return Point(
        topic="Probabilities",
        state=State.GOOD if good else State.CAUTION,
        sentence=f"Off by {error:.1%} on average on held-out rows (calibration error): {verdict}.",
        source=facts.source("metrics"),
        doubt="probabilities are off",
    )


def _intervals(facts: Facts) -> Point | None:
    words = interval_words(facts)
    if not words:
        return None
    stored = mapping(facts.record.get("prediction_intervals"))
    doubt = "" if mapping(stored.get("coverage")) else "prediction intervals are not measured"
    doubt = "prediction intervals fall short on test rows" if falls_short(facts) else doubt
    return Point(
        topic="Prediction intervals",
        state=State.CAUTION if doubt else State.GOOD,
        sentence=words,
        source=facts.source("prediction_intervals"),
        doubt=doubt,
    )


def _folds(facts: Facts) -> Point | None:
    words = across_folds(facts)
    if not words:
        return None
    return Point(
        topic="Cross-validation", state=State.GOOD, sentence=_untitled(words), source=facts.source("cross_validation")
    )


def _reproducible(facts: Facts) -> Point | None:
    found = mapping(facts.record.get("determinism"))
    level = text(found.get("level"))
    if not level:
        return None
    state = State.GOOD if level.startswith(("bit", "exact")) else State.CAUTION
    resume = text(mapping(found.get("resume")).get("why"))
    words = f"{escape(level[:1].upper() + level[1:])}: {escape(text(found.get('why')))}."
    words += f" A resumed run: {escape(resume)}." if resume else ""
    return Point(
        topic="Reproducibility",
        state=state,
        sentence=words,
        source=facts.source("determinism"),
        doubt="not reproducible to the byte",
    )


def goodness(facts: Facts) -> tuple[str, ...]:
    """What the score is worth, as Markdown sentences."""
    found = (against_baselines(facts), against_test(facts), across_folds(facts))
    return tuple(s for s in found if s) or ("There is no validation score, so there is nothing to judge.",)


def _untitled(sentence: str) -> str:
    """An observation without the bold word it begins with."""
    title, colon, rest = sentence.partition("**: ")
    return rest[:1].upper() + rest[1:] if colon and title.startswith("**") and "**" not in title[2:] else sentence


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(escape(n.replace("_", " ")) for n in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
