"""``trainwright predict``: score new rows with a finished run."""

from pathlib import Path
from typing import Annotated

import typer

from trainwright.apps import progress
from trainwright.apps.answer import Answer, JsonFlag, TrustFlag, examples, surroundings
from trainwright.apps.failures import say_findings
from trainwright.apps.screen import Screen

_FINDINGS_SHOWN = 8


def predict_command(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a handoff folder alone.")],
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="Rows or images to score, in any format that can be trained on.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help=".csv, .parquet or .jsonl; else CSV goes to the screen."),
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option("--interval", metavar="LEVEL", help="Of a regression: the ends of intervals, such as 0.9."),
    ] = None,
    trust_code: TrustFlag = False,
    json: JsonFlag = False,
) -> Answer:
    """Score new rows: one prediction a row, in their order.

    Columns are matched by name against those of training: missing ones and other kinds are refused, extra ones and
    unseen categories are counted, drift is told. Files of any size are read block by block. With --interval 0.9 the
    columns lower and upper hold the target of nine rows in ten, as far as new rows are like the held-out ones.
    """
    from trainwright import pipeline

    around = surroundings(context)
    # without a file the predictions themselves are the output, so nothing else may be on it
    with progress.shown(around.progress, quiet=out is None) as listener:
        result = pipeline.predict(run, data, out=out, interval=interval, trust_code=trust_code, listener=listener)

    def render(screen: Screen) -> None:
        if result.path is None:
            screen.raw(result.frame.to_csv(index=False))
            return
        say_findings(screen, result.findings, limit=_FINDINGS_SHOWN)
        screen.say(("✓ ", "green"), f"{result.rows:,} predictions in ", (str(result.path), "bold"))

    return Answer(value=result.to_json(), render=render)


COMMANDS = (
    (
        predict_command,
        examples(
            "trainwright predict runs/churn-20261123-0712-a1b2 new.csv -o scored.csv",
            "trainwright predict runs/churn-20261123-0712-a1b2 new.csv | head",
            "trainwright predict runs/price-20261123-0712-a1b2 new.csv --interval 0.9 -o scored.parquet",
        ),
    ),
)
