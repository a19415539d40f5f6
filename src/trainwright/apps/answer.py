"""What a command hands to the command line, and the options that several commands share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from trainwright.apps.screen import Screen
from trainwright.core.jsonable import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A command's result: ``value`` is what ``--json`` prints, ``render`` writes the same for people."""

    value: Mapping[str, JsonValue]
    render: Callable[[Screen], None]
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a command may know of the terminal: where progress goes, and whether JSON was asked for."""

    progress: Screen
    json: bool


def surroundings(context: typer.Context) -> Surroundings:
    """The surroundings that `trainwright.apps.cli.run` put into the context."""
    found = context.obj
    assert isinstance(found, Surroundings)
    return found


JsonFlag: TypeAlias = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on standard output.")]
QuietFlag: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; only the result.")]
TrustFlag: TypeAlias = Annotated[
    bool, typer.Option("--trust-code", help="Allow the spec to run Python code it names. Off unless you say so.")
]
Overrides: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("-o", "--override", metavar="KEY=VALUE", help="Change one value: -o training.time_budget=2m"),
]
SpecPath: TypeAlias = Annotated[Path, typer.Argument(metavar="SPEC", help="The spec: a YAML or JSON file.")]
RunPath: TypeAlias = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


def examples(*commands: str) -> str:
    """The end of a command's help: examples that can be copied."""
    return "\n\n".join(["Examples:", *commands])
