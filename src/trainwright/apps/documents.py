"""``trainwright report``, ``compare`` and ``runs``: what run folders say, without training anything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from trainwright.apps import table, words
from trainwright.apps.answer import Answer, JsonFlag, RunPath, examples
from trainwright.apps.failures import say_findings
from trainwright.apps.screen import Screen
from trainwright.core.jsonable import JsonValue
from trainwright.run.result import RunResult

_FINDINGS_SHOWN = 8


def report_command(run: RunPath, json: JsonFlag = False) -> Answer:
    """Write the documents of a run again, from its folder."""
    from trainwright import pipeline

    result = pipeline.report(run)

    def render(screen: Screen) -> None:
        say_findings(screen, result.findings, limit=_FINDINGS_SHOWN)
        for path in result.paths:
            screen.say(("✓ ", "green"), str(path))

    return Answer(value=result.to_json(), render=render)


def compare_command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Two or more run folders.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the comparison as one HTML page, too.")
    ] = None,
    json: JsonFlag = False,
) -> Answer:
    """Put runs side by side: scores, parameters, data, findings."""
    from trainwright import pipeline

    result = pipeline.compare(runs, html=html)

    def render(screen: Screen) -> None:
        screen.raw(result.markdown().rstrip("\n") + "\n")
        if html is not None:
            screen.say(("✓ ", "green"), str(html))

    return Answer(value={**result.to_json(), "html": None if html is None else str(html)}, render=render)


def runs_command(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that holds the runs.")] = Path("runs"),
    json: JsonFlag = False,
) -> Answer:
    """List the runs of a folder, newest first."""
    from trainwright import pipeline

    result = pipeline.runs(root)

    def render(screen: Screen) -> None:
        if not result.rows:
            screen.say(f"no runs in {root}")
        table.render([_row(r) for r in result.rows], screen)

    return Answer(value=result.to_json(), render=render)


def _row(run: RunResult) -> Mapping[str, JsonValue]:
    model = run.record.get("model")
    score = f"{run.primary['name']} {words.number(run.primary.get('value'))}" if "name" in run.primary else None
    seconds = run.seconds.get("total")
    return {
        "run": str(run.run),
        "status": run.status,
        "family": model.get("family") if isinstance(model, Mapping) else None,
        "val": score,
        "took": None if seconds is None else words.duration(seconds),
        "created": run.record.get("created"),
    }


COMMANDS = (
    (report_command, examples("trainwright report runs/churn-20261123-0712-a1b2")),
    (
        compare_command,
        examples(
            "trainwright compare runs/churn-20261123-0712-a1b2 runs/churn-20261123-0730-c3d4",
            "trainwright compare runs/churn-* --html compare.html",
        ),
    ),
    (runs_command, examples("trainwright runs", "trainwright runs experiments/may --json")),
)
