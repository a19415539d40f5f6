"""What a model predicts."""

from enum import StrEnum


class Task(StrEnum):
    """The kind of target. Binary and multiclass models predict one probability per class; regression one number."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self is not Task.REGRESSION
