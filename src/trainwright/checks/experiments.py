"""Experiments on an untrained model, which its engine makes: each is a check with a name, a verdict and a way out."""

from dataclasses import replace

from trainwright.checks.contract import CheckResult, not_checked, plain_result
from trainwright.core import registry
from trainwright.core.findings import Finding
from trainwright.engines.contract import Experiment, Experiments, Job


def known_experiments() -> dict[str, tuple[str, ...]]:
    """The names of each engine's experiments; engines without any are left out."""
    loaded = {name: registry.load("engines", name) for name in registry.names("engines")}
    return {name: tuple(module.EXPERIMENTS) for name, module in loaded.items() if isinstance(module, Experiments)}


def can_be_tried(job: Job) -> bool:
    """Whether the job's engine makes experiments."""
    return isinstance(registry.load("engines", job.plan.engine), Experiments)


def try_untrained(job: Job) -> list[CheckResult]:
    """Make the experiments that mean something for this job; none where its engine has none.

    Raises:
        SpecError, ResourceMissing: there is no model to try.
    """
    engine = registry.load("engines", job.plan.engine)
    if not isinstance(engine, Experiments):
        return []
    return [_result(job, made) for made in engine.sanity(job)]


def _result(job: Job, made: Experiment) -> CheckResult:
    if made.passed is None:
        return not_checked(made.name, "model", made.saw)
    findings = [] if made.passed else [_finding(job, made)]
    return replace(plain_result(made.name, "model", made.saw, findings), seconds=made.seconds)


def _finding(job: Job, made: Experiment) -> Finding:
    return Finding(
        code=f"model.{made.name}",
        severity=made.severity,
        where=f"model {job.plan.family}",
        what=f"{made.name}: {made.saw}",
        why=made.what,
        fix=made.fix,
        evidence={"experiment": made.name},
    )
