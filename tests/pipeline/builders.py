"""Small tables, specs, and the real command in a process of its own."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from tests.pipeline.warm import Copy, warm

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 180.0

Json: TypeAlias = dict[str, Any]
Process: TypeAlias = "subprocess.Popen[str] | Copy"
TaskName: TypeAlias = Literal["binary", "multiclass", "regression"]


def table(task: TaskName = "binary", *, rows: int = 320, seed: int = 0) -> pd.DataFrame:
    """Numbers, a category and gaps; the target ``y`` follows them with noise, so that a model can beat a guess."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, 3)).round(6), columns=["x0", "x1", "x2"])
    frame["colour"] = rng.choice(["red", "green", "blue"], rows)
    signal = frame.x0 + 0.7 * frame.x1 + (frame.colour == "red") + 0.4 * rng.normal(size=rows)
    frame.loc[rng.random(rows) < 0.1, "x2"] = np.nan
    if task == "regression":
        frame["y"] = (signal * 10 + 50).round(6)
    elif task == "binary":
        frame["y"] = np.where(signal > 0.3, "yes", "no")
    else:
        frame["y"] = np.array(["high", "low", "mid"])[np.searchsorted([-0.4, 0.8], signal)]
    return frame


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Json:
        """The one JSON object on standard output; anything beside it is a failure."""
        assert self.stdout.endswith("}\n"), self.stdout + self.stderr
        assert self.stdout.count("\n") == 1, self.stdout
        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        return value

    @property
    def run(self) -> Path:
        """The run folder that the command names."""
        return Path(self.json["run"])


def environment() -> dict[str, str]:
    """The environment of a command: the source tree of this checkout, no colours."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}


def start(*arguments: str | Path, cwd: Path) -> "subprocess.Popen[str]":
    """The command, started in an interpreter of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "trainwright", *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: Process) -> Done:
    """Wait for a started command."""
    stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode is not None
    return ended(process.returncode, stdout, stderr)


def ended(code: int, stdout: str, stderr: str) -> Done:
    """What a command left; a traceback is never acceptable."""
    assert "Traceback" not in stderr + stdout, stderr
    assert "internal error" not in stderr + stdout, stderr + stdout
    return Done(returncode=code, stdout=stdout, stderr=stderr)


def command(*arguments: str | Path, cwd: Path, fresh: bool = False) -> Done:
    """The command, run to its end; ``fresh``: in an interpreter of its own, not in a copy of a loaded one."""
    return finish(start(*arguments, cwd=cwd) if fresh else copied(*arguments, cwd=cwd))


def copied(*arguments: str | Path, cwd: Path) -> Copy:
    """The command, started in a copy of a loaded process."""
    return warm().start([*map(str, arguments)], cwd=cwd, environment=environment())


def spec(
    model: str = "lightgbm",
    *,
    params: Mapping[str, object] | None = None,
    data: Mapping[str, object] | None = None,
    training: Mapping[str, object] | None = None,
    **sections: object,
) -> Json:
    """A spec for ``data.csv`` with few rounds, one thread and no comparison but a guess."""
    return {
        "name": "tiny",
        "architecture": {"model_type": model, "architecture_spec": dict(params or {})},
        "data": {"train_path": "data.csv", "target": "y", **(data or {})},
        "training": {"threads": 1, **(training or {})},
        "baselines": ["dummy"],
        **sections,
    }


@dataclass(frozen=True)
class Project:
    """A folder with ``data.csv`` and ``spec.yaml``, where commands are run; ``fresh`` as in `command`."""

    folder: Path
    fresh: bool = False

    def write(self, wanted: Mapping[str, object], frame: pd.DataFrame | None = None, **others: pd.DataFrame) -> None:
        """Write the spec (JSON is YAML), ``data.csv``, and ``NAME.csv`` for each further frame."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "spec.yaml").write_text(json.dumps(wanted))
        for name, one in {"data": frame, **others}.items():
            if one is not None:
                one.to_csv(self.folder / f"{name}.csv", index=False)

    def __call__(self, *arguments: str | Path) -> Done:
        """Run a command here."""
        return command(*arguments, cwd=self.folder, fresh=self.fresh)

    def train(self, *options: str) -> Path:
        """Train ``spec.yaml``, which must succeed; the run folder."""
        done = self("train", "spec.yaml", "--json", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.folder / done.run

    def start(self, *arguments: str | Path) -> Process:
        """Start a command here."""
        begin = start if self.fresh else copied
        return begin(*arguments, cwd=self.folder)

    def only_run(self) -> Path:
        """The one run folder below ``runs``."""
        (run,) = (self.folder / "runs").iterdir()
        return run


def record(run: Path) -> Json:
    """``run.json``."""
    value = json.loads((run / "run.json").read_text())
    assert isinstance(value, dict)
    return value


def digests(run: Path) -> Json:
    """What must be equal when two runs came to the same: model, predictions, every number of the report."""
    found = record(run)["digests"]
    assert isinstance(found, dict)
    return {name: found[name] for name in ("data", "model", "predictions", "facts")}


def events(run: Path) -> list[Json]:
    """The lines of ``training_log.jsonl``."""
    return [json.loads(line) for line in (run / "training_log.jsonl").read_text().splitlines()]


def staged(run: Path) -> Iterator[tuple[str, Json]]:
    """Every event with the stage it belongs to: the one last started."""
    stage = ""
    for event in events(run):
        if event["event"] == "started":
            stage = event["stage"]
        yield stage, event


def points(run: Path, kind: str = "trained") -> list[tuple[str, int]]:
    """Stage and step of every event of a kind, in the order of the log."""
    return [(stage, event["step"]) for stage, event in staged(run) if event["event"] == kind]


def started(run: Path) -> list[str]:
    """The stages in the order in which they began."""
    return [event["stage"] for event in events(run) if event["event"] == "started"]


def codes(found: Sequence[Mapping[str, Any]]) -> set[str]:
    """The codes of findings."""
    return {str(finding["code"]) for finding in found}


def predictions(run: Path, part: str) -> pd.DataFrame:
    """Stored predictions of a part."""
    return pd.read_parquet(run / "predictions" / f"{part}.parquet")


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_nothing_torn(run: Path) -> None:
    """Whatever stands under its final name, also in the folder of a killed run, is whole: JSON, Parquet, hashes."""
    for path in run.rglob("*"):
        if any(part.startswith(".") for part in path.relative_to(run).parts):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".parquet":
            pd.read_parquet(path)
        if path.name == "hashes.json":
            listed = json.loads(path.read_text())["sha256"]
            files = {p.relative_to(path.parent).as_posix(): sha256(p) for p in path.parent.rglob("*") if p.is_file()}
            files.pop("hashes.json")
            assert files == listed, path


def assert_whole(run: Path) -> None:
    """A finished run: nothing torn, every line of the log an event, the manifest right, nothing temporary left."""
    assert_nothing_torn(run)
    assert events(run)[-1]["event"] in ("finished", "found")
    assert_manifest(run)
    left = [p.relative_to(run).as_posix() for p in run.rglob(".*") if p.name not in (".lock", ".tracking")]
    assert left == [], "temporary files"


def assert_manifest(run: Path) -> None:
    """The manifest lists every file of the run with its hash and size."""
    listed = {one["path"]: one for one in json.loads((run / "handoff" / "manifest.json").read_text())["artifacts"]}
    files = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
    visible = {name for name in files if not any(part.startswith(".") for part in Path(name).parts)}
    assert set(listed) == visible - {"handoff/manifest.json"}
    for name, entry in listed.items():
        path = run / name
        if entry.get("append_only"):
            content = path.read_bytes()[: entry["bytes"]]
            assert hashlib.sha256(content).hexdigest() == entry["sha256"], name
        elif name != "run.json":  # it goes on changing: it says when the hand-off was written
            assert (sha256(path), path.stat().st_size) == (entry["sha256"], entry["bytes"]), name
