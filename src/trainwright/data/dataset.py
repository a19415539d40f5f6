"""The values every later stage works on: Schema, Target, Part, SealedTest, Dataset."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class Kind(StrEnum):
    """What a column holds."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    TEXT = "text"
    IDENTIFIER = "identifier"
    CONSTANT = "constant"
    IMAGE = "image"
    ARRAY = "array"


OPAQUE = (Kind.IMAGE, Kind.ARRAY)
"""Kinds of which a frame holds a short text, while the content stays in its file (`trainwright.data.pixels`)."""


Role: TypeAlias = Literal["feature", "target", "group", "time", "weight", "ignored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its kind, its role, and how both were decided.

    ``missing`` and ``distinct`` count training rows. ``categories`` are the known values of a categorical or boolean
    column in training rows, most frequent first, ties by text. ``why`` is a sentence for the user. ``format`` is how a
    datetime column is spelled where it is text (``%Y-%m-%d``), so that later files are read the same way.
    """

    name: str
    kind: Kind
    role: Role
    missing: int
    distinct: int
    why: str
    categories: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    format: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """All columns in file order. Identifiers and constants get the role ``ignored``, said in a Finding."""

    columns: tuple[Column, ...]

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns a model may see."""
        return tuple(c for c in self.columns if c.role == "feature")

    def __getitem__(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is predicted.

    ``classes`` are the labels as the file spells them, sorted (numbers by value); code i means ``classes[i]``. In a
    binary task the last one is the positive class. Empty for regression. ``expression`` is what the user wrote
    (``readmitted == "<30"``), ``name`` the column.
    """

    name: str
    expression: str
    task: Task
    classes: tuple[str, ...]
    is_count: bool = False

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 for regression."""
        return len(self.classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows of one part of the split.

    ``rows``: int64 ids, positions over the given files in order (train, then val, then test). ``frame``: every column
    but target and weight, canonical types: numeric float64 or int64, boolean and categorical and text and
    identifier ``str`` (missing as NaN), datetime ``datetime64``, image and array ``str`` (`trainwright.data.pixels` and
    `trainwright.data.arrays` say what it holds). ``y``: float64 values or int64 class codes. ``weight`` as given in the
    file, or None.
    """

    name: str
    rows: "np.ndarray"
    frame: "pd.DataFrame"
    y: "np.ndarray"
    weight: "np.ndarray | None"

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)


@dataclass(slots=True, kw_only=True)
class SealedTest:
    """Test rows that nobody reads before the model is final.

    What leak checks need is here without opening: ``row_hashes`` (uint64 over the feature columns, labels not
    included), ``group_hashes`` (uint64 of the group column, or None) and ``time_range`` (epoch seconds, or None).
    ``schema_differences`` names columns whose kind differs from training.
    """

    num_rows: int
    row_hashes: "np.ndarray"
    group_hashes: "np.ndarray | None"
    time_range: tuple[float, float] | None
    schema_differences: tuple[Finding, ...]
    _part: Part
    openings: list[str] = field(default_factory=list)

    def open(self, reason: str) -> Part:
        """The rows. Every call is counted with its reason and shows in the manifest."""
        self.openings.append(reason)
        return self._part


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFacts:
    """How the split was made: ``strategy`` given | random | stratified | group | time, and the sizes."""

    strategy: str
    column: str | None
    sizes: Mapping[str, int]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A prepared data set: training and validation rows in the open, test rows sealed.

    ``fingerprint`` maps each file to its sha256, bytes and rows, and holds ``digest`` over all of them.
    ``memory_bytes`` is the size of all rows as prepared. ``findings`` are everything noticed on the way.
    """

    schema: Schema
    target: Target
    train: Part
    val: Part
    test: SealedTest | None
    split: SplitFacts
    fingerprint: Mapping[str, JsonValue]
    memory_bytes: int
    findings: tuple[Finding, ...]
