"""From the spec's data section to a `Dataset`: read, target, split, kinds, canonical parts."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.code_files import is_code
from trainwright.core.errors import DataRefused, SpecError
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.data.dataset import Dataset, Target
from trainwright.data.divide import divide
from trainwright.data.images import refuse_without_classes
from trainwright.data.kinds import ignored_finding
from trainwright.data.language import load_language
from trainwright.data.named import Named, named_columns, read_as_text
from trainwright.data.own_data import read_own, refuse_untrusted
from trainwright.data.parts import Source, make_parts, seal
from trainwright.data.read import FileFacts, RawTable, read_table, table_from_frame
from trainwright.data.target import encode_target, settle_target

if TYPE_CHECKING:
    import pandas as pd

    from trainwright.spec.models import Data

_PARTS = ("train", "val", "test")


def load_dataset(
    data: "Data",
    *,
    task: str,
    seed: int,
    base: Path,
    frames: "Mapping[str, pd.DataFrame] | None" = None,
    scratch: Path | None = None,
) -> Dataset:
    """Read and split everything the spec names; nothing about features is decided from rows outside training.

    ``frames`` (keys train, val, test) stand in for paths. Relative paths start from ``base``. ``scratch`` says that the
    user allowed code: a data set of the user's own may be run, and its values are kept there, as long as the data set
    that is returned is used.

    Raises:
        SpecError: no target, or a column named in the spec that the table does not have.
        DataRefused: the data cannot be used; the message says why and what to do.
    """
    if task == Task.LANGUAGE:
        return load_language(data, base=base, frames=frames or {})
    tables = _read_all(data, base, frames or {}, scratch)
    findings = [f for table in tables.values() for f in table.findings]
    fingerprint = _fingerprint({part: table.files for part, table in tables.items()}, base)
    named = named_columns(data, [str(c) for c in tables["train"].frame.columns], tables["train"].known)
    sources, target, more = _with_targets(tables, named, task)
    findings += more
    del tables
    schema, rows, split, more = divide(sources, data, named, target, Seeds(seed))
    findings += more
    findings += [
        ignored_finding(c)
        for c in schema.columns
        if c.role == "ignored" and c.name not in {*named.ignored, *named.known}
    ]
    parts, drift, more = make_parts(sources, rows, schema, named)
    findings += more + drift.get("val", [])
    test = seal(parts["test"], schema, named, drift.get("test", [])) if "test" in parts else None
    return Dataset(
        schema=schema,
        target=target,
        train=parts["train"],
        val=parts["val"],
        test=test,
        split=split,
        fingerprint=fingerprint,
        memory_bytes=sum(int(p.frame.memory_usage(deep=True).sum()) + p.y.nbytes for p in parts.values()),
        findings=tuple(findings),
    )


def _read_all(
    data: "Data", base: Path, frames: "Mapping[str, pd.DataFrame]", scratch: Path | None
) -> dict[str, RawTable]:
    paths = {"train": data.train_path, "val": data.val_path, "test": data.test_path}
    tables: dict[str, RawTable] = {}
    as_text = set(read_as_text(data))
    for part in _PARTS:
        path = paths[part]
        if part in frames:
            table = table_from_frame(frames[part], missing_values=data.missing_values, text_columns=as_text)
        elif path is not None and is_code(path):
            if scratch is None:
                refuse_untrusted(path, where=f"data.{part}_path")
            table = read_own(path, base=base, scratch=scratch / part, where=f"data.{part}_path", with_target=True)
        elif path is not None:
            table = read_table(path, missing_values=data.missing_values, base=base, text_columns=as_text)
        else:
            continue
        refuse_without_classes(table, data.target)
        tables[part] = table
        as_text |= {str(c) for c in table.frame.columns if table.frame[c].dtype.kind not in "iufM"}
    if "train" not in tables:
        raise SpecError("data.train_path is required: the file with the training rows.")
    if len(tables["train"].frame) == 1:
        raise DataRefused("training needs several rows, and the table has one. Bring more rows.")
    return tables


def _with_targets(
    tables: Mapping[str, RawTable], named: Named, task: str
) -> tuple[dict[str, Source], Target, list[Finding]]:
    import numpy as np

    findings: list[Finding] = []
    sources: dict[str, Source] = {}
    target, more = settle_target(
        tables["train"].frame[named.target], expression=named.expression, value=named.value, task=task
    )
    findings += more
    first_row = 0
    for part, table in tables.items():
        if named.target not in table.frame.columns:
            raise DataRefused(
                f"{table.files[0].path}: the target column {named.target!r} is required, and it is missing."
            )
        y = encode_target(table.frame[named.target], target, value=named.value)
        kept = np.flatnonzero(~np.isnan(y))
        if len(kept) == 0:
            raise DataRefused(f"{table.files[0].path}: the target {named.target!r} is missing in every row.")
        if len(kept) < len(y):
            findings.append(_without_target(named.target, part, np.flatnonzero(np.isnan(y)).tolist(), len(y)))
        sources[part] = Source(frame=table.frame, first_row=first_row, y=y, kept=kept)
        first_row += len(table.frame)
    return sources, target, findings


def _without_target(name: str, part: str, rows: list[int], total: int) -> Finding:
    return Finding(
        code="data.target_missing",
        severity=Severity.WARNING,
        where=name,
        what=f"{len(rows)} of {total} {part} rows have no target and were left out (first rows: "
        f"{', '.join(map(str, rows[:5]))}, counted from 0)",
        why="A row without a target teaches nothing and tests nothing.",
        evidence={"rows": len(rows), "total": total, "first": rows[:5], "part": part},
    )


def _fingerprint(files: Mapping[str, tuple[FileFacts, ...]], base: Path) -> dict[str, JsonValue]:
    """Each part's files by name; the digest depends on the bytes and their order, not on names or places."""
    listed: dict[str, JsonValue] = {}
    for part, facts in files.items():
        listed[part] = [
            {"file": _name(one.path, base), "sha256": one.sha256, "bytes": one.bytes, "rows": one.rows} for one in facts
        ]
    digest = hashlib.sha256(dumps({part: [f.sha256 for f in facts] for part, facts in files.items()}).encode())
    return {"files": listed, "digest": digest.hexdigest()}


def _name(path: Path, base: Path) -> str:
    try:
        return path.resolve().relative_to(base.resolve()).as_posix()
    except ValueError:
        return path.name
