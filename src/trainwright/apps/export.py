"""``trainwright export``: a finished run's model in other formats, each with its proof."""

from collections.abc import Mapping
from typing import Annotated

import typer

from trainwright.apps import words
from trainwright.apps.answer import Answer, JsonFlag, RunPath, TrustFlag, examples
from trainwright.apps.failures import say_findings
from trainwright.apps.screen import Screen
from trainwright.core.jsonable import JsonValue

_FINDINGS_SHOWN = 8


def export_command(
    run: RunPath,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT,...", help="Formats, such as onnx or onnx,torchscript.")],
    trust_code: TrustFlag = False,
    json: JsonFlag = False,
) -> Answer:
    """Export the model of a finished run, with proof.

    Each export is loaded by its own runtime, and must predict what the model predicts.
    """
    from trainwright import pipeline

    names = tuple(dict.fromkeys(name.strip() for name in to.split(",") if name.strip()))
    result = pipeline.export(run, names, trust_code=trust_code)

    def render(screen: Screen) -> None:
        say_findings(screen, [f for one in result.made for f in one.findings], limit=_FINDINGS_SHOWN)
        for one in result.made:
            screen.say(
                ("✓ ", "green"), (str(result.run / result.artifacts[one.name]), "bold"), f"  {_facts(one.entry)}"
            )

    return Answer(value=result.to_json(), render=render)


def _facts(entry: Mapping[str, JsonValue]) -> str:
    """The proof in one line."""
    rows, latency = entry.get("rows"), entry.get("latency")
    together = rows.get("together") if isinstance(rows, Mapping) else None
    said = f"{words.number(together)} rows, largest difference {words.number(entry.get('largest_difference'))}"
    one = latency.get("one_row_s") if isinstance(latency, Mapping) else None
    return said + (f", one row {one * 1000:.2f} ms" if isinstance(one, float) else "")


COMMANDS = (
    (
        export_command,
        examples(
            "trainwright export runs/churn-20261123-0712-a1b2 --to onnx",
            "trainwright export runs/churn-20261123-0712-a1b2 --to onnx,booster --json",
        ),
    ),
)
