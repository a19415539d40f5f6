"""The run folder: where everything is."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from trainwright.core.errors import ArtifactRefused, ResourceMissing
from trainwright.core.jsonable import JsonValue


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of one run; see docs/run-folder.md for what each holds."""

    path: Path

    @property
    def record(self) -> Path:
        """``run.json``."""
        return self.path / "run.json"

    @property
    def log(self) -> Path:
        """``training_log.jsonl``."""
        return self.path / "training_log.jsonl"

    @property
    def data(self) -> Path:
        """What is known of the data: schema, fingerprint, split."""
        return self.path / "data"

    @property
    def model(self) -> Path:
        """The native model with its feature pipeline, sealed by hashes."""
        return self.path / "model" / "native"

    @property
    def predictions(self) -> Path:
        """Stored predictions of the selected model."""
        return self.path / "predictions"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints by name."""
        return self.path / "checkpoints"

    @property
    def scratch(self) -> Path:
        """Work space of engines; nothing in it outlives a stage."""
        return self.path / ".scratch"


def create_run(root: Path, name: str, now: datetime) -> RunFolder:
    """Make a new run folder ``NAME-YYYYMMDD-HHMM-xxxx`` under ``root``.

    Raises:
        ResourceMissing: ``root`` is a file or cannot be written.
    """
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "run"
    path = root / f"{slug}-{now:%Y%m%d-%H%M}-{secrets.token_hex(2)}"
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise ResourceMissing(f"cannot make the run folder {path}: {error.strerror or error}") from error
    return RunFolder(path)


def open_run(path: Path) -> RunFolder:
    """The run in an existing folder.

    Raises:
        ArtifactRefused: there is no run in it.
    """
    if not (path / "run.json").is_file():
        raise ArtifactRefused(f"{path} is no run folder: {_instead(path)}")
    return RunFolder(path)


def unfinished(path: Path, record: Mapping[str, JsonValue]) -> ArtifactRefused:
    """What to say where a finished run is required: why this one is none, and what to do."""
    error = record.get("error")
    if record.get("status") == "failed" and isinstance(error, Mapping):
        why = " ".join(line.strip() for line in str(error.get("message", "")).splitlines())
        return ArtifactRefused(
            f"a finished run is required, and {path} failed: {why} When the cause is mended, "
            f"`trainwright resume {path}` goes on with the same spec; `trainwright train` begins anew with another."
        )
    return ArtifactRefused(f"{path} is not finished. `trainwright resume {path}` goes on with it.")


def _instead(path: Path) -> str:
    """What a place without a run is, and what to name."""
    if not path.is_dir():
        return "there is no such folder. `trainwright runs` lists the runs in runs/."
    inside = sorted(found.parent.name for found in path.glob("*/run.json"))
    if inside:
        return f"it holds runs. Name one of them, such as {path / inside[-1]}; `trainwright runs {path}` lists them."
    return "it holds no run.json. `trainwright runs` lists the runs in runs/."
