"""TensorBoard: event files beside the runs, written by tensorboardX; TensorBoard itself is only needed to look at them.

A process that was killed leaves a file with a torn end, and so does a full disk. What is whole in it is read back, and
writing goes on in a new file; TensorBoard reads both.
"""

import os
import shutil
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from trainwright.run.files import sync_folder
from trainwright.spec.section import Section
from trainwright.trackers.contract import Description, Package, Point, TrackedRun, TrialRun

SUMMARY = "TensorBoard event files"
EXTRA = "tensorboard"
PACKAGES = ("tensorboardX",)
ENVIRONMENT: Mapping[str, str] = {}
_DELIVERED = "status"  # the tag that is written last


class Params(Section):
    """Options of TensorBoard."""

    dir: str | None = Field(
        None, description="The folder of all runs; tensorboard/ beside the run folders.", examples=["runs/tensorboard"]
    )


def open(params: Params, run: TrackedRun) -> "TensorBoard":
    """The run's folder there, which is made when something is written."""
    root = run.base / params.dir if params.dir else run.root / "tensorboard"
    return TensorBoard(root, run.folder.name)


class TensorBoard:
    """See `trainwright.trackers.contract.Tracker`. Trials are folders ``RUN-trial-N`` beside the run's."""

    def __init__(self, root: Path, name: str) -> None:
        self._root, self._name = root, name
        self.where = str(root / name)
        self._params: dict[str, str] = {}
        self._file: _File | None = None

    def known(self) -> Mapping[str, int]:
        """From the event files."""
        self._file = None  # after an error its end may be torn
        return last_steps(event for path in event_files(self._root / self._name) for event in events(path))

    def known_trials(self) -> frozenset[int]:
        """Folders of trials get their names when they are whole."""
        found = (path.name.rpartition("-trial-")[2] for path in self._root.glob(f"{self._name}-trial-*"))
        return frozenset(int(number) for number in found if number.isdigit())

    def describe(self, description: Description) -> None:
        """Parameters, tags and data as a text; parameters go into the table of hyperparameters too, with the scores."""
        self._params = dict(description.params)
        data = {f"data.{d.name}": f"{d.source}, {d.rows} rows, digest {d.digest}" for d in description.data}
        file = self._open()
        file.text("description", _table({**description.params, **description.tags, **data}))
        file.flush()

    def write(self, points: Sequence[Point]) -> None:
        """Scalars."""
        file = self._open()
        for point in points:
            file.scalar(point.name, point.value, point.at, point.time_s)
        file.flush()

    def trial(self, trial: TrialRun) -> None:
        """A folder of its own, which gets its name when it is whole."""
        target = self._root / f"{self._name}-trial-{trial.number:04d}"
        fresh = self._root / f".{target.name}.tmp"
        shutil.rmtree(fresh, ignore_errors=True)
        file = _File(fresh)
        for point in trial.points:
            file.scalar(point.name, point.value, point.at, point.time_s)
        scores = {} if trial.value is None else {trial.metric: trial.value}
        file.hparams(trial.params, {**scores, "trial_time": trial.seconds})
        file.text("description", _table({**trial.params, "state": trial.state, "reason": trial.reason}))
        file.close()
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
        sync_folder(self._root)

    def deliver(self, package: Package) -> None:
        """The final numbers, hyperparameters, plots and report."""
        if f"{_DELIVERED}/text_summary" in self.known():
            return
        file = self._open()
        for name, value in package.metrics.items():
            file.scalar(name, value, 0, time.time())
        file.hparams(self._params, {n: v for n, v in package.metrics.items() if n.startswith("final/")})
        for path in package.plots:
            file.image(f"plots/{path.stem}", path)
        file.text("tags", _table(package.tags))
        for path in package.documents:
            if path.suffix == ".md" and path.parent.name != "handoff":
                file.text(path.stem, path.read_text(encoding="utf-8"))
        file.text(_DELIVERED, "done")
        file.flush()

    def close(self, status: Literal["done", "stopped", "failed"]) -> None:
        """Close the file."""
        file = self._open()
        if status == "failed":
            file.text(_DELIVERED, status)
        file.close()

    def _open(self) -> "_File":
        if self._file is None:
            self._file = _File(self._root / self._name)
        return self._file


class _File:
    """A new event file, written by the calling thread: an error of the disk is raised where it happens."""

    def __init__(self, folder: Path) -> None:
        from tensorboardX.event_file_writer import EventsWriter

        folder.mkdir(parents=True, exist_ok=True)
        # its own name has the second only
        self._writer = EventsWriter(str(folder / "events"), f".{os.getpid()}.{time.time_ns()}")

    def scalar(self, name: str, value: float, step: int, time_s: float) -> None:
        """A point."""
        from tensorboardX.summary import scalar

        self._add(scalar(name, value), step, time_s)

    def text(self, name: str, content: str) -> None:
        """A text in Markdown."""
        from tensorboardX.summary import text

        self._add(text(name, content), 0, time.time())

    def image(self, name: str, path: Path) -> None:
        """A picture."""
        import numpy as np
        from PIL import Image
        from tensorboardX.summary import image

        pixels = np.asarray(Image.open(path).convert("RGB"))
        self._add(image(name, pixels, dataformats="HWC"), 0, time.time())

    def hparams(self, params: Mapping[str, str], scores: Mapping[str, float]) -> None:
        """A row in the table of hyperparameters."""
        from tensorboardX.summary import hparams

        for summary in hparams(dict(params), dict(scores)):
            self._add(summary, 0, time.time())
        for name, value in scores.items():
            self.scalar(name, value, 0, time.time())

    def flush(self) -> None:
        """Bring it to the disk."""
        self._writer.flush()

    def close(self) -> None:
        """Bring it to the disk and close it."""
        self._writer.close()

    def _add(self, summary: Any, step: int, time_s: float) -> None:  # a message of protobuf
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time_s, step=step, summary=summary))


def _table(values: Mapping[str, str]) -> str:
    rows = [f"| {name} | {' '.join(value.split()).replace('|', '/')} |" for name, value in sorted(values.items())]
    return "\n".join(["| name | value |", "| --- | --- |", *rows])


def event_files(folder: Path) -> list[Path]:
    """The event files of a run, oldest first."""
    return sorted(folder.glob("events.out.tfevents.*"))


def events(path: Path) -> Iterator[Any]:
    """The whole events of a file (``tensorboardX.proto.event_pb2.Event``).

    The format is TensorFlow's TFRecord: length (8 bytes), its checksum (4), the event, its checksum (4). What follows a
    torn record is left out, as TensorBoard leaves it out.
    """
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    content = path.read_bytes()
    position = 0
    while position + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, position)
        begin, end = position + 12, position + 12 + length
        if end + 4 > len(content):
            return
        (checksum,) = struct.unpack_from("<I", content, end)
        if masked_crc32c(content[begin:end]) != checksum:
            return
        yield Event.FromString(content[begin:end])
        position = end + 4


def last_steps(found: Iterator[Any]) -> dict[str, int]:
    """The last step of every tag."""
    last: dict[str, int] = {}
    for event in found:
        for value in event.summary.value:
            last[value.tag] = max(last.get(value.tag, -1), int(event.step))
    return last
