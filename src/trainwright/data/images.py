"""Images as a table: one row an image, with where it lies, what it holds, and the folder it lies in as its label.

Columns: ``path`` (relative to the place that was named, POSIX, sorted), ``label`` (the class folder; only where there
are class folders), ``image`` (`trainwright.data.pixels.describe`: equal for equal pixels; the one feature) and
``source`` (the absolute place, for decoding). `locate` brings rows back to their pixels.
"""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import DataRefused
from trainwright.core.findings import Finding, Severity
from trainwright.data.dataset import OPAQUE, Column, Kind, Schema
from trainwright.data.image_source import ImageSource, Listing, NotReadable, open_source
from trainwright.data.pixels import decode, describe, each, is_reference, traits
from trainwright.data.read import FileFacts, RawTable

if TYPE_CHECKING:
    import pandas as pd

PATH, LABEL, IMAGE, SOURCE = "path", "label", "image", "source"
COLUMNS = (PATH, SOURCE, IMAGE)
"""What a frame needs for its images to be decoded."""

_SHOWN = 20
_PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_NO_CLASSES = "data.images_without_classes"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One file: the digest and size of its bytes, and either what it shows or why it cannot be read."""

    sha256: str
    bytes: int
    image: str
    problem: str


def read_images(path: Path) -> RawTable:
    """Look at every image of a folder, a zip, a folder inside a zip, or of one file; files that are none are counted.

    Every image is decoded once to see that it is whole, and let go of: memory holds a few hundred bytes an image.

    Raises:
        DataRefused: no image is there, none can be read, or the zip is damaged or unsafe.
    """
    with open_source(path) as source:
        listing = source.listing()
        if not listing.images:
            raise DataRefused(_no_images(path, listing))
        seen = each(lambda name: _look(source, name), listing.images)
        place = source.place
    good = [(name, one) for name, one in zip(listing.images, seen, strict=True) if not one.problem]
    bad = [(name, one.problem) for name, one in zip(listing.images, seen, strict=True) if one.problem]
    if not good:
        raise DataRefused(
            f"{path}: images that can be read are required, and none of {len(bad)} can "
            f"({bad[0][0]}: {bad[0][1]}). Restore them from a copy."
        )
    labels, unlabelled = _labels([name for name, _ in good])
    frame = _frame(good, place, labels)
    facts = FileFacts(
        path=path, sha256=_digest(listing.images, seen), bytes=sum(one.bytes for one in seen), rows=len(frame)
    )
    findings = [_read(frame), *_unreadable(bad, len(seen)), *_others(listing), *_two_labels(frame), *unlabelled]
    return RawTable(frame=frame, files=(facts,), findings=tuple(findings), known=known_columns(place))


def parts_of(path: Path) -> dict[str, Path]:
    """The place of each part (train, val, test) where the folders are such parts; else all of it as ``train``.

    Raises:
        DataRefused: there is no such place, or the zip is damaged or unsafe.
    """
    with open_source(path) as source:
        names = [name.split("/") for name in source.listing().images]
    depth = _wrapping(names)
    folders = {p[depth] for p in names if len(p) > depth + 1}
    inside = path.joinpath(*names[0][:depth]) if names else path
    parts = {_PARTS[f.lower()]: inside / f for f in sorted(folders) if f.lower() in _PARTS}
    return parts if "train" in parts and len(parts) == len(folders) > 1 else {"train": path}


def refuse_without_classes(table: RawTable, target: str | None) -> None:
    """Say why images have no label, where the spec wants the label predicted.

    Raises:
        DataRefused: the target is the label and the place that was named has no class folders.
    """
    if IMAGE not in table.known or target != LABEL or LABEL in table.frame.columns:
        return
    reason = next(f for f in table.findings if f.code == _NO_CLASSES)
    raise DataRefused(f"{table.files[0].path}: {reason.sentence()}", findings=[reason])


def refuse_other_rows(table: RawTable, schema: Schema) -> None:
    """Rows to predict must be images (or arrays) where training rows were, and only there.

    A table that names image files is refused too: it could name any file of this machine.

    Raises:
        DataRefused: they are not.
    """
    wanted = next((c.kind for c in schema.features if c.kind in OPAQUE), None)
    given = next((c.kind for c in table.known.values() if c.kind in OPAQUE), None)
    if wanted is given:
        return
    forms = {
        Kind.IMAGE: "images: a folder or zip of them, an image file, or NPZ",
        Kind.ARRAY: "arrays: an NPZ file",
        None: "a table",
    }
    what = {Kind.IMAGE: "images", Kind.ARRAY: "arrays", None: "a table"}[given]
    raise DataRefused(f"{table.files[0].path}: this model was trained on {forms[wanted]}; and this is {what}.")


def is_image_frame(frame: "pd.DataFrame") -> bool:
    """Whether a frame's rows are images."""
    return all(name in frame.columns for name in COLUMNS) and is_reference(frame[IMAGE])


def locate(frame: "pd.DataFrame") -> list[tuple[str, str]]:
    """(place, name) of every row, for `open_source` and its ``read``."""
    names = (name.removeprefix("./") for name in frame[PATH])
    return list(zip(frame[SOURCE].tolist(), names, strict=True))


def pack(frame: "pd.DataFrame", *, most_bytes: int) -> tuple[bytes, int]:
    """A zip of the files of the first rows, by ``path``, and how many rows are in it; equal files give equal bytes."""
    packed, rows, total = io.BytesIO(), 0, 0
    places = locate(frame)
    with ExitStack() as stack, zipfile.ZipFile(packed, "w") as archive:
        sources = {place: stack.enter_context(open_source(Path(place))) for place in {place for place, _ in places}}
        for place, name in places:
            data = sources[place].read(name)
            total += len(data)
            if total > most_bytes:
                break
            archive.writestr(zipfile.ZipInfo(name), data)
            rows += 1
    return packed.getvalue(), rows


def _look(source: ImageSource, name: str) -> _Seen:
    try:
        data = source.read(name)
    except NotReadable as error:
        return _Seen(sha256="", bytes=0, image="", problem=str(error))
    digest = hashlib.sha256(data).hexdigest()
    try:
        return _Seen(sha256=digest, bytes=len(data), image=describe(decode(data)), problem="")
    except NotReadable as error:
        return _Seen(sha256=digest, bytes=len(data), image="", problem=str(error))


def _frame(good: Sequence[tuple[str, _Seen]], place: str, labels: Sequence[str | None] | None) -> "pd.DataFrame":
    import pandas as pd

    columns: dict[str, object] = {PATH: [_written(name) for name, _ in good]}
    if labels is not None:
        columns[LABEL] = labels
    columns |= {IMAGE: [one.image for _, one in good], SOURCE: [place] * len(good)}
    return pd.DataFrame({name: pd.Series(values, dtype="str") for name, values in columns.items()})


def _written(name: str) -> str:
    """Canonical text has no space at its start; a name that has one gets ``./`` before it."""
    return f"./{name}" if name[:1].isspace() else name


def known_columns(place: str, content: str = IMAGE, kind: Kind = Kind.IMAGE) -> dict[str, Column]:
    """The columns that a reader of images or arrays makes, with their kinds and roles."""
    columns = (
        (PATH, Kind.IDENTIFIER, "ignored", f"where the {content} lies; a name is no feature"),
        (content, kind, "feature", f"the content of each {content}"),
        (SOURCE, Kind.IDENTIFIER, "ignored", f"the place that was read: {Path(place).name}"),
    )
    return {
        name: Column(name=name, kind=kind, role=role, missing=0, distinct=0, why=why)  # type: ignore[arg-type]
        for name, kind, role, why in columns
    }


def _labels(names: Sequence[str]) -> tuple[list[str | None] | None, list[Finding]]:
    """The class folder of every image (None: it lies in none), or no labels at all and why.

    A folder that only wraps the others is passed over.
    """
    parts = [name.split("/") for name in names]
    depth = _wrapping(parts)
    classes: list[str | None] = [p[depth] if len(p) > depth + 1 else None for p in parts]
    found = {c for c in classes if c is not None}
    if not found:
        return None, [_no_classes("the images lie in no class folders", "Put the images of each class into a folder")]
    if len(found) > 1 and {c.lower() for c in found} <= set(_PARTS):
        inside = "/".join(parts[0][:depth])
        shown = ", ".join(f"{inside}/{c}" if inside else c for c in sorted(found))
        what = f"the folders are parts of a data set ({shown}), not classes"
        return None, [_no_classes(what, "Name one for data.train_path and another for data.test_path or val_path")]
    return classes, []


def _wrapping(names: Sequence[Sequence[str]]) -> int:
    """How many folders hold nothing but one other folder, from the top."""
    depth = 0
    while names and all(len(n) > depth + 2 for n in names) and len({n[depth] for n in names}) == 1:
        depth += 1
    return depth


def _no_classes(what: str, fix: str) -> Finding:
    return Finding(
        code=_NO_CLASSES,
        severity=Severity.INFO,
        where=LABEL,
        what=what,
        why="So the images have no label.",
        fix=fix,
    )


def _no_images(path: Path, listing: Listing) -> str:
    found = f"{len(listing.others)} other files ({', '.join(listing.others[:3])})" if listing.others else "no files"
    return (
        f"{path}: images (.jpg, .png, ...) are required in a folder or zip, and there are {found}. "
        "For tables, name the files: a glob such as data/*.csv."
    )


def _digest(names: Sequence[str], seen: Sequence[_Seen]) -> str:
    """Over every image file's name and bytes: equal for a folder and its zip."""
    digest = hashlib.sha256()
    for name, one in zip(names, seen, strict=True):
        digest.update(f"{name}\0{one.sha256}\n".encode())
    return digest.hexdigest()


def _read(frame: "pd.DataFrame") -> Finding:
    counts = traits(frame[IMAGE]).value_counts()
    shown = ", ".join(f"{kind} ({count:,})" for kind, count in counts.head(3).items())
    more = f" and {len(counts) - 3} more" if len(counts) > 3 else ""
    labels = f"; the label is the folder's name, {frame[LABEL].nunique()} of them" if LABEL in frame.columns else ""
    return Finding(
        code="data.images_read",
        severity=Severity.INFO,
        where=IMAGE,
        what=f"{len(frame):,} images of {shown}{more}{labels}",
        evidence={"images": len(frame), "sizes": {str(k): int(v) for k, v in counts.head(_SHOWN).items()}},
    )


def _unreadable(bad: Sequence[tuple[str, str]], total: int) -> list[Finding]:
    if not bad:
        return []
    shown = "; ".join(f"{name}: {why}" for name, why in bad[:3])
    return [
        Finding(
            code="data.images_unreadable",
            severity=Severity.WARNING,
            where=IMAGE,
            what=f"{len(bad):,} of {total:,} image files cannot be read and were left out ({shown})",
            why="An image that is damaged or no image shows nothing.",
            fix="Restore these files from a copy, or delete them",
            evidence={"files": len(bad), "total": total, "first": [name for name, _ in bad[:_SHOWN]]},
        )
    ]


def _others(listing: Listing) -> list[Finding]:
    if not listing.others:
        return []
    return [
        Finding(
            code="data.images_other_files",
            severity=Severity.INFO,
            where=IMAGE,
            what=f"{len(listing.others):,} files are no images by their name and were passed over "
            f"({', '.join(ascii(name)[1:-1] for name in listing.others[:3])})",
            evidence={"files": len(listing.others), "first": [ascii(name)[1:-1] for name in listing.others[:_SHOWN]]},
        )
    ]


def _two_labels(frame: "pd.DataFrame") -> list[Finding]:
    if LABEL not in frame.columns:
        return []
    labels = frame.groupby(IMAGE, sort=False)[LABEL].transform("nunique")
    mixed = frame[PATH][(labels > 1).to_numpy()]
    if mixed.empty:
        return []
    return [
        Finding(
            code="data.images_two_labels",
            severity=Severity.WARNING,
            where=LABEL,
            what=f"{len(mixed):,} images have a twin of equal pixels in another class ({', '.join(mixed.head(3))})",
            why="No model can tell them apart.",
            fix="Keep each of them in one folder",
            evidence={"images": len(mixed), "first": mixed.head(_SHOWN).tolist()},
        )
    ]
