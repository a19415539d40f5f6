"""``trainwright check``: everything that can be known before any training."""

from typing import TYPE_CHECKING

import typer

from trainwright.apps import progress, words
from trainwright.apps.answer import Answer, JsonFlag, Overrides, QuietFlag, SpecPath, TrustFlag, examples, surroundings
from trainwright.apps.failures import say_findings
from trainwright.apps.screen import Screen

if TYPE_CHECKING:
    from trainwright.checks.contract import CheckResult

_FINDINGS_SHOWN = 20
_MARKS = {
    "ok": ("✓ ", "green"),
    "clean": ("✓ ", "green"),
    "warning": ("! ", "yellow"),
    "leak": ("✗ ", "bold red"),
    "failed": ("✗ ", "bold red"),
    "not checked": ("? ", "yellow"),
}


def check_command(
    context: typer.Context,
    spec: SpecPath,
    override: Overrides = None,
    trust_code: TrustFlag = False,
    quiet: QuietFlag = False,
    json: JsonFlag = False,
) -> Answer:
    """Check spec, data and model before spending any money.

    Trains nothing, writes nothing.
    """
    from trainwright import pipeline

    with progress.shown(surroundings(context).progress, quiet=quiet) as listener:
        report = pipeline.check(spec, overrides=tuple(override or ()), trust_code=trust_code, listener=listener)

    def render(screen: Screen) -> None:
        screen.say()
        for check in report.checks:
            _say_check(check, screen)
        say_findings(screen, report.findings, limit=_FINDINGS_SHOWN)
        if report.forecast_s is not None:
            screen.say(("  forecast  ", "dim"), f"about {words.duration(report.forecast_s)} of training")
        screen.say(("  next  ", "dim"), (f"trainwright train {spec}", "cyan"))

    return Answer(value=report.to_json(), render=render)


def _say_check(check: "CheckResult", screen: Screen) -> None:
    mark = _MARKS[check.verdict.value]
    lifted = " (lifted by the spec)" if check.lifted else ""
    screen.say("  ", mark, check.name, (f"  {check.verdict.value}{lifted}", mark[1]), (f"  {check.saw}", "dim"))


COMMANDS = ((check_command, examples("trainwright check churn.yaml", "trainwright check churn.yaml -o seed=7 --json")),)
