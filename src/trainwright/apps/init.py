"""``trainwright init``: from a data file to a commented spec."""

from pathlib import Path
from typing import Annotated

import typer

from trainwright.apps.answer import Answer, JsonFlag, examples
from trainwright.apps.failures import say_findings
from trainwright.apps.screen import Screen

_FINDINGS_SHOWN = 12


def init_command(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A table (CSV, Parquet, Arrow, JSONL, NPZ; or a glob), or a folder or zip of images."
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option("--target", "-t", help="The column to predict, or column == 'value'; images have their label."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The spec to write.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing spec.")] = False,
    json: JsonFlag = False,
) -> Answer:
    """Look at the data, and write a commented spec for it."""
    from trainwright import pipeline

    result = pipeline.init(data, target=target, out=out, force=force)

    def render(screen: Screen) -> None:
        say_findings(screen, result.findings, limit=_FINDINGS_SHOWN)
        screen.say(("✓ ", "green"), "wrote ", (str(result.path), "bold"))
        screen.say(("  next  ", "dim"), (f"trainwright train {result.path}", "cyan"))

    return Answer(value=result.to_json(), render=render)


COMMANDS = (
    (
        init_command,
        examples(
            "trainwright init churn.csv --target churned",
            "trainwright init photos.zip",
            "trainwright init stays.parquet --target \"readmitted == '<30'\" -o readmission.yaml",
        ),
    ),
)
