"""Features of the style ``array``: float32 of shape (rows, ...), as the file has them; a network scales its inputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused, SpecError
from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.core.plan import FeatureStyle
from trainwright.core.seeds import Seeds
from trainwright.data.arrays import ARRAY, rows_of
from trainwright.data.dataset import Kind

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from trainwright.data.dataset import Part, Schema, Target

FORMAT = 1
FACTS = "features.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayFeatures:
    """The shape that every array must have."""

    shape: tuple[int, ...]
    findings: tuple[Finding, ...] = ()
    names: tuple[str, ...] = (ARRAY,)
    categorical: tuple[int, ...] = ()
    category_sizes: tuple[int, ...] = ()
    vocabulary: int = 0
    columns: tuple[str, ...] = ("path", "source", ARRAY)
    style: FeatureStyle = "array"

    def transform(self, frame: "pd.DataFrame") -> "np.ndarray":
        """float32 of shape (rows, *shape), rows in order.

        Raises:
            DataRefused: arrays of another shape, or rows that are not in their file any more.
        """
        values = rows_of(frame)
        if values.shape[1:] != self.shape:
            raise DataRefused(f"arrays of shape {self.shape} are required, and these have {values.shape[1:]}.")
        return values

    def save(self, folder: Path) -> None:
        """Write ``features.json`` into an existing folder; equal features, equal bytes."""
        facts = {"format": FORMAT, "style": self.style, "shape": list(self.shape)}
        (folder / FACTS).write_text(dumps(facts, indent=2) + "\n", encoding="utf-8")


def fit(
    part: "Part",
    schema: "Schema",
    target: "Target",
    *,
    style: FeatureStyle,
    seeds: Seeds,
    options: Mapping[str, JsonValue],
) -> "tuple[ArrayFeatures, np.ndarray]":
    """Take the shape of the training arrays, and give them.

    Raises:
        SpecError: the rows are no arrays.
    """
    if not any(column.kind is Kind.ARRAY for column in schema.features):
        raise SpecError(
            "this model reads arrays, and the data has none. Name an NPZ file with an array of three or more "
            "dimensions (rows first) in data.train_path, or choose another model_type."
        )
    values = rows_of(part.frame)
    return ArrayFeatures(shape=tuple(int(side) for side in values.shape[1:])), values


def load(folder: Path, facts: Mapping[str, JsonValue]) -> ArrayFeatures:
    """What `ArrayFeatures.save` wrote.

    Raises:
        KeyError, ValueError: it is something else; `load_features` makes a refusal of them.
    """
    shape = facts["shape"]
    if not isinstance(shape, list) or not all(type(side) is int and side > 0 for side in shape):
        raise ValueError(f"arrays of shape {shape}")
    return ArrayFeatures(shape=tuple(int(str(side)) for side in shape))
