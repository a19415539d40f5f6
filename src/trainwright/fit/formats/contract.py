"""What a format provides. One module a format; its name is what a spec writes under ``export``.

A third party adds one with the entry point group ``trainwright.exports``. A format is one module with these names::

    SUMMARY: str                  # one line for people
    SAFE: bool                    # False where loading a file runs code that the file holds
    EXTRA: str                    # the optional dependency that brings what writes and loads it; "" when the core does
    def engines() -> tuple[str, ...]                         # engines whose models it can hold
    def write(model: Delivered, folder: Path) -> Written     # into an existing empty folder

``write`` raises CannotExport where this model cannot be held (the message says why), and ResourceMissing without its
packages. It starts from the delivered model on disk, never from a training, so that an export after the fact is the one
that a run would have made.

The proof (`trainwright.fit.exports.proof`) adds ``export.json``, ``golden.npz`` and ``loader.py`` to the folder, runs
that loader in a process that can import the runtime alone, and compares. A format of a third party names its own loader
in ``LOADER: Path``; it must take the same arguments as ours, which is `trainwright.fit.exports.loader`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from trainwright.core.jsonable import JsonValue

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.features import Features

ColumnKind: TypeAlias = Literal["number", "text", "moment", "matrix"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One of the delivered models: its features, the folder with its own files, and some rows as the features give."""

    features: "Features"
    model: Path
    rows: "np.ndarray"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The model of a finished training, as it lies in ``model/native``; several members are averaged.

    ``classes`` are the labels in the order of the probabilities; empty for a regression. ``holds_code``: loading it
    runs a user's Python code, which the user allowed. ``missing``: texts that mean missing in a file of rows.
    """

    engine: str
    task: str
    classes: tuple[str, ...]
    members: tuple[Member, ...]
    holds_code: bool
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportInput:
    """One input of an export.

    ``column``: the table's column, or empty for a whole matrix. ``kind``: ``number`` (float64, NaN missing), ``text``
    (empty: missing), ``moment`` (int64 microseconds since 1970, the least int64 missing), or ``matrix``: what the
    features of that ``member`` give, in the type ``dtype`` and of ``shape`` below the rows.
    """

    name: str
    kind: ColumnKind
    column: str = ""
    dtype: str = ""
    shape: tuple[int, ...] = ()
    member: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far an export's predictions may be from the model's, and why so far.

    ``share`` is of a probability of one, or of the largest value that the model predicts for the golden rows.
    """

    share: float
    why: str


_ULP = 2.0**-23

EXACT = Tolerance(share=0.0, why="the same library computes it from the same file: bit for bit")

SAME_ESTIMATOR = Tolerance(
    share=1e-12,
    why="the same estimator: a matrix product adds up in another order for one row than for many, and on other threads "
    "(1e-17 measured), which 1e-12 leaves room for",
)

DOUBLE = Tolerance(
    share=1e-9,
    why="double precision in another order: a sum of thousands of terms errs by less than 1e-12, and one row on "
    "another branch by more than 1e-9",
)

FLOAT = Tolerance(
    share=64 * _ULP,
    why="float32, on one side or both, in another order (also one row against many): 64 units in the last place, "
    "7.6e-6; sums of n terms err by about the root of n",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What `write` left in the folder: ``file`` is the model. ``features``: inside it, or beside it.

    ``runtime`` are the modules that load it: the proof's process may import these, NumPy, and what they need.
    ``about`` is what a loader needs beyond the file; ``notes`` are sentences for people.
    """

    file: str
    inputs: tuple[ExportInput, ...]
    runtime: tuple[str, ...]
    features: Literal["inside", "beside"]
    tolerance: Tolerance
    about: Mapping[str, JsonValue] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Format(Protocol):
    """The type of a format module."""

    SUMMARY: str
    SAFE: bool
    EXTRA: str

    def engines(self) -> tuple[str, ...]:
        """Names of the engines whose models it can hold."""
        ...

    def write(self, model: Delivered, folder: Path) -> Written:
        """Write the export.

        Raises:
            CannotExport: this model cannot be held in this format.
            ResourceMissing: a package is missing.
        """
        ...


def inputs_json(inputs: tuple[ExportInput, ...]) -> list[JsonValue]:
    """Inputs as JSON values."""
    return [
        {
            "name": one.name,
            "kind": one.kind,
            "column": one.column,
            "dtype": one.dtype,
            "shape": list(one.shape),
            "member": one.member,
        }
        for one in inputs
    ]


def matrix_input(member: int, matrix: "np.ndarray") -> ExportInput:
    """The input that takes what a member's features give."""
    name = "X" if member == 0 else f"X{member}"
    return ExportInput(
        name=name,
        kind="matrix",
        dtype=str(matrix.dtype),
        shape=tuple(int(n) for n in matrix.shape[1:]),
        member=member,
    )
