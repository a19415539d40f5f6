"""What every part of the spec's models is built from."""

from collections.abc import Callable

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """Base of every section: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def validated_by(check: Callable[[object], object]) -> BeforeValidator:
    """A check or conversion before pydantic's own."""
    return BeforeValidator(check)


def lower(value: object) -> object:
    """Names in any case."""
    return value.strip().lower() if isinstance(value, str) else value


AnyCase = validated_by(lower)
