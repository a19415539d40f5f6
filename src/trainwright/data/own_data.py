"""Rows from a user's own map-style data set, ``my_data.py:TrainSet``: read once, in order, and checked.

The class (or function, or object) gives something with ``len(d)`` and ``d[i] -> (x, y)``. ``x`` is a number or an
array of numbers of one shape and dtype (NumPy, a tensor on any device, a Pillow image, a list); ``y`` one number or
text. What has no dimension or one becomes the columns ``x0``, ``x1``, ... of a table; everything else is written to
``rows.npy`` in the run's scratch space, and the rows are arrays or images of that file (`trainwright.data.arrays`).
"""

import hashlib
import math
import numbers
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from trainwright.core.code_files import UNTRUSTED, split_code
from trainwright.core.errors import DataRefused, ResourceMissing, SpecError
from trainwright.core.findings import Finding, Severity
from trainwright.data.arrays import table_of_arrays
from trainwright.data.formats import STORED
from trainwright.data.read import FileFacts, RawTable, table_from_frame
from trainwright.data.text import MAX_COLUMNS
from trainwright.data.user_code import load_name, needs_arguments, output_aside

if TYPE_CHECKING:
    import numpy as np

TARGET = "y"
"""The column of the second value of an item."""
_FORM = "(x, y) is required: x an array of numbers, y one number or text"


class MapStyle(Protocol):
    """What a user's data set must be."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> object: ...


@dataclass(frozen=True, slots=True)
class _Item:
    """One item as plain values; ``y`` is None where the data set gives none."""

    x: "np.ndarray"
    y: bool | float | str | None


def read_own(text: str, *, base: Path, scratch: Path, where: str, with_target: bool) -> RawTable:
    """Run the code, read every item once, and keep the values in ``scratch``, which must outlive the table.

    ``where`` is the key of the spec or the word of the command line for messages. Without ``with_target`` items may be
    ``x`` alone.

    Raises:
        SpecError: there is no such file or name, it fails, needs arguments, or gives no map-style data set.
        DataRefused: an item cannot be used, or there is none; the message names its index.
        ResourceMissing: the values do not fit on the disk.
    """
    found = split_code(text)
    if found is None:
        raise SpecError(f"{where}: 'my_data.py:TrainSet' is required, got {text!r}.")
    dataset = _made(base / found[0], found[1], where, text)
    items = _items(dataset, text, with_target=with_target)
    with output_aside():
        values, targets = _gathered(items, len(dataset), text, scratch)
        again = next(_items(dataset, text, with_target=with_target), None)
    table = _table(values, targets, scratch, text)
    findings = list(table.findings)
    if again is None or again.x.tobytes() != values[0].tobytes():
        findings.append(_random(text))
    facts = FileFacts(path=base / found[0], sha256=_digest(values, targets), bytes=int(values.nbytes), rows=len(values))
    return RawTable(frame=table.frame, files=(facts,), findings=tuple(findings), known=table.known)


def refuse_untrusted(text: str, *, where: str) -> NoReturn:
    """Say that code was named and is not run.

    Raises:
        SpecError: always.
    """
    raise SpecError(f"{where}: {text}: {UNTRUSTED[0]}. {UNTRUSTED[1]}.")


def _made(path: Path, name: str, where: str, text: str) -> MapStyle:
    maker = load_name(path, name, where=where, what="data set")
    if needed := needs_arguments(maker):
        raise SpecError(
            f"{where}: {text} must be callable without arguments, and it needs {', '.join(needed)}. "
            "Give them defaults, or write a function without arguments that returns the data set."
        )
    try:
        with output_aside():
            made = maker() if callable(maker) else maker
            usable = hasattr(made, "__getitem__") and hasattr(made, "__len__")
            if usable:
                len(made)  # type: ignore[arg-type]  # torch's base class has the method, and it may not be there
    except (Exception, SystemExit) as error:  # the user's own code: anything may come
        raise SpecError(f"{where}: {text} failed: {type(error).__name__}: {error}.") from error
    if not usable or isinstance(made, type):
        raise SpecError(
            f"{where}: {text} must give a map-style data set, with __len__ and __getitem__, and gives a "
            f"{type(made).__name__}."
        )
    return made  # type: ignore[return-value]  # just looked at


def _items(dataset: MapStyle, text: str, *, with_target: bool) -> Iterator[_Item]:
    for index in range(len(dataset)):
        where = f"{text}: item {index}"
        try:
            item = dataset[index]
        except (Exception, SystemExit) as error:  # the user's own code: anything may come
            raise DataRefused(f"{where} cannot be read: {type(error).__name__}: {error}.") from error
        pair = isinstance(item, tuple | list) and len(item) == 2
        if not pair and (with_target or isinstance(item, tuple)):
            raise DataRefused(f"{where}: {_FORM}, and it is {_shown(item)}.")
        x, y = item if pair and isinstance(item, tuple | list) else (item, None)
        yield _Item(_array(x, where), _target(y, where) if with_target else None)


def _array(value: object, where: str) -> "np.ndarray":
    """Numbers as an array of this process, all finite where they make more than a row of a table."""
    import numpy as np

    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataRefused(f"{where}: x must be an array of numbers, and it is {_shown(value)}: {error}.") from error
    if array.dtype.kind not in "biuf" or array.size == 0:
        said = f"{array.dtype} of shape {array.shape}" if array.dtype.kind != "O" else _shown(value)
        raise DataRefused(f"{where}: x must be an array of numbers, at least one, and it is {said}.")
    if array.ndim > 1 and array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise DataRefused(f"{where}: x must hold finite numbers, and {bad:,} of {array.size:,} are not. Replace them.")
    return array


def _target(value: object, where: str) -> bool | float | str:
    if hasattr(value, "item") and getattr(value, "size", None) != 0:
        try:
            value = value.item()
        except (ValueError, RuntimeError, TypeError) as error:
            raise DataRefused(f"{where}: y must be one number or text, and it is {_shown(value)}.") from error
    if isinstance(value, bool | str):
        return value
    if not isinstance(value, numbers.Real):
        raise DataRefused(f"{where}: y must be one number or text, and it is {_shown(value)}.")
    if not math.isfinite(value):
        raise DataRefused(f"{where}: y must be finite, and it is {value}. Leave such items out of the data set.")
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _gathered(
    items: Iterator[_Item], count: int, text: str, scratch: Path
) -> "tuple[np.ndarray, list[bool | float | str | None]]":
    """All values, in memory for rows of a table and mapped from the disk otherwise, and all targets."""
    import numpy as np

    first = next(items, None)
    if first is None:
        raise DataRefused(f"{text}: items are required, and the data set is empty (its length is {count}).")
    values = _room(count, first.x, text, scratch)
    targets: list[bool | float | str | None] = []
    kind = "text" if isinstance(first.y, str) else "number"
    for index, item in enumerate(_chain(first, items)):
        where = f"{text}: item {index}"
        if (item.x.shape, item.x.dtype) != (first.x.shape, first.x.dtype):
            raise DataRefused(
                f"{where}: every x must have the shape and dtype of item 0, {first.x.shape} {first.x.dtype}, and "
                f"this is {item.x.shape} {item.x.dtype}. Resize, pad or convert in __getitem__."
            )
        if ("text" if isinstance(item.y, str) else "number") != kind:
            raise DataRefused(f"{where}: every y must be a {kind} as that of item 0, and this is {item.y!r:.60}.")
        values[index] = item.x
        targets.append(item.y)
    if isinstance(values, np.memmap):
        values.flush()
    return values, targets


def _chain(first: _Item, others: Iterator[_Item]) -> Iterator[_Item]:
    yield first
    yield from others


def _room(count: int, x: "np.ndarray", text: str, scratch: Path) -> "np.ndarray":
    import shutil

    import numpy as np

    if x.ndim < 2:
        if x.size > MAX_COLUMNS:
            raise DataRefused(
                f"{text}: x of one dimension makes the columns of a table, at most {MAX_COLUMNS:,}, and it has "
                f"{x.size:,}. Give it two dimensions, for example x[None], to be read as an array."
            )
        return np.empty((count, *x.shape), dtype=x.dtype)
    scratch.mkdir(parents=True, exist_ok=True)
    needed, free = count * x.nbytes, shutil.disk_usage(scratch).free
    if needed > free:
        raise ResourceMissing(
            f"{text}: {count:,} items of {x.shape} {x.dtype} need {needed / 1e9:.1f} GB in {scratch}, and "
            f"{free / 1e9:.1f} GB are free there. Use a smaller data set, or runs on a larger disk (--out)."
        )
    room: np.ndarray = np.lib.format.open_memmap(scratch / STORED, mode="w+", dtype=x.dtype, shape=(count, *x.shape))
    return room


def _table(values: "np.ndarray", targets: "list[bool | float | str | None]", scratch: Path, text: str) -> RawTable:
    import pandas as pd

    beside = {} if targets[0] is None else {TARGET: pd.Series(targets)}
    if values.ndim > 2:
        return table_of_arrays(values, name="x", path=scratch / STORED, beside=beside)
    columns = values.reshape(len(values), -1)
    frame = pd.DataFrame({f"x{i}": columns[:, i] for i in range(columns.shape[1])} | beside)
    read = table_from_frame(frame)
    said = Finding(
        code="data.own_table",
        severity=Severity.INFO,
        where=text,
        what=f"{len(frame):,} items of {columns.shape[1]} numbers became the columns x0 to x{columns.shape[1] - 1}"
        if columns.shape[1] > 1
        else f"{len(frame):,} items of one number became the column x0",
    )
    return RawTable(frame=read.frame, files=(), findings=(said, *read.findings))


def _digest(values: "np.ndarray", targets: "list[bool | float | str | None]") -> str:
    """Over all values in order: another reading that gives the same is the same data, wherever it was written."""
    digest = hashlib.sha256(f"{values.dtype.str} {values.shape} {targets!r}".encode())
    for row in values:
        digest.update(row.tobytes())
    return digest.hexdigest()


def _shown(value: object) -> str:
    shape = getattr(value, "shape", None)
    described = f" of shape {tuple(shape)}" if isinstance(shape, tuple) else ""
    sized = f" of {len(value)}" if isinstance(value, tuple | list | dict) else ""
    return f"a {type(value).__name__}{described or sized}" if value is not None else "None"


def _random(text: str) -> Finding:
    return Finding(
        code="data.own_random",
        severity=Severity.WARNING,
        where=text,
        what="item 0 has other values when it is read a second time",
        why="Items are read once, so random changes are drawn once and not anew in each epoch; and the run cannot be "
        "repeated or resumed, because its data is different every time.",
        fix="Take the randomness out of __getitem__; training.augment changes images anew in every epoch",
    )
