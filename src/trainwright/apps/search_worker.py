"""``trainwright search-worker``: a helping hand in a search that several machines share."""

from pathlib import Path
from typing import Annotated

import typer

from trainwright.apps import words
from trainwright.apps.answer import Answer, JsonFlag, TrustFlag, examples
from trainwright.apps.screen import Screen


def search_worker_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of the run that searches.")],
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads a trial; the run's own number by default.")
    ] = None,
    trust_code: TrustFlag = False,
    json: JsonFlag = False,
) -> Answer:
    """Help a run with its search, also from other machines.

    Trains trials of a run whose spec has hyperparameter_search.storage, until its search is over.
    """
    from trainwright import pipeline

    result = pipeline.search_worker(run, threads=threads, trust_code=trust_code)

    def render(screen: Screen) -> None:
        told = ", ".join(f"{count} {state}" for state, count in result.states.items()) or "none was left"
        screen.say(("✓ ", "green"), f"{words.count(sum(result.states.values()), 'trial')}: {told}")

    return Answer(value=result.to_json(), render=render)


COMMANDS = (
    (
        search_worker_command,
        examples(
            "trainwright search-worker runs/churn-20261123-0712-a1b2",
            "trainwright search-worker /mnt/shared/runs/churn-20261123-0712-a1b2 --threads 8",
        ),
    ),
)
