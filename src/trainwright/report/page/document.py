"""The page of one run: gathers what the sections show and fills the template."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from trainwright.core.findings import Finding, Severity
from trainwright.report import tables
from trainwright.report.facts import Facts
from trainwright.report.limits import limitations, open_questions
from trainwright.report.markdown import Table
from trainwright.report.observations import convergence, headline, learning_rate
from trainwright.report.page.charts import classes, learning, numbers, search
from trainwright.report.page.charts.chart import Chart
from trainwright.report.page.configuration import configuration
from trainwright.report.page.files import listed_files
from trainwright.report.page.html import render_page
from trainwright.report.page.samples import samples_of
from trainwright.report.page.tiles import tiles
from trainwright.report.reading import mapping, text
from trainwright.report.repairs import told_repairs
from trainwright.report.search import best_words, search_lines, trials_table
from trainwright.report.training_report import environment_facts, samples, setup_facts
from trainwright.report.verdict import answers, goodness, trust

Maker: TypeAlias = Callable[[Facts], Chart | tuple[Chart, ...] | None]
_Made = TypeVar("_Made")

_CHARTS: dict[str, tuple[Maker, ...]] = {
    "good": (learning.standing,),
    "training": (learning.learning_curves,),
    "search": (search.search_history, search.search_importance),
    "performance": (
        classes.confusion, classes.roc, classes.precision_recall, classes.calibration,
        numbers.predicted_vs_actual, numbers.residuals,
    ),
    "data": (classes.shares, numbers.distribution, learning.feature_importance),
}  # fmt: skip
"""The charts of each section; those that do not fit the run are left out."""

_SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.INFO)
_MOST_ROWS = 300
"""Of a table or list on the page, which says so and names the file that has all: a page is to be read, and mailed."""


@dataclass(frozen=True, slots=True)
class Page:
    """The page as text, and charts that could not be drawn."""

    html: str
    findings: tuple[Finding, ...]


def build(facts: Facts) -> Page:
    """The page of a run; a function of the folder's content alone."""
    findings: list[Finding] = []
    charts = {name: _drawn(facts, makers, findings) for name, makers in _CHARTS.items()}
    ordered = sorted(facts.findings, key=lambda f: _SEVERITIES.index(f.severity))
    html = render_page(
        "report.html.j2",
        {
            "facts": facts,
            "status": text(facts.record.get("status"), "unknown"),
            "error": text(mapping(facts.record.get("error")).get("message")),
            "headline": _capital(headline(facts)),
            "tiles": tiles(facts),
            "answers": answers(facts),
            "goodness": goodness(facts),
            "trust": trust(facts),
            "findings": ordered[:_MOST_ROWS],
            "most": _MOST_ROWS,
            "repairs": told_repairs(facts),
            "questions": open_questions(facts),
            "limitations": limitations(facts),
            "observations": (convergence(facts), learning_rate(facts)),
            "charts": charts,
            "tables": _tables(facts),
            "setup": setup_facts(facts),
            "environment": environment_facts(facts),
            "configuration": configuration(facts.run),
            "best_words": best_words(facts),
            "search_lines": search_lines(facts),
            "written": samples(facts),
            "samples": _guarded(samples_of, facts, findings) or (),
            "files": listed_files(facts),
            "source": facts.source,
        },
    )
    return Page(html, tuple(findings))


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _drawn(facts: Facts, makers: tuple[Maker, ...], findings: list[Finding]) -> tuple[Chart, ...]:
    found: list[Chart] = []
    for make in makers:
        made = _guarded(make, facts, findings)
        found += made if isinstance(made, tuple) else [made] if made is not None else []
    return tuple(found)


def _guarded(make: Callable[[Facts], _Made], facts: Facts, findings: list[Finding]) -> _Made | None:
    """What was made; None and a finding where it failed."""
    try:
        return make(facts)
    except Exception as error:  # noqa: BLE001 - a chart of odd data must not cost the page; it becomes a finding
        findings.append(
            Finding(
                code="report.chart_failed",
                severity=Severity.WARNING,
                where=f"report.html ({make.__name__.replace('_', ' ')})",
                what=f"it could not be drawn: {type(error).__name__}: {error}",
                why="the page is complete without it",
                fix="Please report this; `trainwright report` writes the page again",
            )
        )
        return None


def _tables(facts: Facts) -> dict[str, Table | None]:
    parts = tuple(p for p in ("test", "val", "train") if p in facts.metrics)
    folds = facts.cross_validation
    return {
        "metrics": tables.metrics_table(facts, parts, averages=False) if parts else None,
        "baselines": tables.baselines_table(facts) if facts.baselines else None,
        "each_fold": tables.each_fold(facts, folds) if folds else None,
        "over_folds": tables.over_folds(facts, folds, averages=False) if folds else None,
        "classes": tables.classes_table(facts),
        "mistakes": tables.mistakes_table(facts),
        "checks": tables.checks_table(facts) if facts.checks else None,
        "seconds": tables.seconds_table(facts),
        "features": tables.features_table(facts),
        "trials": trials_table(facts) if facts.search else None,
    }
