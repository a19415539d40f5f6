"""All documents of a run, from its folder alone."""

from collections.abc import Callable
from pathlib import Path

from trainwright.core.findings import Finding
from trainwright.report import handoff, model_card, training_report
from trainwright.report.facts import Facts, gather
from trainwright.report.figures import draw
from trainwright.report.page import document
from trainwright.run.files import write_text

RENDERED: dict[str, Callable[[Facts], str]] = {
    "report.md": training_report.render,
    "model_card.md": model_card.render,
}
"""Documents that are one Markdown text each: file name -> renderer."""


def write_documents(run: Path) -> tuple[Finding, ...]:
    """Draw the figures, write report, model card and page, then the hand-off over everything.

    Returns what went wrong without costing a document (a figure, a sample).

    Raises:
        ArtifactRefused: there is no run in the folder, or a file of it is damaged.
        ResourceMissing: the disk is full or the folder cannot be written.
    """
    drawn = draw(gather(run), run / "plots")
    facts = gather(run)  # again: documents link the figures that are there now
    for name, render in RENDERED.items():
        write_text(run / name, render(facts))
    page = document.build(facts)
    write_text(run / "report.html", page.html)
    return (*drawn.findings, *page.findings, *handoff.write(run, facts))
