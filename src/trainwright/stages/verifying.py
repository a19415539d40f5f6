"""``trainwright verify``: the bytes of a folder against their hashes, and a repetition against the run it repeats."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainwright import __version__
from trainwright.core.errors import ArtifactRefused, Stopped, VerificationFailed
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.fit.recorder import Listener
from trainwright.run.files import read_json
from trainwright.run.folder import RunFolder, open_run
from trainwright.run.hashes import folder_hashes, sha256_file, sha256_value
from trainwright.run.manifest import FACTS, HANDOFF, SIGNATURE, Inspection, inspect, manifest_folder
from trainwright.run.signing import check_signature
from trainwright.stages import launch
from trainwright.stages.reports import Repetition, VerifyResult
from trainwright.stages.work import Work

_MOST_NAMED = 20  # files in one message (assumption: a screenful); all are findings
_COMPARED = ("metrics", "intervals")  # of run.json; the rest of it may say how the model was found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Different:
    path: str
    what: str


def verify_folder(folder: Path, *, key: Path | None) -> VerifyResult:
    """Check every hash of a run folder, or of a hand-off folder alone, and its signature where ``key`` is given.

    Raises:
        ArtifactRefused: no run and no hand-off, a damaged record, or a signature that does not hold.
        VerificationFailed: files differ from what was recorded; ``findings`` has one for each.
    """
    holder = manifest_folder(folder)
    signer = None if key is None else check_signature(holder, key)
    seen = inspect(folder)
    different = [_Different(path=d.path, what=d.sentence()) for d in seen.differences]
    is_run = holder != folder
    if is_run and not different:
        different += _recomputed(folder, seen)
    _raise_if(
        different, f"{folder}: {len(different)} of {seen.files} files are not what was recorded", "verify.changed"
    )
    findings = [_unlisted(seen)] if seen.unlisted else []
    if signer is None and (holder / SIGNATURE).is_file():
        findings.append(_unchecked_signature(holder))
    return VerifyResult(
        folder=folder,
        kind="run" if is_run else HANDOFF,
        files=seen.files,
        bytes=seen.bytes,
        elsewhere=seen.elsewhere,
        signed_by=signer,
        findings=tuple(findings),
    )


def _recomputed(folder: Path, seen: Inspection) -> list[_Different]:
    """What ``run.json`` says, against the manifest and against what the files themselves give."""
    record = read_json(RunFolder(folder).record)
    digests = record.get("digests")
    told = seen.manifest.get("digests")
    if not isinstance(digests, Mapping) or digests != told:
        return [_Different(path="run.json", what="its digests are not those of the manifest")]
    found = []
    if sha256_value({name: record.get(name) for name in FACTS}) != digests.get("facts"):
        found.append(_Different(path="run.json", what="its numbers are not those that digests.facts was made of"))
    if sha256_value(folder_hashes(RunFolder(folder).model)) != digests.get("model"):
        found.append(_Different(path="model/native", what="it is not the model that digests.model names"))
    return found


def _raise_if(different: Sequence[_Different], head: str, code: str, *, tail: str = "") -> None:
    if not different:
        return
    lines = [f"  {one.path}: {one.what}" for one in different[:_MOST_NAMED]]
    if len(different) > _MOST_NAMED:
        lines.append(f"  ... and {len(different) - _MOST_NAMED} more")
    raise VerificationFailed(
        "\n".join([f"{head}:", *lines, *([tail] if tail else [])]),
        findings=[Finding(code=code, severity=Severity.ERROR, where=one.path, what=one.what) for one in different],
    )


def _unlisted(seen: Inspection) -> Finding:
    shown = ", ".join(seen.unlisted[:5]) + (", ..." if len(seen.unlisted) > 5 else "")
    return Finding(
        code="verify.unlisted",
        severity=Severity.WARNING,
        where=str(seen.root),
        what=f"{len(seen.unlisted)} files are not in the manifest: {shown}",
        why="Nothing says what they should be.",
        fix="Remove them, or write the documents again with `trainwright report`",
        evidence={"files": list(seen.unlisted)},
    )


def _unchecked_signature(holder: Path) -> Finding:
    return Finding(
        code="verify.signature_not_checked",
        severity=Severity.WARNING,
        where=str(holder / SIGNATURE),
        what="the manifest is signed, and nobody asked by whom",
        fix="Name the signer's public key with --key",
    )


@contextmanager
def repeating(run: Path, *, root: Path, trust_code: bool, listener: Listener | None) -> Iterator[Work]:
    """Open a run of its own that repeats another one, from its ``resolved.yaml`` and on the same data.

    Raises:
        ArtifactRefused: the run is not done, or of another version.
        VerificationFailed: a data file is not what the run was trained on.
        Stopped: a signal came in; the repetition is not gone on with.
    """
    folder = open_run(run)
    record = read_json(folder.record)
    if record.get("status") != "done":
        raise ArtifactRefused(
            f"{run} is not finished, so there is nothing to repeat. `trainwright resume {run}` goes on."
        )
    if record.get("version") != __version__:
        raise ArtifactRefused(
            f"{run} was made by Trainwright {record.get('version')}, this is {__version__}: another version may train "
            f"another model. Repeat it with: pip install trainwright=={record.get('version')}"
        )
    started = record.get("launch")
    base = Path(str(started["base"])) if isinstance(started, Mapping) else Path.cwd()
    frames = launch.stored_frames(run)
    if frames is None:
        _check_data(folder, base)
    try:
        with launch.new_run(
            folder.path / "resolved.yaml",
            overrides=_overrides(record),
            root=root,
            frames=frames or {},
            trust_code=trust_code,
            listener=listener,
            base=base,
        ) as work:
            yield work
    except Stopped as error:
        raise Stopped(f"the repetition was stopped; {run} is as it was", by_user=error.by_user) from error


def _overrides(record: Mapping[str, JsonValue]) -> list[str]:
    """No clock: where it ended the training, as many rounds as it allowed."""
    model = record.get("model")
    if not _by_the_clock(record) or not isinstance(model, Mapping):
        return ["training.time_budget=null"]
    return ["training.time_budget=null", f"training.rounds={model.get('rounds_run')}", "training.epochs=null"]


def _check_data(folder: RunFolder, base: Path) -> None:
    """The files of the data, by the hashes of the fingerprint."""
    parts = read_json(folder.data / "fingerprint.json").get("files")
    different: list[_Different] = []
    for files in parts.values() if isinstance(parts, Mapping) else ():
        for file in files if isinstance(files, list) else ():
            if not isinstance(file, Mapping) or not isinstance(file.get("sha256"), str):
                continue
            name = str(file.get("file"))
            path = base / name
            if not path.exists():
                different.append(_Different(path=name, what=f"it is not there any more (looked in {base})"))
            elif path.is_file() and sha256_file(path) != file["sha256"]:
                different.append(_Different(path=name, what="its bytes are not those the run was trained on"))
    head = f"{folder.path}: {len(different)} data files differ, so the run cannot be repeated"
    _raise_if(different, head, "verify.data_differs")


def compare(run: Path, again: Path, *, kept: bool) -> Repetition:
    """A run and its repetition, bit for bit: every file of the model and of the predictions, and the scores.

    Raises:
        VerificationFailed: something differs; the message names each file and what may be the cause.
    """
    first, second = read_json(run / "run.json"), read_json(again / "run.json")
    parts = ("predictions",) if _by_the_clock(first) else ("model/native", "predictions")
    ours, theirs = (_to_compare(folder, parts) for folder in (run, again))
    different = []
    for path in sorted({*ours, *theirs}):
        if path not in theirs or path not in ours:
            different.append(_Different(path=path, what=f"only the {'run' if path in ours else 'repetition'} has it"))
        elif ours[path] != theirs[path]:
            different.append(_Different(path=path, what=_how_far(run, again, path)))
    other = [name for name in _COMPARED if first.get(name) != second.get(name)]
    if other:
        different.append(_Different(path="run.json", what=f"other {' and '.join(other)}"))
    causes = _causes(run, again, first)
    _raise_if(
        different,
        f"{run}: training again gave another result, {len(different)} files differ",
        "verify.retrain_differs",
        tail=f"The run declares: {_level(first)}. {causes}",
    )
    return Repetition(run=again if kept else None, files=len(ours), level=_level(first), notes=causes)


def _to_compare(run: Path, parts: Sequence[str]) -> dict[str, str]:
    return {f"{part}/{name}": digest for part in parts for name, digest in folder_hashes(run / part).items()}


def _how_far(run: Path, again: Path, path: str) -> str:
    """How far predictions lie apart; for other files only that they differ."""
    if not path.endswith(".parquet"):
        return f"sha256 {sha256_file(run / path)[:12]}..., repeated {sha256_file(again / path)[:12]}..."
    import pandas as pd

    one, two = pd.read_parquet(run / path), pd.read_parquet(again / path)
    if list(one.columns) != list(two.columns) or len(one) != len(two):
        return "other rows or columns"
    numbers = [c for c in one.columns if c != "row" and one[c].dtype.kind == "f" and two[c].dtype.kind == "f"]
    largest = max((float((one[c] - two[c]).abs().max()) for c in numbers), default=0.0)
    return f"predictions lie up to {largest:.3g} apart" if largest else "other labels, or other bytes for equal values"


def _by_the_clock(record: Mapping[str, JsonValue]) -> bool:
    """Whether the time budget ended the training."""
    model = record.get("model")
    return isinstance(model, Mapping) and model.get("stopped_by") == "time_budget"


def _level(record: Mapping[str, JsonValue]) -> str:
    determinism = record.get("determinism")
    return str(determinism.get("level")) if isinstance(determinism, Mapping) else "nothing about repetition"


def _causes(run: Path, again: Path, record: Mapping[str, JsonValue]) -> str:
    """What is not as it was: versions, the processor, the clock."""
    was, now = read_json(run / "environment.json"), read_json(again / "environment.json")
    before, after = was.get("packages"), now.get("packages")
    found: list[str] = []
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = sorted(n for n in {*before, *after} if before.get(n) != after.get(n))
        found += [f"{n} {before.get(n, 'absent')} then, {after.get(n, 'absent')} now" for n in names]
    for key in ("python", "platform"):
        if was.get(key) != now.get(key):
            found.append(f"{key} {was.get(key)} then, {now.get(key)} now")
    hardware, here = was.get("hardware"), now.get("hardware")
    if isinstance(hardware, Mapping) and isinstance(here, Mapping) and hardware.get("cpu") != here.get("cpu"):
        found.append(f"processor {hardware.get('cpu')} then, {here.get('cpu')} now")
    if _by_the_clock(record):
        found.append(
            "the time budget ended the run, and its number of rounds took the budget's place; the model's files hold "
            "that number, so only predictions were compared"
        )
    return f"Not as it was: {'; '.join(found)}." if found else "Versions and processor are those of the run."
