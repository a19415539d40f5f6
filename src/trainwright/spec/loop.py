"""The keys of ``training`` that say how a network is trained. None: the family's own choice.

The names are those of `trainwright.engines.torch.recipe`, which reads what is given here over the family's recipe; a
test holds the two together.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StrictBool, StrictFloat, StrictInt, WithJsonSchema

from trainwright.spec.section import AnyCase, Section, lower, validated_by

_Share = Annotated[StrictFloat, Field(ge=0, le=1, allow_inf_nan=False)]
_NotNegative = Annotated[StrictFloat, Field(ge=0, allow_inf_nan=False)]
_Beta = Annotated[StrictFloat, Field(ge=0, lt=1, allow_inf_nan=False)]


def _whole_or_auto(value: object) -> object:
    value = lower(value)
    if value is None or value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f"a whole number above 0 or auto is needed, got {value!r}")


def _rate_or_auto(value: object) -> object:
    value = lower(value)
    if value is None or value == "auto":
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf"):
        return float(value)
    raise ValueError(f"a number above 0 or auto is needed, got {value!r}")


def _named(value: object) -> object:
    """``adamw`` for ``{name: adamw}``."""
    return {"name": value} if isinstance(value, str) else value


WholeOrAuto: TypeAlias = Annotated[
    int | str | None,
    validated_by(_whole_or_auto),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}, {"type": "null"}]}),
]
RateOrAuto: TypeAlias = Annotated[
    float | str | None,
    validated_by(_rate_or_auto),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": "auto"}, {"type": "null"}]}),
]


def _count_or_auto(value: object) -> object:
    checked = _whole_or_auto(value)
    if checked is None:
        raise ValueError("a whole number above 0 or auto is needed, got null")
    return checked


def _by_strategy(value: object) -> object:
    """``ddp`` for ``{strategy: ddp}``."""
    return {"strategy": value} if isinstance(value, str) else value


class Optimizer(Section):
    """The update rule. A name alone is enough: ``optimizer: sgd``."""

    name: Annotated[Literal["adamw", "adam", "sgd", "muon", "schedule_free_adamw"] | None, AnyCase] = Field(
        None, description="The optimizer.", examples=["adamw"]
    )
    lr: RateOrAuto = Field(None, description="The highest learning rate, or auto for a range test.", examples=[0.001])
    weight_decay: _NotNegative | None = Field(None, description="Decoupled weight decay.", examples=[0.01])
    betas: tuple[_Beta, _Beta] | None = Field(None, description="Adam's decay rates.", examples=[[0.9, 0.95]])
    eps: Annotated[StrictFloat, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="Adam's epsilon.", examples=[1e-8]
    )
    momentum: _Beta | None = Field(None, description="For sgd and muon.", examples=[0.9])
    nesterov: StrictBool | None = Field(None, description="For sgd and muon.", examples=[True])


class Scheduler(Section):
    """The learning rate over the training. A name alone is enough: ``scheduler: cosine``."""

    name: Annotated[
        Literal["constant", "cosine", "linear", "one_cycle", "wsd", "plateau", "coslog4"] | None, AnyCase
    ] = Field(None, description="The schedule; wsd is warm-up, stable, decay.", examples=["cosine"])
    warmup: _Share | None = Field(None, description="Share of all steps in which the rate rises.", examples=[0.05])
    final: _Share | None = Field(None, description="The last rate as a share of the highest.", examples=[0.0])
    decay: _Share | None = Field(None, description="wsd: share of steps in the falling part.", examples=[0.2])
    patience: Annotated[StrictInt, Field(gt=0)] | None = Field(
        None, description="plateau: epochs without progress before the rate falls.", examples=[10]
    )
    factor: Annotated[StrictFloat, Field(gt=0, lt=1, allow_inf_nan=False)] | None = Field(
        None, description="plateau: what the rate is multiplied with.", examples=[0.1]
    )


class Augment(Section):
    """Random changes of training images."""

    flip: StrictBool | None = Field(None, description="Mirror left and right.", examples=[True])
    crop: Annotated[StrictInt, Field(ge=0)] | None = Field(
        None, description="Pixels a random crop moves, edges reflected.", examples=[4]
    )
    brightness: _Share | None = Field(None, description="Largest relative change.", examples=[0.2])
    contrast: _Share | None = Field(None, description="Largest relative change.", examples=[0.2])
    cutout: Annotated[StrictInt, Field(ge=0)] | None = Field(
        None, description="Side of an erased square in pixels.", examples=[8]
    )


class Loop(Section):
    """Keys of ``training`` for networks."""

    batch_size: WholeOrAuto = Field(None, description="Rows of one forward pass, or auto.", examples=[256])
    optimizer: Annotated[Optimizer | None, validated_by(_named)] = Field(
        None, description="The update rule: a name, or a mapping.", examples=[{"name": "adamw", "lr": 0.001}]
    )
    scheduler: Annotated[Scheduler | None, validated_by(_named)] = Field(
        None, description="The learning rate over time: a name, or a mapping.", examples=[{"name": "cosine"}]
    )
    loss: Annotated[
        Literal["auto", "cross_entropy", "focal", "mse", "mae", "huber", "quantile", "poisson"] | None, AnyCase
    ] = Field(None, description="What is minimised.", examples=["focal"])
    label_smoothing: Annotated[StrictFloat, Field(ge=0, lt=1, allow_inf_nan=False)] | None = Field(
        None, description="Share of the target spread over all classes.", examples=[0.1]
    )
    quantile: Annotated[StrictFloat, Field(gt=0, lt=1)] | None = Field(
        None, description="The level, with loss: quantile.", examples=[0.9]
    )
    precision: Annotated[Literal["auto", "fp32", "bf16", "fp16"] | None, AnyCase] = Field(
        None, description="Number format of the forward and backward pass.", examples=["bf16"]
    )
    clip_norm: Annotated[StrictFloat, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="Longest gradient allowed; longer ones are scaled down.", examples=[1.0]
    )
    accumulate: Annotated[StrictInt, Field(gt=0)] | None = Field(
        None, description="Forward passes that make one step.", examples=[4]
    )
    ema: _Beta | None = Field(
        None, description="Decay of an average of the weights, which is then the model.", examples=[0.999]
    )
    compile: StrictBool | None = Field(None, description="torch.compile.", examples=[True])
    channels_last: StrictBool | None = Field(None, description="Memory layout of images.", examples=[True])
    activation_checkpointing: StrictBool | None = Field(
        None, description="Recompute activations in the backward pass, to save memory.", examples=[True]
    )
    num_workers: Annotated[StrictInt, Field(ge=0)] | None = Field(
        None, description="Processes that prepare batches; the result does not depend on it.", examples=[2]
    )
    data_on: Annotated[Literal["auto", "device", "stream"] | None, AnyCase] = Field(
        None, description="Whether the rows lie on the device or are streamed to it.", examples=["stream"]
    )
    deterministic: StrictBool | None = Field(
        None, description="Only algorithms that repeat bit for bit.", examples=[True]
    )
    statistics_every: Annotated[StrictInt, Field(ge=0)] | None = Field(
        None, description="Steps between gradient statistics; 0 for none.", examples=[50]
    )
    augment: Augment | None = Field(None, description="Random changes of training images.", examples=[{"flip": True}])


class Distributed(Section):
    """One training by several processes. A strategy alone is enough: ``distributed: ddp``."""

    strategy: Annotated[Literal["ddp", "fsdp"], AnyCase] = Field(
        "ddp",
        description="ddp: every process holds all weights; fsdp: each a share of them, and of the rest.",
        examples=["ddp"],
    )
    processes: Annotated[
        int | str,
        validated_by(_count_or_auto),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}),
    ] = Field("auto", description="Processes on each machine; auto: one a GPU, one on a CPU.", examples=[2])
    nodes: Annotated[StrictInt, Field(gt=0)] = Field(1, description="Machines that share the run folder.", examples=[2])


class Spread(Section):
    """The key of ``training`` that says by how many processes a network is trained."""

    distributed: Annotated[Distributed | None, validated_by(_by_strategy)] = Field(
        None,
        description="Training by several processes: a strategy, or a mapping.",
        examples=[{"strategy": "ddp", "processes": 2}],
    )


LOOP_KEYS = tuple(Loop.model_fields)
