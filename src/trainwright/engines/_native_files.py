"""The files a boosting session writes: ``state.json`` to go on from, ``model.json`` beside a native model file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.core.tasks import Task
from trainwright.engines.contract import Job, NativeFile

_FORMAT = 1
STATE_JSON = "state.json"
MODEL_JSON = "model.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """What must be known to predict with a native model file; written as ``model.json``.

    ``sparse``: trained on CSR rows. ``link`` names how raw scores become predictions where the library leaves that to
    the caller (CatBoost): ``identity``, ``exp``, ``sigmoid`` or ``softmax``.
    """

    engine: str
    version: str
    task: Task
    num_classes: int
    features: int
    categorical: tuple[int, ...]
    category_sizes: tuple[int, ...]
    sparse: bool
    rounds: int
    file: str
    link: str = "identity"

    def write(self, folder: Path) -> None:
        """Write ``model.json`` with the hash of the native file, which is in ``folder`` already."""
        text = dumps({"format": _FORMAT, **_fields(self), "sha256": file_hash(folder / self.file)}, indent=2)
        (folder / MODEL_JSON).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, engine: str) -> "ModelFile":
        """Read ``model.json`` and hold the native file against its hash, before anything parses it.

        Raises:
            ArtifactRefused: a file is missing or damaged, or belongs to another engine or format.
        """
        document = _document(folder / MODEL_JSON)
        if document.get("engine") != engine:
            raise ArtifactRefused(
                f"{folder / MODEL_JSON} is a model of engine {document.get('engine')!r}, not {engine!r}"
            )
        try:
            found = cls(
                engine=engine,
                version=str(document["version"]),
                task=Task(document["task"]),
                num_classes=int(document["num_classes"]),
                features=int(document["features"]),
                categorical=tuple(int(i) for i in document["categorical"]),
                category_sizes=tuple(int(i) for i in document["category_sizes"]),
                sparse=bool(document["sparse"]),
                rounds=int(document["rounds"]),
                file=str(document["file"]),
                link=str(document["link"]),
            )
            expected = str(document["sha256"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactRefused(f"{folder / MODEL_JSON} is damaged: {error!r}") from error
        if Path(found.file).name != found.file:
            raise ArtifactRefused(f"{folder / MODEL_JSON} names a file outside its folder: {found.file!r}")
        checked_bytes(folder / found.file, expected)
        return found

    def native_file(self, folder: Path) -> NativeFile:
        """The native file, with what turns the library's answer into predictions."""
        about: dict[str, JsonValue] = {
            "task": self.task.value,
            "categorical": list(self.categorical),
            "sparse": self.sparse,
            "link": self.link,
        }
        return NativeFile(package=self.engine, file=folder / self.file, about=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a training stood. ``model_digest``: sha256 of the model's bytes then; empty before the first round.

    ``files`` maps the names of the native files beside it to their sha256.
    """

    rounds: int
    model_digest: str
    files: Mapping[str, str]

    def write(self, folder: Path, identity: Mapping[str, JsonValue]) -> None:
        """Write ``state.json``; ``identity`` is what a session must share to go on from it."""
        text = dumps({"format": _FORMAT, "identity": identity, **_fields(self)}, indent=2)
        (folder / STATE_JSON).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, identity: Mapping[str, JsonValue], *, rounds_limit: int) -> "State":
        """Read ``state.json`` and hold every file beside it against its hash.

        Raises:
            ArtifactRefused: damaged, or of another engine, version, configuration, data or thread count.
        """
        document = _document(folder / STATE_JSON)
        saved = document.get("identity")
        if not isinstance(saved, dict):
            raise ArtifactRefused(f"{folder / STATE_JSON} is damaged: it has no identity")
        wanted = json.loads(dumps(identity))
        different = sorted(k for k in {*saved, *wanted} if saved.get(k) != wanted.get(k))
        if different:
            said = "; ".join(f"{k}: saved {saved.get(k)!r}, now {wanted.get(k)!r}" for k in different)
            raise ArtifactRefused(f"{folder / STATE_JSON} belongs to another training ({said}). Start the run anew")
        rounds, digest, files = document.get("rounds"), document.get("model_digest"), document.get("files")
        if not (isinstance(rounds, int) and 0 <= rounds <= rounds_limit) or not isinstance(digest, str):
            raise ArtifactRefused(f"{folder / STATE_JSON} is damaged: rounds {rounds!r}")
        if not isinstance(files, dict) or any(Path(name).name != name for name in files):
            raise ArtifactRefused(f"{folder / STATE_JSON} is damaged: files {files!r}")
        for name, expected in files.items():
            checked_bytes(folder / name, str(expected))
        return cls(rounds=rounds, model_digest=digest, files=files)


def identity_of(job: Job, *, version: str) -> dict[str, JsonValue]:
    """Everything a training's bytes depend on, small enough for a JSON file."""
    return {
        "engine": job.plan.engine,
        "version": version,
        "task": job.task.value,
        "num_classes": job.num_classes,
        "params": job.plan.params,
        "rounds_limit": job.plan.rounds,
        "seed": str(job.seeds.root),
        "threads": job.threads,
        "shape": [int(n) for n in job.train.X.shape],
        "categorical": job.categorical,
        "data": _data_digest(job),
    }


def digest(content: bytes) -> str:
    """sha256, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_hash(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checked_bytes(path: Path, expected: str) -> None:
    """Hold a file against its hash.

    Raises:
        ArtifactRefused: it is missing, or has other content.
    """
    try:
        found = file_hash(path)
    except OSError as error:
        raise ArtifactRefused(f"cannot read {path}: {error}") from error
    if found != expected:
        raise ArtifactRefused(f"{path} is damaged: its sha256 is {found[:12]}..., {expected[:12]}... was recorded")


def _data_digest(job: Job) -> str:
    """A hash over the targets, the weights and up to 1,000 evenly spaced feature rows: cheap at any size."""
    import numpy as np

    hasher = hashlib.sha256(np.ascontiguousarray(job.train.y).tobytes())
    if job.train.weight is not None:
        hasher.update(np.ascontiguousarray(job.train.weight).tobytes())
    sample = job.train.X[:: max(1, job.train.rows // 1000)]
    dense = sample if isinstance(sample, np.ndarray) else sample.toarray()
    hasher.update(np.ascontiguousarray(dense, dtype=np.float64).tobytes())
    return hasher.hexdigest()


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactRefused(f"cannot read {path}: {error}") from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ArtifactRefused(f"{path} is not of format {_FORMAT} of Trainwright")
    return document


def _fields(value: ModelFile | State) -> dict[str, object]:
    return {name: getattr(value, name) for name in type(value).__slots__}
