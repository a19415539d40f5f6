"""``trainwright verify``: the bytes of a run against their hashes, and the run against a repetition."""

from pathlib import Path
from typing import Annotated

import typer

from trainwright.apps import progress, words
from trainwright.apps.answer import Answer, JsonFlag, QuietFlag, TrustFlag, examples, surroundings
from trainwright.apps.failures import say_findings
from trainwright.apps.screen import Screen

_FINDINGS_SHOWN = 8


def verify_command(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a handoff folder alone.")],
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train again from resolved.yaml, and compare bit for bit.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Keep the repetition's run folder here.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="PUB", help="A public key (PEM) that must have signed the manifest.")
    ] = None,
    sign: Annotated[
        Path | None, typer.Option("--sign", metavar="KEY", help="Sign the manifest with this private key (PEM).")
    ] = None,
    trust_code: TrustFlag = False,
    quiet: QuietFlag = False,
    json: JsonFlag = False,
) -> Answer:
    """Prove every file of a run by its hash.

    With --retrain it trains again, and compares the result bit for bit.

    Exit 6 names each file that differs; exit 7: no manifest, a damaged record, or a signature that does not hold.
    """
    from trainwright import pipeline

    with progress.shown(surroundings(context).progress, quiet=quiet or not retrain) as listener:
        result = pipeline.verify(
            run, retrain=retrain, out=out, key=key, sign=sign, trust_code=trust_code, listener=listener
        )

    def render(screen: Screen) -> None:
        say_findings(screen, result.findings, limit=_FINDINGS_SHOWN)
        elsewhere = f"; {result.elsewhere:,} more of the run are not in this folder" if result.elsewhere else ""
        screen.say(("✓ ", "green"), f"{words.count(result.files, 'file')} are what was recorded{elsewhere}")
        if result.signed_by is not None:
            screen.say(("✓ ", "green"), f"signed by {result.signed_by}")
        if result.retrain is not None:
            said = f"trained again: {words.count(result.retrain.files, 'file')} of model and predictions are equal"
            screen.say(("✓ ", "green"), f"{said}. {result.retrain.notes}")
            if result.retrain.run is not None:
                screen.say(("  repetition  ", "dim"), str(result.retrain.run))
        if result.signed_with is not None:
            screen.say(("✓ ", "green"), f"signed with the key {result.signed_with}")

    return Answer(value=result.to_json(), render=render)


COMMANDS = (
    (
        verify_command,
        examples(
            "trainwright verify runs/churn-20261123-0712-a1b2",
            "trainwright verify runs/churn-20261123-0712-a1b2 --retrain",
            "trainwright verify handoff --key signer.pub.pem",
        ),
    ),
)
