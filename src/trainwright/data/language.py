"""A text as a data set for language models: consecutive stretches, each predicted exactly once.

A row is a stretch of characters (column ``text``) and what comes right before it in the same part (column
``context``), so that a row stands on its own: it is predicted the same wherever it is met. ``y`` is the number of
characters of the stretch.

Training rows have one character of context and are as long as a model reads, so each of their positions teaches.
Validation and test rows are half as long, and the other half is context: no character is judged with less of a past
than half of what a model reads (but for the first ones of a part).
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused, SpecError
from trainwright.core.findings import Finding, Severity
from trainwright.core.tasks import Task
from trainwright.data.canonical import row_hashes
from trainwright.data.dataset import Column, Dataset, Kind, Part, Schema, SealedTest, SplitFacts, Target
from trainwright.data.read import FileFacts, resolve_files
from trainwright.data.text import open_unpacked, scan

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from trainwright.core.jsonable import JsonValue
    from trainwright.spec.models import Data

TEXT, CONTEXT = "text", "context"
STRETCH = 256
"""Characters a training row predicts where the spec says nothing: the block of nanoGPT's Shakespeare model."""

_PARTS = ("train", "val", "test")
_SHOWN = 60  # characters of an example in the schema


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """What was read for one part: the characters, and the files they came from."""

    characters: str
    files: tuple[FileFacts, ...]


def load_language(data: "Data", *, base: Path, frames: "Mapping[str, pd.DataFrame]") -> Dataset:
    """Read and divide a text. Without files of their own, validation and test are what follows training by position.

    Raises:
        DataRefused: no text, not UTF-8, or too little of it for the parts.
        SpecError: no training text is named.
    """
    stretch = data.stretch or STRETCH
    texts = _texts(data, base, frames)
    characters, why = _divided({part: text.characters for part, text in texts.items()}, data)
    parts = _parts(characters, stretch)
    test = None if "test" not in parts else _seal(parts["test"])
    known = parts["train"]
    return Dataset(
        schema=_schema(characters["train"], len(known)),
        target=Target(name="characters", expression="the next character", task=Task.LANGUAGE, classes=()),
        train=known,
        val=parts["val"],
        test=test,
        split=SplitFacts(
            strategy="given" if "val" in texts else "time",
            column=None,
            sizes={part: len(rows) for part, rows in parts.items()},
            why=why,
        ),
        fingerprint=_fingerprint({part: text.files for part, text in texts.items()}),
        memory_bytes=sum(int(p.frame.memory_usage(deep=True).sum()) + p.y.nbytes for p in parts.values()),
        findings=(_described(characters, stretch),),
    )


def text_rows(text: str, stretch: int, *, context: int) -> "pd.DataFrame":
    """Consecutive stretches of a text and at most ``context`` characters before each; the last may be shorter."""
    import pandas as pd

    starts = range(0, len(text), stretch)
    columns = {
        CONTEXT: [text[max(0, at - context) : at] for at in starts],
        TEXT: [text[at : at + stretch] for at in starts],
    }
    return pd.DataFrame({name: pd.Series(cells, dtype="str") for name, cells in columns.items()})


def judged_rows(text: str, stretch: int) -> "pd.DataFrame":
    """Rows as validation and test have them: half of ``stretch`` is predicted, the other half is context."""
    half = max(stretch // 2, 1)
    return text_rows(text, half, context=stretch + 1 - half)


def read_text(path: Path) -> str:
    """A text file (UTF-8, also .gz, .zst, .bz2), without its byte order mark.

    Raises:
        DataRefused: it is empty, or no UTF-8 text.
        ResourceMissing: unpacked, it does not fit into free memory.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise DataRefused(f"{path}: text is required, and the file is empty.")
    scan(path)
    with open_unpacked(path) as stream:
        return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="").read()


def rows_of_file(path: Path, stretch: int) -> "pd.DataFrame":
    """What `predict` scores: the stretches of a text file; or rows that were written as a table with these columns.

    Raises:
        DataRefused: the file cannot be read as either.
    """
    if path.suffix == ".csv":
        stored = _stored_rows(path)
        if stored is not None:
            return stored
    return judged_rows(read_text(resolve_files(path, None)[0]), stretch)


def rows_of_frame(frame: "pd.DataFrame", stretch: int) -> "pd.DataFrame":
    """The same for a frame: its rows where it has both columns, else the stretches of its column ``text``.

    Raises:
        DataRefused: it has no column ``text``.
    """
    if {TEXT, CONTEXT} <= set(frame.columns):
        return frame[[CONTEXT, TEXT]].fillna("").astype("str").reset_index(drop=True)
    return judged_rows(_joined(frame), stretch)


def _stored_rows(path: Path) -> "pd.DataFrame | None":
    import pandas as pd

    with path.open(encoding="utf-8", errors="replace") as file:
        if file.readline().strip().replace('"', "") != f"{CONTEXT},{TEXT}":
            return None
    return pd.read_csv(path, dtype="str", keep_default_na=False)


def _texts(data: "Data", base: Path, frames: "Mapping[str, pd.DataFrame]") -> dict[str, _Text]:
    paths = {"train": data.train_path, "val": data.val_path, "test": data.test_path}
    texts: dict[str, _Text] = {}
    for part in _PARTS:
        path = paths[part]
        if part in frames:
            texts[part] = _from_frame(frames[part])
        elif path is not None:
            texts[part] = _from_files(resolve_files(path, base))
    if "train" not in texts:
        raise SpecError("data.train_path is required: the text to learn from.")
    return texts


def _from_files(paths: Sequence[Path]) -> _Text:
    texts = [read_text(path) for path in paths]
    facts = tuple(
        FileFacts(path=path, sha256=_digest(path.read_bytes()), bytes=path.stat().st_size, rows=len(text))
        for path, text in zip(paths, texts, strict=True)
    )
    return _Text(characters="\n".join(texts), files=facts)


def _from_frame(frame: "pd.DataFrame") -> _Text:
    text = _joined(frame)
    raw = text.encode("utf-8", errors="surrogatepass")
    facts = FileFacts(path=Path("<frame>"), sha256=_digest(raw), bytes=len(raw), rows=len(text))
    return _Text(characters=text, files=(facts,))


def _joined(frame: "pd.DataFrame") -> str:
    if TEXT not in frame.columns:
        raise DataRefused(f"a frame for a language model needs a column {TEXT!r}, and it has none.")
    return "\n".join(frame[TEXT].dropna().astype("str"))


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _divided(given: Mapping[str, str], data: "Data") -> tuple[dict[str, str], str]:
    """The characters of each part, and why they are these."""
    whole, wanted = given["train"], data.holdout
    shares = {"val": wanted.val, "test": wanted.test} if wanted is not None else {}
    shares = {part: share for part, share in shares.items() if share > 0 and part not in given}
    cut = len(whole)
    characters = dict(given)
    for part in ("test", "val"):  # the last stretch of the text is for the test
        if part in shares:
            start = cut - round(shares[part] * len(whole))
            characters[part] = whole[start:cut]
            cut = start
    characters["train"] = whole[:cut]
    if "val" not in characters:
        raise DataRefused("validation text is required. Give data.val_path or data.split.val above 0.")
    if empty := [part for part in characters if not characters[part].strip()]:
        raise DataRefused(
            f"every part needs text, and {', '.join(empty)} would have none: the file has {len(whole)} characters. "
            "Give more text, or other shares under data.split."
        )
    why = "the spec names a file for each part"
    if shares:
        why = "by position: the model is judged on what comes after the text it learnt from"
    return {part: characters[part] for part in _PARTS if part in characters}, why


def _parts(characters: Mapping[str, str], stretch: int) -> dict[str, Part]:
    import numpy as np

    parts: dict[str, Part] = {}
    first = 0
    for name, text in characters.items():
        frame = text_rows(text, stretch, context=1) if name == "train" else judged_rows(text, stretch)
        rows = np.arange(first, first + len(frame), dtype=np.int64)
        parts[name] = Part(name=name, rows=rows, frame=frame, y=lengths(frame), weight=None)
        first += len(frame)
    return parts


def lengths(frame: "pd.DataFrame") -> "np.ndarray":
    """Characters that each row predicts, float64."""
    import numpy as np

    return np.array([len(text) for text in frame[TEXT].tolist()], dtype=np.float64)


def _seal(part: Part) -> SealedTest:
    return SealedTest(
        num_rows=len(part),
        row_hashes=row_hashes(part.frame, [TEXT]),
        group_hashes=None,
        time_range=None,
        schema_differences=(),
        _part=part,
    )


def _schema(text: str, rows: int) -> Schema:
    whys = {CONTEXT: "the characters right before the text, read and not predicted", TEXT: "the text to predict"}
    return Schema(
        columns=tuple(
            Column(
                name=name,
                kind=Kind.TEXT,
                role="feature",
                missing=0,
                distinct=rows,
                why=why,
                examples=(text[:_SHOWN],) if name == TEXT else (),
            )
            for name, why in whys.items()
        )
    )


def _fingerprint(files: Mapping[str, tuple[FileFacts, ...]]) -> "dict[str, JsonValue]":
    listed: dict[str, JsonValue] = {
        part: [
            {"file": one.path.name, "sha256": one.sha256, "bytes": one.bytes, "characters": one.rows} for one in facts
        ]
        for part, facts in files.items()
    }
    digest = _digest("\n".join(f"{part} {f.sha256}" for part, facts in files.items() for f in facts).encode())
    return {"files": listed, "digest": digest}


def _described(characters: Mapping[str, str], stretch: int) -> Finding:
    sizes = ", ".join(f"{len(text):,} {part}" for part, text in characters.items())
    known = set(characters["train"])
    return Finding(
        code="data.text",
        severity=Severity.INFO,
        where="data.train_path",
        what=f"a text of {sizes} characters, {len(known)} different ones in training, in training rows of {stretch}",
        why="Validation and test rows are half as long and have as much context before them.",
        fix="write data.stretch: N for rows of N characters",
        evidence={"different": len(known), "stretch": stretch, **{p: len(t) for p, t in characters.items()}},
    )
