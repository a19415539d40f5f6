"""``trainwright diagnose``: the doctor on any training log."""

import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from trainwright.apps import blocks, table, words
from trainwright.apps.answer import Answer, JsonFlag, TrustFlag, examples
from trainwright.apps.screen import Screen
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue

if TYPE_CHECKING:
    from trainwright.doctor.gradients import Gradients
    from trainwright.doctor.history import History
    from trainwright.stages.diagnosing import Diagnosis

_MARKS = {Severity.ERROR: ("✗ ", "bold red"), Severity.WARNING: ("! ", "yellow"), Severity.INFO: ("· ", "dim")}
_EVIDENCE_SHOWN = 6  # assumption: more is for the JSON


def diagnose_command(
    log: Annotated[
        str,
        typer.Argument(
            metavar="LOG",
            help="A run folder or its training_log.jsonl, a CSV, TensorBoard events, trainer_state.json, a Keras "
            "history, JSON lines, a run of MLflow (folder or sqlite:///FILE), or what a training printed.",
        ),
    ],
    run: Annotated[str, typer.Option("--run", metavar="ID", help="Which run of a store of MLflow.")] = "",
    gradients: Annotated[
        bool,
        typer.Option("--gradients", help="Of a run of a network: the gradients of one batch, layer by layer."),
    ] = False,
    trust_code: TrustFlag = False,
    json: JsonFlag = False,
) -> Answer:
    """Say what is wrong with a training, from its log.

    Exit code 0 when the log could be read, whatever was found; 2 when there is no such log; 7 when it is damaged or of
    no known kind.
    """
    from trainwright import pipeline

    result = pipeline.diagnose(log, run=run, gradients=gradients, trust_code=trust_code)
    return Answer(value=result.to_json(), render=lambda screen: _render(result, screen))


def _render(result: "Diagnosis", screen: Screen) -> None:
    read = result.log
    screen.say((str(read.path), "bold"), f"  {read.format}")
    for line in _curves(read.history, read.axis, screen):
        screen.say(f"  {line}")
    screen.say()
    if result.gradients is not None:
        _say_gradients(result.gradients, screen)
    for finding in result.findings:
        _say_finding(finding, screen)
    if not result.findings:
        screen.say("  ", ("✓ ", "green"), "no symptom was found in what this log shows")
    for note in read.notes:
        screen.say("  ", ("· ", "dim"), note.sentence(), (f"  [{note.code}]", "dim"))
    if result.plot is not None:
        screen.say(("  plot  ", "dim"), str(result.plot))


def _say_gradients(gradients: "Gradients", screen: Screen) -> None:
    rows: list[Mapping[str, JsonValue]] = [
        {
            "layer": g.layer,
            "mean": f"{g.mean:.2e}",
            "std": f"{g.std:.2e}",
            "min": f"{g.min:.2e}",
            "max": f"{g.max:.2e}",
            "norm": f"{g.norm:.2e}",
            "zeros": f"{g.zero_share:.1%}",
            "verdict": g.verdict.value,
        }
        for g in gradients.layers
    ]
    screen.say((f"Gradients of {words.count(gradients.rows, 'row')}, loss {words.number(gradients.loss)}", "bold"))
    table.render(rows, screen)
    screen.say()


def _curves(history: "History", axis: str, screen: Screen) -> list[str]:
    """The loss; where a log has none, its first metric."""
    names = [n for n in ("train_loss", "val_loss") if n in history.series]
    if not names:
        metrics = [n for n in history.series if n.startswith(("train.", "val."))]
        shown = metrics[0].split(".", 1)[1] if metrics else ""
        names = [n for n in (f"train.{shown}", f"val.{shown}") if n in history.series]
    lines = [blocks.Line(name.replace("_loss", " loss").replace(".", " "), history.of(name)) for name in names]
    if not lines:
        return []
    width = shutil.get_terminal_size((80, 24)).columns - 3
    second = lines[1] if len(lines) > 1 else None
    return blocks.draw(lines[0], second, axis=axis, width=width, unicode=screen.can_write("░█▓│"))


def _say_finding(finding: Finding, screen: Screen) -> None:
    mark = _MARKS[finding.severity]
    screen.say("  ", mark, (finding.what[:1].upper() + finding.what[1:], "bold"), (f"  [{finding.code}]", "dim"))
    for label, text in (("likely", finding.why), ("do", finding.fix), ("seen", _evidence(finding))):
        if text:
            screen.say((f"      {label:<8}", "dim"), text)


def _evidence(finding: Finding) -> str:
    plain: dict[str, JsonValue] = {
        k: v for k, v in finding.evidence.items() if isinstance(v, bool | int | float | str) and v != ""
    }
    return words.facts(dict(list(plain.items())[:_EVIDENCE_SHOWN]))


COMMANDS = (
    (
        diagnose_command,
        examples(
            "trainwright diagnose runs/churn-20261123-0712-a1b2",
            "trainwright diagnose lightning_logs/version_3/metrics.csv",
            "trainwright diagnose sqlite:///mlflow.db --run 5f0c --json",
            "python train.py | tee train.log; trainwright diagnose train.log",
        ),
    ),
)
