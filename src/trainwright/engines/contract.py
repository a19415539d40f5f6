"""What an engine module provides. `trainwright.engines.testing` holds this as a test suite.

An engine is one module with these names::

    CAPABILITIES: Capabilities
    def version() -> str                              # "lightgbm 4.7.0"; raises ResourceMissing without the package
    def resume_policy(plan: ModelPlan, rows: int, columns: int) -> ResumePolicy
    def open(job: Job) -> Session
    def load(folder: Path) -> Model                   # what Session.export wrote

More is optional: ``choose_threads(job, cores) -> (int, Finding)`` measures how many threads train a job fastest,
`ChoosesDevice` settles ``device: auto``, `Experiments` tries an untrained model, `ShowsGradients` looks into a trained
one; and for exports `EntersGraph` (ONNX), `GivesModule` (PyTorch's own formats), `GivesNativeFile` (the library's own
file) and `GivesEstimator` (joblib).

The session yields, the driver decides: a session never stops early, never evaluates, never writes except where told.
It imports its framework inside functions.
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import ModelPlan
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.doctor.gradients import Gradients
from trainwright.engines.repairs import Repair

if TYPE_CHECKING:
    import numpy as np
    import scipy.sparse
    from torch import nn

    from trainwright.data.onnx_graph import Graph

    Matrix: TypeAlias = np.ndarray | scipy.sparse.csr_matrix
    Floats: TypeAlias = np.ndarray


class ResumeKind(StrEnum):
    """How training goes on after a stop (measured per library, see docs/lessons.md)."""

    STATE = "state"  # the whole state is saved and restored
    INIT_MODEL = "init_model"  # the library continues from its own model file
    SNAPSHOT = "snapshot"  # the library's snapshot file
    WARM_START = "warm_start"  # scikit-learn warm_start or partial_fit on the reloaded estimator
    CHUNKS = "chunks"  # trained in chunks with seed = f(seed, chunk); a resume starts at a chunk
    REPLAY = "replay"  # short: trained again from round 0, which gives the same bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePolicy:
    """How this configuration resumes, whether the result is bit-exact, and why."""

    kind: ResumeKind
    exact: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an engine can do.

    ``training_keys`` are the keys of the spec's ``training`` section that have an effect here, beyond those every
    engine honours (framework, device, time_budget, metric, early_stopping, rounds, threads, class_weight).
    """

    tasks: frozenset[Task]
    devices: tuple[str, ...]
    exports: tuple[str, ...]
    extra: str  # the optional dependency that brings the framework; "" when the core has it
    training_keys: frozenset[str] = frozenset()
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows ready for a model.

    ``X``: shape (rows, features), float32 or float64, or CSR; NaN marks a missing value where the plan's feature style
    keeps them. In the styles ``image``, ``tokens``, ``language`` and ``array`` an array as `FeatureStyle` describes it.
    ``y``: float64 values, or int64 class codes 0..C-1. ``weight``: float64 above zero, or None.
    """

    X: "Matrix"
    y: "np.ndarray"
    weight: "np.ndarray | None" = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything a session needs.

    ``categorical`` lists the columns of ``X`` that hold category codes. ``category_sizes`` gives their number of known
    categories. ``vocabulary`` is the number of token ids in the styles ``tokens`` and ``language`` (0 is padding, 1
    what the vocabulary does not know). ``threads`` is exact, not a hint: it is part of the result. ``workdir`` is a
    private scratch folder. ``shared`` is there where several jobs have the same rows: an engine keeps in it, under a
    key of its own, what it makes of the rows whatever the parameters (binned data), and finds it there again.
    """

    task: Task
    num_classes: int
    plan: ModelPlan
    train: Table
    val: Table | None
    feature_names: tuple[str, ...]
    categorical: tuple[int, ...]
    category_sizes: tuple[int, ...]
    seeds: Seeds
    threads: int
    device: str
    workdir: Path
    vocabulary: int = 0
    shared: MutableMapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A block of training that was just done.

    ``rounds``: whole rounds (trees, epochs) done in total; ``step``: steps done in the round that has begun, 0 where
    ``whole``. A unit that ends inside a round is not evaluated, but may be saved and stopped at. ``seconds``: the
    engine's time for this unit. ``values``: numbers the framework computed anyway, finite or not. ``curves``: per-round
    values inside the unit (``val_loss``). ``statistics``: layer -> name -> value, the last ones taken in the unit.
    ``steps``: the optimiser's steps since the beginning, 0 without any; ``step_losses``: those of this unit's steps.
    """

    rounds: int
    seconds: float
    values: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    whole: bool = True
    step: int = 0
    statistics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    steps: int = 0
    step_losses: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What the trained model is: for reports.

    ``num_parameters`` are trained numbers (coefficients; leaves and thresholds of trees). ``importance`` maps feature
    names to a non-negative share that sums to one, or is empty where the model has none. ``batch_size`` are the rows
    of a step, ``pass_rows`` those of one forward pass of it, ``precision`` what matrix products are computed in.
    """

    num_parameters: int
    parameters_kind: str
    optimizer: str
    learning_rate: float | None
    batch_size: int | None
    pass_rows: int | None = None
    precision: str = ""
    importance: Mapping[str, float] = field(default_factory=dict)
    importance_kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What one experiment on an untrained model came to.

    ``passed`` is None where it could not be made, and ``saw`` then says why. Where it failed, ``what`` is wrong and
    ``fix`` says what to look at; ``severity`` is that of the failure.
    """

    name: str
    passed: bool | None
    saw: str
    what: str = ""
    fix: str = ""
    severity: Severity = Severity.ERROR
    seconds: float = 0.0


@runtime_checkable
class Experiments(Protocol):
    """An engine whose untrained models can be tried. Every experiment is a check of its own, which a spec may lift."""

    EXPERIMENTS: tuple[str, ...]
    """All names, in the order they are made."""

    def sanity(self, job: Job) -> Sequence[Experiment]:
        """Make those that mean something for this job; a model of usual size takes a few seconds.

        Raises:
            SpecError, ResourceMissing: there is no model to try: the spec is wrong, or memory or a device is missing.
        """
        ...


@runtime_checkable
class ShowsGradients(Protocol):
    """An engine whose models have layers with gradients."""

    def gradients(self, folder: Path, rows: Table, *, trust_code: bool = False) -> Gradients:
        """Those of a model that `Session.export` wrote, for one batch: all ``rows``. Nothing is trained.

        Raises:
            ArtifactRefused: the model is damaged, or code that is not trusted.
        """
        ...


@runtime_checkable
class ChoosesDevice(Protocol):
    """An engine that trains on more than the CPU."""

    def choose_device(self, wanted: str) -> tuple[str, Finding | None]:
        """The device of that name, or the best one here for ``auto``, which is said.

        Raises:
            SpecError: it is not there; the message says why.
        """
        ...


class Model(Protocol):
    """A trained model that only predicts."""

    def predict(self, X: "Matrix") -> "Floats":
        """Shape (rows, classes) of probabilities, float64, rows summing to one; or (rows,) of values, float64."""
        ...


@runtime_checkable
class Continues(Protocol):
    """A trained language model that can also say what comes next."""

    def next_token(self, ids: "np.ndarray") -> "Floats":
        """The probability of each token after ids of shape (L,), L from 1 (longer ones are read from their end):
        (vocabulary,) float64."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InGraph:
    """A model in an ONNX graph: the name of its predictions (float64, as `Model.predict` gives them).

    ``precision``: the narrowest type in which the model or the graph adds up.
    """

    output: str
    precision: Literal["float32", "float64"]


@runtime_checkable
class EntersGraph(Protocol):
    """An engine whose models can be part of an ONNX graph."""

    def add_to_graph(self, folder: Path, graph: "Graph", X: str, *, trust_code: bool) -> InGraph:
        """Add the model that `Session.export` wrote; ``X`` names the matrix of its rows, of any float type.

        Raises:
            CannotExport: this model has no equal in ONNX; the graph may then hold loose parts.
            ArtifactRefused: as the engine's ``load``.
        """
        ...


@runtime_checkable
class GivesModule(Protocol):
    """An engine whose models are PyTorch modules."""

    def scoring_module(self, folder: Path, *, trust_code: bool) -> "nn.Module":
        """The model that `Session.export` wrote, as a module on the CPU that takes rows as its features give them and
        gives predictions as `Model.predict` does, both as tensors. It has no part that depends on the number of rows.

        Raises:
            CannotExport: this model cannot be such a module.
            ArtifactRefused: as the engine's ``load``.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeFile:
    """A model file that the engine's library loads by itself.

    ``package`` is the module's name, ``file`` the file. ``about`` is what turns the library's answer into predictions:
    ``task``, ``categorical``, ``sparse``, ``link``.
    """

    package: str
    file: Path
    about: Mapping[str, JsonValue]


@runtime_checkable
class GivesNativeFile(Protocol):
    """An engine whose native model is a file of its library."""

    def native_file(self, folder: Path) -> NativeFile:
        """The file among what `Session.export` wrote; held against its hash.

        Raises:
            ArtifactRefused: damaged, or of another engine.
        """
        ...


@runtime_checkable
class GivesEstimator(Protocol):
    """An engine whose models are scikit-learn estimators."""

    def estimator(self, folder: Path) -> tuple[object, Mapping[str, JsonValue]]:
        """The fitted estimator that `Session.export` wrote, and the form of its predictions: ``num_classes`` (0 for a
        regression), ``center`` and ``scale``.

        Raises:
            ArtifactRefused: as the engine's ``load``.
        """
        ...


@runtime_checkable
class Tells(Protocol):
    """A session that has something to say beside its units: a choice it made, a fallback it took."""

    def findings(self) -> Sequence[Finding]:
        """All findings so far, in order."""
        ...


@runtime_checkable
class Snapshots(Protocol):
    """A session whose state can be written while it trains on."""

    def state_bytes(self) -> int:
        """About how much `Session.save` writes."""
        ...

    def snapshot(self) -> Callable[[Path], None]:
        """Copy the state to host memory now; the result writes what `Session.save` would have written, on any thread.
        It takes up nothing of the session."""
        ...


def findings_of(session: "Session") -> tuple[Finding, ...]:
    """What a session has found; nothing where it has no such method."""
    return tuple(session.findings()) if isinstance(session, Tells) else ()


class Beginning(Protocol):
    """A training that has not begun, to be saved: what a repair goes back to where nothing good was reached."""

    def save(self, folder: Path) -> None:
        """See `Session.save`."""
        ...

    def close(self) -> None:
        """See `Session.close`."""
        ...


class Session(Protocol):
    """One training in progress."""

    keeps_every_round: bool
    """Whether any earlier round can be predicted from and exported (boosters): the driver keeps no copy of the best."""

    keeps_predictions: bool
    """Whether `predict_part` goes on from kept scores (boosters), so that it costs little at any number of rows."""

    def units(self) -> Iterator[Unit]:
        """Train on from the present position, a unit at a time, until the plan's rounds are done.

        How many rounds make a unit is a function of the job alone (never of measured time).
        """
        ...

    def predict_part(self, part: Literal["train", "val"]) -> "Floats":
        """Predictions for the job's own rows at the present round; uses what the framework has cached."""
        ...

    def predict(self, X: "Matrix", *, rounds: int | None = None) -> "Floats":
        """Predictions for other rows, from the first ``rounds`` rounds (default: all). See `Model.predict` for shapes.

        Raises:
            ValueError: ``rounds`` is given and the session does not keep every round.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write everything that `restore` needs into an existing empty folder. No pickle."""
        ...

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote, exactly where the policy says so.

        Raises:
            ArtifactRefused: the folder does not hold a state of this engine and configuration.
        """
        ...

    def export(self, folder: Path, *, rounds: int | None = None) -> None:
        """Write the model for prediction into an existing empty folder: native files and ``model.json``. No pickle."""
        ...

    def facts(self, *, rounds: int | None = None) -> ModelFacts:
        """What the model is at that round."""
        ...

    def apply(self, repair: Repair) -> None:
        """Change course.

        Raises:
            ValueError: the engine has no such repair.
        """
        ...

    def close(self) -> None:
        """Free native memory and scratch files; may be called twice."""
        ...
