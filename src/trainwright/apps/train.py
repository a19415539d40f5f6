"""``trainwright train`` and ``trainwright resume``: the main job, and going on with it."""

from pathlib import Path
from typing import Annotated

import typer

from trainwright.apps import headline, progress
from trainwright.apps.answer import (
    Answer,
    JsonFlag,
    Overrides,
    QuietFlag,
    RunPath,
    SpecPath,
    TrustFlag,
    examples,
    surroundings,
)
from trainwright.run.result import RunResult


def train_command(
    context: typer.Context,
    spec: SpecPath,
    override: Overrides = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where run folders go; else runs/ beside you.")
    ] = None,
    trust_code: TrustFlag = False,
    quiet: QuietFlag = False,
    json: JsonFlag = False,
) -> Answer:
    """Train a model from a spec.

    Checks, trains and evaluates it, and leaves a complete run folder: model, report, model card, hand-off.
    """
    from trainwright import pipeline

    with progress.shown(surroundings(context).progress, quiet=quiet) as listener:
        result = pipeline.train(
            spec, overrides=tuple(override or ()), out=out, trust_code=trust_code, listener=listener
        )
    return _answer(result)


def resume_command(
    context: typer.Context,
    run: RunPath,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, metavar="N", help="Train on with N processes on each machine.")
    ] = None,
    trust_code: TrustFlag = False,
    quiet: QuietFlag = False,
    json: JsonFlag = False,
) -> Answer:
    """Go on with a run that was stopped, killed or preempted."""
    from trainwright import pipeline

    with progress.shown(surroundings(context).progress, quiet=quiet) as listener:
        result = pipeline.resume(run, processes=processes, trust_code=trust_code, listener=listener)
    return _answer(result)


def _answer(result: RunResult) -> Answer:
    return Answer(
        value=result.to_json(),
        render=lambda screen: headline.render(result, screen),
        exit_code=headline.exit_code(result),
    )


COMMANDS = (
    (
        train_command,
        examples(
            "trainwright train churn.yaml",
            "trainwright train churn.yaml -o training.time_budget=2m -o seed=7",
            "trainwright train churn.yaml --json > result.json",
        ),
    ),
    (resume_command, examples("trainwright resume runs/churn-20261123-0712-a1b2")),
)
