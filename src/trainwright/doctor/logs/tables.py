"""Tables as text: Keras' ``CSVLogger``, Lightning's ``metrics.csv``, exports of Weights & Biases and TensorBoard.

Cells may be empty (Lightning writes training and validation on different rows). A table with the columns ``metric`` and
``value`` has one number a row, of the name in ``metric`` (and ``part``).
"""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.doctor.logs.contract import Head, Points, Reading, damaged_note, text_lines
from trainwright.doctor.logs.names import EPOCHS, STEPS, meaning, split
from trainwright.doctor.logs.numbers import ABSENT, number

NAME = "table (CSV)"

_DELIMITERS = (",", "\t", ";", "|")
_NAMED = ("metric", "name", "key", "tag", "variable")
_PART = ("part", "split", "phase", "subset", "mode")
_LONGEST_NAME = 500
_TOLD = re.compile(
    r"[:=] *[+-]?\.?\d|\D\s[+-]?\d+\.\d"
)  # ``loss: 0.3``, ``loss 0.3``: a printed line, no name of a column
_FILES = ("metrics.csv", "training.csv", "training_log.csv", "log.csv", "history.csv", "results.csv")


def recognises(head: Head) -> bool:
    """A first line of names that are told apart by one of the usual marks, and a name that says something in it."""
    if not head.is_text:
        return False
    header = _header(head.text.splitlines())
    if header is None:
        return False
    names, _ = header
    words = ["_".join(split(n)) for n in names]
    if len(names) > 1 and "value" in words and (set(words) & {*_NAMED, *STEPS}):
        return True
    kinds = {meaning(n).kind for n in names}
    return "loss" in kinds or "metric" in kinds


def in_folder(folder: Path) -> Path | None:
    """A table by its usual name, the only table, or that of the only version below (Lightning).

    Raises:
        SpecError: there are several versions.
    """
    for name in _FILES:
        if (folder / name).is_file():
            return folder / name
    found = sorted(folder.glob("*.csv"))
    if len(found) == 1:
        return found[0]
    versions = sorted({*folder.glob("version_*/metrics.csv"), *folder.glob("*/version_*/metrics.csv")})
    if len(versions) > 1:
        listed = ", ".join(str(p.parent) for p in versions[:10])
        raise SpecError(f"{folder} holds {len(versions)} trainings of Lightning. Name one: {listed}")
    return versions[0] if versions else None


def read(path: Path) -> Reading:
    """Every cell that is a number.

    Raises:
        ArtifactRefused: there is no header, or no number below it.
    """
    lines = list(_first_lines(path))
    header = _header(lines)
    if header is None:
        raise ArtifactRefused(f"{path}: a first line with the names of columns is required.")
    names, delimiter = header
    table = _Table(path, names, decimal_comma=delimiter == ";")
    for cells in table.rows(_cells(path, delimiter, table)):
        table.add(cells)
    return Reading(points=table.points, notes=damaged_note(table.damaged, "rows or cells"))


class _Table:
    """What is known of the columns, and what was read."""

    def __init__(self, path: Path, names: Sequence[str], *, decimal_comma: bool) -> None:
        self.points, self.damaged = Points(), 0
        self._names, self._comma = names, decimal_comma
        words = ["_".join(split(name)) for name in names]
        self._step, self._epoch = (
            next((words.index(n) for n in known if n in words), None) for known in (STEPS, EPOCHS)
        )
        self._value = words.index("value") if "value" in words else None
        self._key, self._part = (next((words.index(n) for n in known if n in words), None) for known in (_NAMED, _PART))
        self._alone = re.sub(r"^.*tag-", "", path.stem)  # TensorBoard's download of one curve
        self._numeric: set[int] = set()

    def rows(self, rows: Iterator[list[str]]) -> Iterator[list[str]]:
        """Rows below the header; one that is repeated (an appended run) is none."""
        header = [name.strip() for name in self._names]
        for cells in rows:
            if [cell.strip() for cell in cells] != header:
                yield cells

    def add(self, cells: list[str]) -> None:
        """One row."""
        if len(cells) > len(self._names) and any(cell.strip() for cell in cells[len(self._names) :]):
            self.damaged += 1
            return
        self.points.next_row()
        step, epoch = (None if at is None else self._number(cells, at) for at in (self._step, self._epoch))
        if self._value is not None and (self._key is not None or len(self._names) <= 3):
            value = self._number(cells, self._value)
            if value is not None:
                self.points.add(self._name(cells), value, step=step, epoch=epoch)
            return
        for at, name in enumerate(self._names[: len(cells)]):
            if at not in (self._step, self._epoch) and (value := self._number(cells, at)) is not None:
                self.points.add(name.strip(), value, step=step, epoch=epoch)

    def _number(self, cells: list[str], at: int) -> float | None:
        if at >= len(cells):
            return None
        text = cells[at].strip()
        if text.lower() in ABSENT:
            return None
        found = number(text.replace(",", ".") if self._comma else text)
        if found is not None:
            self._numeric.add(at)
        elif at in self._numeric:  # a column of words is none of numbers that are damaged
            self.damaged += 1
        return found

    def _name(self, cells: list[str]) -> str:
        if self._key is None:
            return self._alone
        parts = [cells[at].strip() for at in (self._part, self._key) if at is not None and at < len(cells)]
        return "/".join(p for p in parts if p)


def _header(lines: Sequence[str]) -> tuple[list[str], str] | None:
    """The names of the columns and the mark between them; None where the first line is none."""
    first = next((line.removeprefix("# ") for line in lines if line.strip() and not line.startswith("##")), "")
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        names = next(csv.reader([first], delimiter=delimiter), [])
    except csv.Error:
        return None
    bare = [name.strip() for name in names]
    said = [name for name in bare if name]
    if not said or max(map(len, said)) > _LONGEST_NAME or any(number(n) is not None or _TOLD.search(n) for n in said):
        return None
    return bare, delimiter


def _first_lines(path: Path) -> Iterator[str]:
    for count, line in enumerate(text_lines(path)):
        if count > 20:
            return
        yield line or ""


def _cells(path: Path, delimiter: str, table: _Table) -> Iterator[list[str]]:
    """The rows below the header, apart; what csv cannot take apart is counted."""

    def whole() -> Iterator[str]:
        for line in text_lines(path):
            if line is None:
                table.damaged += 1
            elif line.strip() and not line.startswith("##"):
                yield line + "\n"

    lines = whole()
    next(lines, None)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            table.damaged += 1
