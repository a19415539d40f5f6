"""PyTorch: networks trained by a loop of our own.

The folder, from the question to the answer: `problem` (what is asked), `building` (the network), `batches` (its rows),
`order` and `feed` (in which order, in passes of how many), `step` with `losses`, `optimizers` and `schedules` (one
update), `parts` (all that is built once), `course` (what repairs made of the rate), `session` (the training), `saved`,
`predictions`, `files`; `full` and `equivalence` for memory that has no room for a step.
Modules below this one import torch; this one does not, until a training is opened or a model loaded.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.core.packages import needs_package
from trainwright.core.plan import ModelPlan
from trainwright.core.tasks import Task
from trainwright.engines.contract import Capabilities, InGraph, Job, ResumeKind, ResumePolicy
from trainwright.engines.torch.recipe import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from trainwright.core.findings import Finding
    from trainwright.data.onnx_graph import Graph
    from trainwright.doctor.gradients import Gradients
    from trainwright.engines.contract import Experiment, Model, Session, Table

CAPABILITIES = Capabilities(
    tasks=frozenset(Task),
    devices=("cpu", "cuda", "mps"),
    exports=("native", "onnx", "torch_export", "torchscript"),
    extra="torch",
    training_keys=KEYS | {"distributed"},
    repairs=("learning_rate", "clip_norm", "skip_rows", "halve_batch", "precision", "num_workers"),
)

EXPERIMENTS = (
    "forward_backward",
    "output_shape",
    "finite_output",
    "initial_loss",
    "batch_size_independence",
    "no_leak_between_rows",
    "no_look_ahead",
    "gradients_flow",
    "gradients_finite",
    "gradients_alive",
    "overfit_batch",
    "loader_speed",
)
"""Experiments on an untrained network, which `sanity` makes."""


def version() -> str:
    """The library and its version."""
    _need_torch()
    import torch

    return f"torch {torch.__version__}"


def resume_policy(plan: ModelPlan, rows: int, columns: int) -> ResumePolicy:
    """The whole state is saved: weights, optimiser, averages, schedule, position."""
    why = (
        "order, augmentation and dropout are functions of the seed and the position, and the rest is saved; "
        "on a GPU this holds with training.deterministic"
    )
    return ResumePolicy(kind=ResumeKind.STATE, exact=True, why=why)


def open(job: Job) -> "Session":
    """Start a training."""
    _need_torch()
    from trainwright.engines.torch.session import TorchSession

    return TorchSession(job)


def load(folder: Path) -> "Model":
    """Read what `export` wrote; it predicts on the CPU.

    Raises:
        ArtifactRefused: damaged, of another engine, or Python code of whoever trained it (`load_code` runs that).
    """
    _need_torch()
    from trainwright.engines.torch.model import load_model

    return load_model(folder)


def load_code(folder: Path) -> "Model":
    """Read what `export` wrote of a user's own network, which runs the code in ``model.json``: only where trusted.

    Raises:
        ArtifactRefused: damaged, or of another engine.
    """
    _need_torch()
    from trainwright.engines.torch.model import load_model

    return load_model(folder, trust_code=True)


def scoring_module(folder: Path, *, trust_code: bool) -> "nn.Module":
    """See `trainwright.engines.contract.GivesModule`."""
    _need_torch()
    from trainwright.engines.torch import model

    return model.scoring_module(folder, trust_code=trust_code)


def add_to_graph(folder: Path, graph: "Graph", X: str, *, trust_code: bool) -> InGraph:
    """See `trainwright.engines.contract.EntersGraph`."""
    _need_torch()
    from trainwright.engines.torch.graph import add

    return InGraph(output=add(folder, graph, X, trust_code=trust_code), precision="float32")


def choose_threads(job: Job, cores: int) -> "tuple[int, Finding]":
    """The number of threads that trains this job fastest on the CPU, measured, and what was seen."""
    _need_torch()
    from trainwright.engines.torch.threads import choose

    return choose(job, cores)


def choose_device(wanted: str) -> "tuple[str, Finding | None]":
    """See `trainwright.engines.contract.ChoosesDevice`."""
    _need_torch()
    from trainwright.engines.torch.device import choose

    return choose(wanted)


def sanity(job: Job) -> "list[Experiment]":
    """See `trainwright.engines.contract.Experiments`."""
    _need_torch()
    from trainwright.engines.torch.experiments.examine import examine

    return examine(job)


def gradients(folder: Path, rows: "Table", *, trust_code: bool = False) -> "Gradients":
    """See `trainwright.engines.contract.ShowsGradients`."""
    _need_torch()
    from trainwright.engines.torch.layer_gradients import of_model

    return of_model(folder, rows, trust_code=trust_code)


def gradients_of_module(
    network: object, inputs: object, targets: object, loss: "Callable[[Any, Any], Any]"
) -> "Gradients":
    """See `trainwright.pipeline.check_gradients`."""
    _need_torch()
    from trainwright.engines.torch.layer_gradients import of_module

    return of_module(network, inputs, targets, loss)  # type: ignore[arg-type]  # it looks at what it was given


def _need_torch() -> None:
    with needs_package("torch", CAPABILITIES.extra):
        import torch  # noqa: F401
    with needs_package("safetensors", CAPABILITIES.extra):
        import safetensors  # noqa: F401
