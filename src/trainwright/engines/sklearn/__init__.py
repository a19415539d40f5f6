"""The engine for estimators of scikit-learn: one fit, blocks of rounds by warm start, or epochs by partial_fit."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import ModelPlan
from trainwright.core.tasks import TABLE_TASKS
from trainwright.engines.contract import Capabilities, InGraph, Job, Model, ResumeKind, ResumePolicy, Session

if TYPE_CHECKING:
    from trainwright.data.onnx_graph import Graph
    from trainwright.engines.sklearn._predict import FittedModel

CAPABILITIES = Capabilities(
    tasks=TABLE_TASKS,
    devices=("cpu",),
    exports=("native", "joblib", "onnx"),
    extra="",
    training_keys=frozenset(),
    repairs=(),
)


def version() -> str:
    """The framework and its version."""
    import sklearn

    return f"scikit-learn {sklearn.__version__}"


def resume_policy(plan: ModelPlan, rows: int, columns: int) -> ResumePolicy:
    """How this configuration resumes; exact in every one (tested for each style)."""
    if plan.unit == "fit":
        why = "one call of fit: it is finished, or done again with the same seed, which gives the same bytes"
        return ResumePolicy(kind=ResumeKind.REPLAY, exact=True, why=why)
    if plan.unit == "epoch":
        why = "partial_fit on the reloaded estimator; the order of rows is a function of (seed, epoch)"
    elif plan.unit == "tree":
        why = "warm_start on the reloaded forest; the seed of tree k does not depend on when it is grown"
    else:
        why = "warm_start on the reloaded estimator, which holds its trees and its random state"
    return ResumePolicy(kind=ResumeKind.WARM_START, exact=True, why=why)


def open(job: Job) -> Session:
    """Start a training.

    Raises:
        SpecError: the plan names no estimator of scikit-learn.
        DataRefused: the training rows hold one class only.
    """
    from trainwright.engines.sklearn import _session
    from trainwright.engines.sklearn._blocks import BlockSession, ForestSession, HistBoostingSession
    from trainwright.engines.sklearn._epochs import EpochSession
    from trainwright.engines.sklearn._estimators import Style, recipe

    styles: dict[Style, type[_session.Session]] = {
        Style.FIT: _session.Session,
        Style.FOREST: ForestSession,
        Style.HIST_BOOSTING: HistBoostingSession,
        Style.BOOSTING: BlockSession,
        Style.EPOCHS: EpochSession,
    }
    return styles[recipe(job.plan).style](job)


def load(folder: Path) -> Model:
    """Read what `Session.export` wrote.

    Raises:
        ArtifactRefused: the folder is damaged, of another engine, or holds a type that is not trusted.
    """
    return _read(folder)


def add_to_graph(folder: Path, graph: "Graph", X: str, *, trust_code: bool) -> InGraph:
    """See `trainwright.engines.contract.EntersGraph`."""
    from trainwright.engines._graphs.sklearn import add_to_graph as add

    read = _read(folder)
    return add(read.estimator, read.form, graph, X)


def estimator(folder: Path) -> tuple[object, Mapping[str, JsonValue]]:
    """See `trainwright.engines.contract.GivesEstimator`."""
    read = _read(folder)
    form = read.form.to_json()
    return read.estimator, {name: form[name] for name in ("num_classes", "center", "scale")}


def _read(folder: Path) -> "FittedModel":
    from trainwright.engines.sklearn._archive import read_estimator, read_json
    from trainwright.engines.sklearn._estimators import Style
    from trainwright.engines.sklearn._predict import FittedModel, Form
    from trainwright.engines.sklearn._session import MODEL_FILE, STATE_FILE

    described = read_json(folder / MODEL_FILE)
    form = described.get("form")
    if described.get("engine") != "sklearn" or not isinstance(form, dict):
        raise ArtifactRefused(
            f"{folder.name} is not a model of the sklearn engine. Load it with the engine that wrote it."
        )
    if described.get("version") != version():
        raise ArtifactRefused(
            f"the model in {folder.name} was written by {described.get('version')}, this is {version()}; scikit-learn "
            "promises nothing across versions. Install that version, or train again."
        )
    try:
        read = Form(
            style=Style(form["style"]),
            num_classes=int(form["num_classes"]),
            threads=int(form["threads"]),
            features=int(form["features"]),
            center=float(form["center"]),
            scale=float(form["scale"]),
        )
    except (KeyError, ValueError, TypeError) as problem:
        raise ArtifactRefused(
            f"{MODEL_FILE} of {folder.name} is damaged: {problem}. Restore it from a copy."
        ) from problem
    return FittedModel(read_estimator(folder / STATE_FILE), read)
