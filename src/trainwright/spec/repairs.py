"""The key ``training.repairs``: what the doctor may change while a training runs."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from trainwright.spec.section import AnyCase, Section, lower, validated_by


def _by_mode(value: object) -> object:
    """``suggest`` for ``{mode: suggest}``; YAML's ``off`` is a text here."""
    if value is False:
        value = "off"
    return {"mode": lower(value)} if isinstance(value, str) else value


class Repeat(Section):
    """A repair of an earlier training, made again at the same position."""

    symptom: str = Field(description="The finding that was treated.", examples=["doctor.loss_exploding"])
    action: Literal["learning_rate", "clip_norm", "skip_rows", "halve_batch", "precision", "num_workers"] = Field(
        description="What is changed.", examples=["learning_rate"]
    )
    values: dict[str, object] = Field(description="The change.", examples=[{"factor": 0.1}])
    rounds: StrictInt = Field(ge=0, description="Whole rounds done when it is made.", examples=[1])
    step: StrictInt = Field(0, ge=0, description="Steps done in the round that has begun.", examples=[0])
    back: StrictBool = Field(default=False, description="Whether training goes back first.", examples=[True])
    beginning: StrictBool = Field(
        default=False, description="Whether it goes back to fresh weights, not to the best round.", examples=[True]
    )


class Repairs(Section):
    """What may be repaired. A mode alone is enough: ``repairs: suggest``."""

    mode: Annotated[Literal["auto", "suggest", "off"], AnyCase] = Field(
        "auto", description="auto repairs, suggest says what it would do.", examples=["suggest"]
    )
    rate_changes: StrictInt = Field(4, ge=0, description="Changes of the learning rate at most.", examples=[4])
    skipped_rows: StrictInt = Field(20, ge=0, description="Broken rows left out at most.", examples=[20])
    clips: StrictInt = Field(1, ge=0, description="Clip norms set at most.", examples=[1])
    batch_halvings: StrictInt = Field(
        6, ge=0, description="Halvings of the rows of a pass at most, where memory is full.", examples=[6]
    )
    precision_changes: StrictInt = Field(
        2, ge=0, description="Changes of the number format at most, where values leave it.", examples=[2]
    )
    worker_changes: StrictInt = Field(3, ge=0, description="Changes of the threads that load at most.", examples=[3])
    repeat: tuple[Repeat, ...] = Field(
        (), description="Repairs of an earlier training, written by resolved.yaml.", examples=[[]]
    )


RepairsField = Annotated[Repairs, validated_by(_by_mode)]
