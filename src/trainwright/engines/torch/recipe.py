"""How a network is trained: every choice of the loop as one value, read from ``ModelPlan.options["recipe"]``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, get_args

from trainwright.core.errors import SpecError
from trainwright.core.jsonable import JsonValue

OptimizerName: TypeAlias = Literal["adamw", "adam", "sgd", "muon", "schedule_free_adamw"]
ScheduleName: TypeAlias = Literal["constant", "cosine", "linear", "one_cycle", "wsd", "plateau", "coslog4"]
LossName: TypeAlias = Literal["auto", "cross_entropy", "focal", "mse", "mae", "huber", "quantile", "poisson"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]
Placement: TypeAlias = Literal["auto", "device", "stream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """The update rule. ``lr`` may be ``auto``: a range test on the first batches decides, and says so."""

    name: OptimizerName = "adamw"
    lr: float | Literal["auto"] = 1e-3
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum: float = 0.9  # sgd and muon only
    nesterov: bool = True  # sgd and muon only


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The learning rate over a training. ``warmup`` and ``decay`` are shares of all steps in [0, 1]."""

    name: ScheduleName = "constant"
    warmup: float = 0.0
    final: float = 0.0  # the last rate as a share of the highest (cosine, linear, wsd)
    decay: float = 0.2  # wsd: the share of steps in the last, falling part
    patience: int = 10  # plateau: epochs without progress of the validation loss
    factor: float = 0.1  # plateau: what the rate is multiplied with


@dataclass(frozen=True, slots=True, kw_only=True)
class Augment:
    """Changes of training images, drawn per (seed, epoch, row): the same whatever the batch or worker."""

    flip: bool = False
    crop: int = 0  # pixels of reflected padding a random crop moves in
    brightness: float = 0.0
    contrast: float = 0.0
    cutout: int = 0  # side of a square set to the mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides how a network is trained, beside its seed, data, device and threads.

    ``batch_size`` is the number of rows of one forward pass; ``accumulate`` passes make one step. ``statistics_every``
    counts steps between per-layer gradient statistics (0: never). ``checkpoint_steps`` is the number of steps in a
    unit: an epoch longer than that is handed over in several (0: chosen by the engine from the job alone).
    """

    batch_size: int | Literal["auto"] = 256
    optimizer: Optimizer = field(default_factory=Optimizer)
    scheduler: Schedule = field(default_factory=Schedule)
    loss: LossName = "auto"
    label_smoothing: float = 0.0
    quantile: float = 0.5
    precision: Precision = "auto"
    clip_norm: float | None = None
    accumulate: int = 1
    ema: float | None = None
    compile: bool = False
    channels_last: bool = False
    activation_checkpointing: bool = False
    num_workers: int = 0
    data_on: Placement = "auto"
    deterministic: bool = True
    statistics_every: int = 50
    checkpoint_steps: int = 0
    augment: Augment = field(default_factory=Augment)

    def to_json(self) -> dict[str, JsonValue]:
        """The form `recipe_from` reads back."""
        return _plain(self)


def recipe_from(values: Mapping[str, JsonValue]) -> Recipe:
    """Read a recipe; what is not given has its default.

    Raises:
        SpecError: a key that does not exist.
    """
    read = _read(Recipe, values, "")
    assert isinstance(read, Recipe)
    return read


_PARTS: Mapping[str, type] = {"optimizer": Optimizer, "scheduler": Schedule, "augment": Augment}


def _read(cls: type[Any], values: Mapping[str, JsonValue], where: str) -> Any:
    known = {f.name for f in fields(cls)}
    if unknown := sorted(set(values) - known):
        raise SpecError(f"the recipe has no {where}{unknown[0]}. Known: {', '.join(sorted(known))}.")
    read: dict[str, Any] = {}
    for name, value in values.items():
        if cls is Recipe and name in _PARTS:
            assert isinstance(value, Mapping), f"{name} is a mapping"
            read[name] = _read(_PARTS[name], value, f"{name}.")
        else:
            read[name] = tuple(value) if isinstance(value, list) else value
    return cls(**read)


def _plain(value: Any) -> dict[str, JsonValue]:
    plain: dict[str, JsonValue] = {}
    for f in fields(value):
        one = getattr(value, f.name)
        plain[f.name] = _plain(one) if f.name in _PARTS else list(one) if isinstance(one, tuple) else one
    return plain


OPTIMIZERS: tuple[str, ...] = get_args(OptimizerName)
SCHEDULES: tuple[str, ...] = get_args(ScheduleName)
LOSSES: tuple[str, ...] = get_args(LossName)
PRECISIONS: tuple[str, ...] = get_args(Precision)
KEYS: frozenset[str] = frozenset(f.name for f in fields(Recipe))
"""The keys of the spec's ``training`` section that a recipe reads."""
