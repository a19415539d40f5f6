"""Features of the style ``image``: uint8 of shape (rows, channels, height, width), from the files at every transform.

``options``: ``size`` is ``auto`` or ``[height, width]``; ``channels`` is ``auto``, 1 (grey) or 3 (RGB).
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused, ResourceMissing, SpecError
from trainwright.core.findings import Finding, Severity, finding_from_json
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.core.plan import FeatureStyle
from trainwright.core.seeds import Seeds
from trainwright.data.dataset import Kind
from trainwright.data.image_source import NotReadable, open_source
from trainwright.data.images import COLUMNS, IMAGE, locate
from trainwright.data.pixels import all_grey, decode, each, sizes, to_array

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from trainwright.data.dataset import Part, Schema, Target

FORMAT = 1
FACTS = "features.json"
LARGEST = 128
"""Longest side that ``auto`` keeps (assumption: the small boards of Imagenette use 128 pixels; 256 would cost four
times as much in every step)."""
_SMALLEST = 8  # three halvings leave one pixel
_CHANNELS = (1, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFeatures:
    """The size and channels that every image is brought to."""

    height: int
    width: int
    channels: int
    findings: tuple[Finding, ...] = ()
    names: tuple[str, ...] = (IMAGE,)
    categorical: tuple[int, ...] = ()
    category_sizes: tuple[int, ...] = ()
    vocabulary: int = 0
    columns: tuple[str, ...] = COLUMNS
    style: FeatureStyle = "image"

    def transform(self, frame: "pd.DataFrame") -> "np.ndarray":
        """Decode the images of a frame: uint8 of shape (rows, channels, height, width), rows in order.

        Raises:
            DataRefused: an image that was there when the rows were read is not, or cannot be decoded any more.
            ResourceMissing: the array does not fit into free memory.
        """
        import numpy as np

        shape = (len(frame), self.channels, self.height, self.width)
        _refuse_too_large(shape)
        pixels = np.empty(shape, dtype=np.uint8)
        places = locate(frame)
        with ExitStack() as stack:
            sources = {place: stack.enter_context(open_source(Path(place))) for place in {p for p, _ in places}}

            def fill(row: int) -> None:
                place, name = places[row]
                try:
                    picture = decode(sources[place].read(name))
                except NotReadable as error:
                    raise DataRefused(
                        f"{place}: the image {name} is required, and it cannot be read any more: {error}. "
                        "Put the files back as they were."
                    ) from error
                pixels[row] = to_array(picture, channels=self.channels, height=self.height, width=self.width)

            each(fill, range(len(frame)))
        return pixels

    def save(self, folder: Path) -> None:
        """Write ``features.json`` into an existing folder; equal features, equal bytes."""
        facts = {
            "format": FORMAT,
            "style": self.style,
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "findings": [finding.to_json() for finding in self.findings],
        }
        (folder / FACTS).write_text(dumps(facts, indent=2) + "\n", encoding="utf-8")


def fit(
    part: "Part",
    schema: "Schema",
    target: "Target",
    *,
    style: FeatureStyle,
    seeds: Seeds,
    options: Mapping[str, JsonValue],
) -> "tuple[ImageFeatures, np.ndarray]":
    """Settle size and channels on training images, and give their pixels.

    Raises:
        SpecError: the rows are no images, or an option is wrong.
    """
    if not any(column.kind is Kind.IMAGE for column in schema.features):
        raise SpecError(
            "this model reads images, and the data is a table. Name a folder or a zip of images in data.train_path, "
            "or choose another model_type."
        )
    references = part.frame[IMAGE]
    height, width, findings = _size(references, options.get("size", "auto"))
    channels = options.get("channels", "auto")
    if channels == "auto":
        channels = 1 if all_grey(references) else 3
    if not isinstance(channels, int) or channels not in _CHANNELS:
        raise SpecError(f"channels must be auto, 1 (grey) or 3 (RGB), got {channels!r}")
    said = _resized(references, height, width, channels)
    features = ImageFeatures(height=height, width=width, channels=channels, findings=(*findings, said))
    return features, features.transform(part.frame)


def image_shape(part: "Part", schema: "Schema") -> tuple[int, ...]:
    """(channels, height, width) that the images of a part get by default; empty where its rows are no images."""
    if not any(column.kind is Kind.IMAGE for column in schema.features):
        return ()
    height, width, _ = _size(part.frame[IMAGE], "auto")
    return (1 if all_grey(part.frame[IMAGE]) else 3, height, width)


def load(folder: Path, facts: Mapping[str, JsonValue]) -> ImageFeatures:
    """What `ImageFeatures.save` wrote.

    Raises:
        KeyError, ValueError: it is something else; `load_features` makes a refusal of them.
    """
    height, width, channels = (int(str(facts[name])) for name in ("height", "width", "channels"))
    if min(height, width) < 1 or channels not in _CHANNELS:
        raise ValueError(f"images of {channels} x {height} x {width}")
    findings = facts["findings"]
    assert isinstance(findings, list)
    return ImageFeatures(
        height=height,
        width=width,
        channels=channels,
        findings=tuple(finding_from_json(f) for f in findings if isinstance(f, Mapping)),
    )


def _size(references: "pd.Series", wanted: JsonValue) -> tuple[int, int, list[Finding]]:
    """(height, width): as asked, or the most common one (of equally common ones the larger), within limits."""
    if wanted != "auto":
        good = isinstance(wanted, list | tuple) and len(wanted) == 2 and all(type(v) is int and v >= 1 for v in wanted)
        if not good:
            raise SpecError(f"size must be auto or [height, width] in pixels, got {wanted!r}")
        assert isinstance(wanted, list | tuple)
        return int(str(wanted[0])), int(str(wanted[1])), []
    counts = Counter(sizes(references))
    (height, width), _ = max(counts.items(), key=lambda item: (item[1], item[0]))
    scale = min(1.0, LARGEST / max(height, width))
    scale = max(scale, _SMALLEST / min(height, width)) if min(height, width) < _SMALLEST else scale
    if scale == 1.0:
        return height, width, []
    new = max(_SMALLEST, round(height * scale)), max(_SMALLEST, round(width * scale))
    return *new, [_scaled((height, width), new)]


def _scaled(old: tuple[int, int], new: tuple[int, int]) -> Finding:
    return Finding(
        code="data.image_scaled",
        severity=Severity.WARNING if new[0] < old[0] else Severity.INFO,
        where=IMAGE,
        what=f"images are made {new[1]} x {new[0]}, and most are {old[1]} x {old[0]}",
        why=f"The cost of a step grows with the pixels; {LARGEST} is the longest side that is taken unasked.",
        fix=f"Write architecture_spec: {{image_size: [{old[0]}, {old[1]}]}} to keep them whole",
        evidence={"height": new[0], "width": new[1]},
    )


def _resized(references: "pd.Series", height: int, width: int, channels: int) -> Finding:
    other = sum(size != (height, width) for size in sizes(references))
    size = len(references) * channels * height * width
    resized = f", {other:,} of them resized to it (stretched where the proportions differ)" if other else ""
    return Finding(
        code="data.image_pixels",
        severity=Severity.INFO,
        where=IMAGE,
        what=f"{len(references):,} images of {width} x {height} x {channels} take {size / 1e6:,.1f} MB{resized}",
        evidence={"height": height, "width": width, "channels": channels, "bytes": size, "resized": other},
    )


def _refuse_too_large(shape: tuple[int, ...]) -> None:
    import math

    import psutil

    needed, free = math.prod(shape), int(psutil.virtual_memory().available)
    if needed > free:
        raise ResourceMissing(
            f"{shape[0]:,} images of {shape[3]} x {shape[2]} x {shape[1]} need {needed / 1e9:.1f} GB as pixels, and "
            f"{free / 1e9:.1f} GB are free. Write a smaller image_size in architecture_spec, or use fewer images."
        )
