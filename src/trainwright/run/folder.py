"""The run folder: where everything is."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from trainwright.core.errors import ArtifactRefused, ResourceMissing


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
        raise ArtifactRefused(f"{path} is no run folder: it holds no run.json. `trainwright runs` lists the runs.")
    return RunFolder(path)
