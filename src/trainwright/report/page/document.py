"""The page of one run: gathers what the sections show and fills the template."""

from collections.abc import Callable
from dataclasses import dataclass

from trainwright.core.findings import Finding, Severity
from trainwright.report import tables
from trainwright.report.artifacts import DOCUMENTS, role_of
from trainwright.report.facts import Facts
from trainwright.report.limits import limitations, open_questions
from trainwright.report.markdown import Table
from trainwright.report.observations import convergence, headline, learning_rate
from trainwright.report.page.charts import classes, learning, numbers, search
from trainwright.report.page.charts.chart import Chart
from trainwright.report.page.configuration import configuration
from trainwright.report.page.html import render_page
from trainwright.report.page.tiles import tiles
from trainwright.report.reading import mapping, text
from trainwright.report.search import best_words, search_lines, trials_table
from trainwright.report.training_report import environment_facts, samples, setup_facts
from trainwright.report.verdict import answers, goodness, trust
from trainwright.report.words import size
from trainwright.run.hashes import sha256_file

_CHARTS: dict[str, tuple[Callable[[Facts], Chart | tuple[Chart, ...] | None], ...]] = {
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
_MOST_FILES = 300  # rows of the table of files; the manifest has all
_MOST_COLUMNS = 500  # rows of the table of columns; data/schema.json has all


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
            "headline": headline(facts),
            "tiles": tiles(facts),
            "answers": answers(facts),
            "goodness": goodness(facts),
            "trust": trust(facts),
            "findings": ordered,
            "repairs": facts.log.repairs,
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
            "samples": samples(facts),
            "files": _files(facts),
            "source": facts.source,
        },
    )
    return Page(html, tuple(findings))


def _drawn(
    facts: Facts, makers: tuple[Callable[[Facts], Chart | tuple[Chart, ...] | None], ...], findings: list[Finding]
) -> tuple[Chart, ...]:
    found: list[Chart] = []
    for make in makers:
        try:
            made = make(facts)
        except Exception as error:  # noqa: BLE001 - a chart of odd data must not cost the page; it becomes a finding
            findings.append(_failed(make.__name__, error))
            continue
        found += made if isinstance(made, tuple) else [made] if made is not None else []
    return tuple(found)


def _failed(name: str, error: Exception) -> Finding:
    return Finding(
        code="report.chart_failed",
        severity=Severity.WARNING,
        where=f"report.html ({name.replace('_', ' ')})",
        what=f"the chart could not be drawn: {type(error).__name__}: {error}",
        why="the page is complete without it",
        fix="Please report this; `trainwright report` writes the page again",
    )


def _tables(facts: Facts) -> dict[str, Table | None]:
    parts = tuple(p for p in ("test", "val", "train") if p in facts.metrics)
    folds = facts.cross_validation
    return {
        "metrics": tables.metrics_table(facts, parts) if parts else None,
        "baselines": tables.baselines_table(facts) if facts.baselines else None,
        "each_fold": tables.each_fold(facts, folds) if folds else None,
        "over_folds": tables.over_folds(facts, folds) if folds else None,
        "classes": tables.classes_table(facts),
        "mistakes": tables.mistakes_table(facts),
        "checks": tables.checks_table(facts) if facts.checks else None,
        "seconds": tables.seconds_table(facts),
        "features": tables.features_table(facts, _MOST_COLUMNS),
        "trials": trials_table(facts) if facts.search else None,
    }


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    description: str
    size: str
    sha256: str


def _files(facts: Facts) -> tuple[_File, ...]:
    """Files that are final when the page is written, with their hashes; the hand-off's manifest has all."""
    found = []
    for file in facts.files:
        changing = file.path in ("run.json", "training_log.jsonl")
        if file.path.split("/", 1)[0] in DOCUMENTS:
            continue
        digest = "changes until the run ends" if changing else sha256_file(facts.run / file.path)
        shown = "grows with the run" if changing else size(file.size)
        found.append(_File(file.path, role_of(file.path)[1], shown, digest))
    return tuple(found[:_MOST_FILES])
