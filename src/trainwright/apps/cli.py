"""The ``trainwright`` command: reads the arguments, runs one command, prints its answer, returns its exit code."""

import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from trainwright import __version__
from trainwright.apps import (
    check,
    diagnose,
    documents,
    export,
    failures,
    init,
    language,
    predict,
    search_worker,
    serve,
    train,
    verify,
)
from trainwright.apps.answer import Answer, Surroundings
from trainwright.apps.failures import Failure
from trainwright.apps.screen import Screen, stdout_kept_clean
from trainwright.core.errors import EXIT_INTERRUPTED, TrainwrightError
from trainwright.core.jsonable import JsonValue, to_json

_HELP = "Spec in, trustworthy trained model out."
_EPILOG = (
    "Start here:\n\n"
    "trainwright init data.csv --target churned -o churn.yaml\n\n"
    "trainwright train churn.yaml\n\n"
    "Exit codes: 0 done; 2 spec or usage; 3 data refused; 4 checks failed; 5 training failed; 6 verification failed; "
    "7 artifact refused; 8 resource missing; 75 stopped, resumable; 130 interrupted, resumable."
)


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code.

    Standard output gets the answer, standard error gets errors; with ``--json`` either is one object on standard
    output, and progress goes to standard error.
    """
    own = list(arguments)[: list(arguments).index("--")] if "--" in arguments else list(arguments)
    helping = not arguments or not {"--help", "-h", "--version"}.isdisjoint(own)
    as_json = "--json" in own and not helping
    if as_json:
        with stdout_kept_clean():
            outcome = _outcome(arguments, as_json=True, debug="--debug" in own)
    else:
        outcome = _outcome(arguments or ["--help"], as_json=False, debug="--debug" in own)
    return _tell(outcome, as_json=as_json)


def make_app(*, rich_help: bool) -> typer.Typer:
    """All commands. Help is drawn by Rich on a terminal and is plain text elsewhere (and costs 0.06 s less)."""
    app = typer.Typer(
        help=_HELP,
        epilog=_EPILOG,
        add_completion=False,
        rich_markup_mode="rich" if rich_help else None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_root)
    for module in (init, check, train, search_worker, verify, predict, export, serve, diagnose, documents, language):
        for command, epilog in module.COMMANDS:
            name = command.__name__.removesuffix("_command").replace("_", "-")
            app.command(name, epilog=epilog)(command)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"trainwright {__version__}")
        raise typer.Exit


def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an internal error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Options of the command itself; `run` reads ``--debug`` from the arguments."""


def _outcome(arguments: Sequence[str], *, as_json: bool, debug: bool) -> Answer | Failure | int:
    progress = Screen(sys.stderr if as_json else sys.stdout)
    command = typer.main.get_command(make_app(rich_help=progress.is_terminal))
    try:
        answer = command.main(
            list(arguments),
            prog_name="trainwright",
            standalone_mode=False,
            obj=Surroundings(progress=progress, json=as_json),
        )
    except TrainwrightError as error:
        return failures.from_error(error)
    except typer.TyperException as error:
        return failures.usage(_usage_message(error))
    except (KeyboardInterrupt, typer.Abort):
        return failures.interrupted()
    except Exception as error:  # noqa: BLE001 - the last line: a traceback must not reach a user
        if debug:
            traceback.print_exception(error)
        return failures.unexpected(error)
    if isinstance(answer, Answer):
        return answer
    code = answer if isinstance(answer, int) else 0
    return failures.interrupted() if code == EXIT_INTERRUPTED else code


def _usage_message(error: typer.TyperException) -> str:
    said = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "trainwright"
    return f"{said}{'' if said.endswith(('.', '?', ')')) else '.'} See `{path} --help`."


def _tell(outcome: Answer | Failure | int, *, as_json: bool) -> int:
    if isinstance(outcome, int):
        return outcome
    if as_json:
        value: Mapping[str, JsonValue] = outcome.value if isinstance(outcome, Answer) else outcome.to_json()
        Screen(sys.stdout).raw(json.dumps(to_json(value), allow_nan=False) + "\n")
    else:
        outcome.render(Screen(sys.stdout if isinstance(outcome, Answer) else sys.stderr))
    return outcome.exit_code
