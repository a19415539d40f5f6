"""Rows that come as content rather than in files: images as bytes, arrays of numbers, one text. What `serve` scores."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding
from trainwright.core.tasks import Task
from trainwright.data.dataset import Kind
from trainwright.stages.noticed import Noticed
from trainwright.stages.scoring import OpenModel, score_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from trainwright.data.read import RawTable

Form: TypeAlias = Literal["rows", "images", "arrays", "text"]
Scored: TypeAlias = "tuple[pd.DataFrame, tuple[Finding, ...]]"

MOST_PIXELS = 50_000_000
"""Of all images of a call (assumption). A small PNG can unpack to any size: this many take 150 MB as RGB, and the
decoders hold a few copies."""

_SIGNATURES = {"PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff"}
"""Formats that are taken from elsewhere: fewer decoders than files of one's own go through."""


def form_of(model: OpenModel) -> Form:
    """What a model's rows are."""
    if model.target.task is Task.LANGUAGE:
        return "text"
    kinds = {column.kind for column in model.schema.features}
    return "images" if Kind.IMAGE in kinds else "arrays" if Kind.ARRAY in kinds else "rows"


def text_column(model: OpenModel) -> str | None:
    """The name of the one feature, where that is a text."""
    features = model.schema.features
    return features[0].name if len(features) == 1 and features[0].kind is Kind.TEXT else None


def score_images(model: OpenModel, images: Sequence[bytes], *, interval: float | None = None) -> "Scored":
    """The predictions for PNG or JPEG files, one each in order, and what was noticed.

    Raises:
        DataRefused: one is no such image or damaged (the message says which, from 0), or they are too large together.
        SpecError: the model has no such interval.
    """
    from trainwright.data.images import PATH, read_images
    from trainwright.data.pixels import each

    pixels = sum(each(lambda number: _pixels(number, images[number]), range(len(images))))
    if pixels > MOST_PIXELS:
        raise DataRefused(
            f"the images have {pixels / 1e6:,.0f} million pixels together, and {MOST_PIXELS / 1e6:.0f} million are "
            "allowed. Send fewer, or score them with `trainwright predict`."
        )
    with tempfile.TemporaryDirectory(prefix="trainwright-rows-", ignore_cleanup_errors=True) as scratch:
        for number, one in enumerate(images):
            (Path(scratch) / f"{number:08d}.png").write_bytes(one)  # what a file holds decides how it is read
        try:
            table: RawTable | None = read_images(Path(scratch))
        except DataRefused:  # none can be read; its words name our folder
            table = None
        if table is None or len(table.frame) < len(images):
            raise _first_damaged(images)
        predicted, findings = _score_table(model, table, interval)
    return predicted.drop(columns=PATH), findings


def score_arrays(model: OpenModel, values: "np.ndarray", *, interval: float | None = None) -> "Scored":
    """The predictions for numbers of shape (rows, ...), the shape of the training rows.

    Raises:
        DataRefused: another shape, no rows, or values that are not finite.
        SpecError: the model has no such interval.
    """
    import numpy as np

    from trainwright.data.arrays import table_of_arrays
    from trainwright.data.images import PATH

    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    if values.ndim < 2 or values.size == 0 or not np.isfinite(values).all():
        raise DataRefused(f"arrays of finite float32 numbers, rows first, are required, got the shape {values.shape}.")
    with tempfile.TemporaryDirectory(prefix="trainwright-rows-", ignore_cleanup_errors=True) as scratch:
        path = Path(scratch) / "rows.npz"
        np.savez(path, X=values)
        predicted, findings = _score_table(model, table_of_arrays(values, name="X", path=path, beside={}), interval)
    return predicted.drop(columns=PATH), findings


def score_language(model: OpenModel, text: str) -> "Scored":
    """What a language model says of a text: one row a stretch, as `trainwright predict` gives for a text file.

    Raises:
        DataRefused: it has no characters.
    """
    import pandas as pd

    if not text:
        raise DataRefused("text is required, and it is empty.")
    return score_text(model, pd.DataFrame({"text": [text]})), ()


def _pixels(number: int, data: bytes) -> int:
    """What an image's header says, by its number among others."""
    from trainwright.data.image_source import NotReadable
    from trainwright.data.pixels import dimensions

    kind = next((name for name, mark in _SIGNATURES.items() if data.startswith(mark)), None)
    if kind is None:
        raise DataRefused(f"image {number}: {' or '.join(_SIGNATURES)} is required, and this is neither.")
    try:
        width, height = dimensions(data)
    except NotReadable as error:
        raise DataRefused(f"image {number} cannot be read: {error}.") from error
    return width * height


def _first_damaged(images: Sequence[bytes]) -> DataRefused:
    """Says which image cannot be decoded, and why."""
    from trainwright.data.image_source import NotReadable
    from trainwright.data.pixels import decode

    for number, one in enumerate(images):
        try:
            decode(one)
        except NotReadable as error:
            return DataRefused(f"image {number} cannot be read: {error}.")
    return DataRefused("the images could not be read a second time. Send them again.")


def _score_table(model: OpenModel, table: "RawTable", interval: float | None) -> "Scored":
    """Score rows whose content lies in files that go away; what was noticed of those files alone is left out."""
    noticed = Noticed(model.profile)
    offsets = None if interval is None else model.offsets(interval)
    predicted = model.score(replace(table, findings=()), noticed, offsets=offsets)
    return predicted, noticed.findings()
