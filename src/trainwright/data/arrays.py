"""Arrays of any dimensions from NPZ files, as a table: one row each, the values staying in the file.

A file with one array of three or more dimensions (rows first) and others of one, its labels and whatever goes with
them. uint8 of shape (rows, height, width), or with 1 or 3 channels first or last, are images
(`trainwright.data.images`); everything else is of the kind ``array``, whose text in the frame is ``DIGEST SHAPE DTYPE
MEANS``: equal values give equal texts; the means of 64 stretches, float32 in base64, are for models of tables.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding, Severity
from trainwright.data.dataset import Kind
from trainwright.data.formats import STORED, load_arrays, load_npz
from trainwright.data.image_source import portable, row_name

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from trainwright.data.read import RawTable

ARRAY = "array"
MEANS = 64  # assumption: as coarse a look as the thumbnails of images
IN_MEMORY = 0.5  # assumption: the other half of free memory is for validation rows, weights and activations


def read_arrays(path: Path) -> "RawTable | None":
    """The rows of an NPZ file that has an array of three or more dimensions; None where it has none.

    Raises:
        ArtifactRefused: an array of Python objects, which only pickle could read.
        DataRefused: damaged, several such arrays, other arrays that are not one value a row, or values that are no
            finite numbers.
    """
    import pandas as pd

    from trainwright.data.read import file_facts

    arrays = load_npz(path)
    deep = {name: values for name, values in arrays.items() if values.ndim > 2}
    if not deep:
        return None
    name, values = _only(path, deep)
    beside = {other: one for other, one in arrays.items() if other != name}
    _refuse_uneven(path, name, values, beside)
    table = table_of_arrays(values, name=name, path=path, beside={key: pd.Series(one) for key, one in beside.items()})
    return replace(table, files=(file_facts(path, len(values)),))


def table_of_arrays(values: "np.ndarray", *, name: str, path: Path, beside: "Mapping[str, pd.Series]") -> "RawTable":
    """Arrays of two or more dimensions as rows whose values are ``name`` in the file ``path``; one column a series."""
    import pandas as pd

    from trainwright.data.images import IMAGE, known_columns
    from trainwright.data.read import RawTable, table_from_frame

    images = _are_images(values)
    content, kind = (IMAGE, Kind.IMAGE) if images else (ARRAY, Kind.ARRAY)
    rows = range(len(values))
    source = str(path.absolute())
    given = {
        "path": [row_name(name, i) if images else f"{name}[{i}]" for i in rows],
        content: _image_texts(values) if images else [_text(values[i]) for i in rows],
        "source": [source] * len(values),
    }
    frame = pd.DataFrame({key: pd.Series(texts, dtype="str") for key, texts in given.items()})
    findings = [_read(name, values, images=images)]
    if beside:
        other = table_from_frame(pd.DataFrame(dict(beside)))
        findings += other.findings
        frame = pd.concat([frame, other.frame], axis=1)
    known = known_columns(source, content, kind)
    return RawTable(frame=frame, files=(), findings=tuple(findings), known=known)


def rows_of(frame: "pd.DataFrame") -> "np.ndarray":
    """float32 of shape (rows, ...): the arrays of a frame, from their files.

    In memory; those of a user's own data set mapped from a file that is deleted with the array, where they would take
    more than `IN_MEMORY` of what is free.

    Raises:
        DataRefused: they are not there any more, or differ in shape.
    """
    loaded = {source: load_arrays(Path(source)) for source in frame["source"].unique()}
    found: list[np.ndarray] = []
    for source, path in zip(frame["source"], frame["path"], strict=True):
        name, _, number = path.rstrip("]").partition("[")
        values = loaded[source].get(name)
        if values is None or not number.isdecimal() or int(number) >= len(values):
            raise DataRefused(f"{source}: the row {path} is required, and it is not there any more.")
        found.append(values[int(number)])
    shapes = sorted({one.shape for one in found})
    if len(shapes) > 1:
        raise DataRefused(f"arrays of one shape are required, and there are {shapes[0]} and {shapes[1]}.")
    made = _room((len(found), *shapes[0]), Path(frame["source"].iloc[0]))
    for at, one in enumerate(found):
        made[at] = one
    return made


def _room(shape: tuple[int, ...], source: Path) -> "np.ndarray":
    import math
    import tempfile

    import numpy as np
    import psutil

    if source.name != STORED or 4 * math.prod(shape) <= IN_MEMORY * psutil.virtual_memory().available:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile(dir=source.parent) as file:
        return np.asarray(np.memmap(file, dtype=np.float32, mode="w+", shape=shape))


def means(texts: "pd.Series") -> "np.ndarray":
    """float32 of shape (rows, 64): the means of stretches of each array's values."""
    import numpy as np

    packed = b"".join(base64.b64decode(text.rsplit(" ", 1)[1]) for text in texts)
    return np.frombuffer(packed, dtype="<f4").reshape(-1, MEANS)


def is_array_frame(frame: "pd.DataFrame") -> bool:
    """Whether a frame's rows are arrays."""
    import re

    if not {"path", "source", ARRAY} <= set(frame.columns) or frame.empty:
        return False
    return re.match(r"[0-9a-f]{32} \d+(x\d+)* \w+ ", str(frame[ARRAY].iloc[0])) is not None


def _only(path: Path, deep: "dict[str, np.ndarray]") -> "tuple[str, np.ndarray]":
    import numpy as np

    if len(deep) > 1:
        raise DataRefused(
            f"{path}: one array of three or more dimensions is required, and there are {', '.join(sorted(deep))}. "
            "Write each into a file of its own."
        )
    name, values = next(iter(deep.items()))
    if values.dtype.kind not in "iufb" or values.size == 0:
        raise DataRefused(f"{path}: the array {name!r} must hold numbers, and it is {values.dtype} of {values.shape}.")
    bad = int((~np.isfinite(values)).sum()) if values.dtype.kind == "f" else 0
    if bad:
        raise DataRefused(
            f"{path}: the array {name!r} must hold finite numbers, and {bad:,} of {values.size:,} are not. "
            "Replace them before saving."
        )
    return name, values


def _refuse_uneven(path: Path, name: str, values: "np.ndarray", beside: "dict[str, np.ndarray]") -> None:
    wrong = {other: one.shape for other, one in beside.items() if one.ndim != 1 or len(one) != len(values)}
    if wrong:
        raise DataRefused(
            f"{path}: beside {name!r} with its {len(values)} rows, arrays of one value a row are required, and there "
            f"are {', '.join(f'{other} of {shape}' for other, shape in wrong.items())}."
        )


def _are_images(values: "np.ndarray") -> bool:
    if values.dtype != "uint8":
        return False
    return values.ndim == 3 or (values.ndim == 4 and bool({values.shape[1], values.shape[3]} & {1, 3}))


def _image_texts(values: "np.ndarray") -> list[str]:
    from trainwright.data.pixels import decode, describe, each

    return each(lambda row: describe(decode(portable(values[row]))), range(len(values)))


def _text(row: "np.ndarray") -> str:
    import numpy as np

    shape = "x".join(map(str, row.shape))
    digest = hashlib.blake2b(f"{shape} {row.dtype}".encode() + np.ascontiguousarray(row).tobytes(), digest_size=16)
    flat = row.astype(np.float64).ravel()
    edges = np.linspace(0, flat.size, MEANS + 1).astype(int)
    sums = np.concatenate([[0.0], np.cumsum(flat)])
    stretches = (sums[edges[1:]] - sums[edges[:-1]]) / np.maximum(np.diff(edges), 1)
    return f"{digest.hexdigest()} {shape} {row.dtype} {base64.b64encode(stretches.astype('<f4').tobytes()).decode()}"


def _read(name: str, values: "np.ndarray", *, images: bool) -> Finding:
    shape = " x ".join(map(str, values.shape[1:]))
    return Finding(
        code="data.images_read" if images else "data.arrays_read",
        severity=Severity.INFO,
        where="image" if images else ARRAY,
        what=f"{len(values):,} {'images' if images else 'arrays'} of {shape} {values.dtype} in {name}",
        evidence={"rows": len(values), "shape": list(values.shape[1:]), "dtype": str(values.dtype)},
    )
