"""The stage that trains baselines, and what they say of the model that is trained after them."""

from typing import TYPE_CHECKING

from trainwright.core.amounts import amount
from trainwright.core.findings import Finding, Severity
from trainwright.core.metrics import compute
from trainwright.data.pixels import THUMBNAIL
from trainwright.fit.baselines import Baseline, beats, train_baseline
from trainwright.fit.driver import Fitted
from trainwright.fit.jobs import Prepared
from trainwright.fit.plan import Plan, load_family
from trainwright.run.files import read_json, write_json
from trainwright.stages.work import Work

if TYPE_CHECKING:
    from trainwright.data.dataset import Dataset

_BASELINES_SHARE = 0.15  # assumption: baselines may take at most this share of what remains of a budget


def train_baselines(work: Work, dataset: "Dataset", plan: Plan) -> list[Baseline]:
    """Train what the spec names under ``baselines`` on the same split; results go to ``baselines.json``."""
    path = work.folder.path / "baselines.json"
    if work.is_done("baselines", path):
        stored = read_json(path)["baselines"]
        assert isinstance(stored, list)
        return [Baseline(name=str(b["name"]), rows=int(b["rows"]), val=float(b["val"])) for b in stored]
    trained: list[Baseline] = []
    with work.stage("baselines"):
        names = work.loaded.spec.baselines
        for number, name in enumerate(names):
            result = train_baseline(
                name,
                dataset,
                plan,
                work.folder.path / "baselines" / name,
                scratch=work.folder.scratch / f"baseline-{name}",
                seeds=work.seeds.child("baseline"),
                recorder=work.recorder,
                stop=work.stop,
                deadline_s=work.share_of_time(_BASELINES_SHARE / (len(names) - number)),
            )
            if isinstance(result, Finding):
                work.add([result])
            else:
                trained.append(result)
            work.stop.raise_if_requested()
        work.add(_on_thumbnails(plan, trained))
        write_json(path, {"metric": plan.primary.name, "baselines": trained})
    return trained


def _on_thumbnails(plan: Plan, trained: list[Baseline]) -> list[Finding]:
    """Say that baselines of a model of images saw less than it does."""
    looked = [b.name for b in trained if b.name != "dummy" and load_family(b.name).FEATURES != "image"]
    if plan.model.features != "image" or not looked:
        return []
    return [
        Finding(
            code="baseline.thumbnails",
            severity=Severity.INFO,
            where="baselines",
            what=f"{', '.join(looked)} saw thumbnails of {THUMBNAIL} x {THUMBNAIL} pixels, as they take tables",
            why="Their scores are what colour and layout alone are worth.",
        )
    ]


def simpler_family(
    work: Work, dataset: "Dataset", prepared: Prepared, plan: Plan, fitted: Fitted, baselines: list[Baseline]
) -> str | None:
    """With ``model_type: auto``, the baseline that beats the trained model on validation rows, if one does.

    Who leaves the choice to us never gets a model that a simpler one beats. Validation decides, as everywhere.
    """
    if work.loaded.spec.architecture.model_type != "auto" or work.keeps_folds or not baselines:
        return None
    assert prepared.job.val is not None
    val = compute(plan.primary, dataset.val.y, fitted.predict(prepared.job.val.X), weight=dataset.val.weight)
    best = (max if plan.primary.higher_is_better else min)(baselines, key=lambda b: b.val)
    if best.name == "dummy" or not beats(plan.primary, best.val, val):
        return None
    work.add(
        [
            Finding(
                code="plan.simpler_chosen",
                severity=Severity.WARNING,
                where="architecture.model_type",
                what=f"{best.name} was chosen over {plan.model.family}: {plan.primary.name} {amount(best.val)} against "
                f"{amount(val)} on validation rows",
                why="with model_type: auto the simplest model that nothing beats is delivered",
                fix=f"Write architecture.model_type: {plan.model.family} to have that one all the same",
                evidence={"chosen": best.val, "left": val},
            )
        ]
    )
    return best.name


def baseline_findings(plan: Plan, val: float, baselines: list[Baseline]) -> list[Finding]:
    """One warning for every baseline the model does not beat."""
    return [
        Finding(
            code="baseline.not_beaten",
            severity=Severity.WARNING,
            where=f"baselines: {b.name}",
            what=f"the model does not beat {b.name}: {plan.primary.name} {amount(val)} against {amount(b.val)} on "
            "validation rows",
            why="what the model adds is not worth its cost, or the features carry no signal",
            fix="Use the baseline, or give the model better features or more rows",
            evidence={"model": val, "baseline": b.val},
        )
        for b in baselines
        if not beats(plan.primary, val, b.val)
    ]
