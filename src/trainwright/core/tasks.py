"""What a model predicts."""

from enum import StrEnum


class Task(StrEnum):
    """The kind of target.

    Binary and multiclass models predict one probability per class; regression models one number. A language model has
    no target column: a row is a stretch of text, its ``y`` the number of characters in it, and its prediction the sum
    of the negative log likelihoods of those characters, in nats.
    """

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"
    LANGUAGE = "language"

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self in (Task.BINARY, Task.MULTICLASS)


TABLE_TASKS = frozenset({Task.BINARY, Task.MULTICLASS, Task.REGRESSION})
"""The tasks with a target column."""
