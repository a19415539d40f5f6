"""Weights & Biases: offline beside the runs where there is no key, else to the service.

The library writes every record of a run to a file of its own first, online too. A resume reads what is whole in it, and
goes on with the same id: on the service it is one run.
"""

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from trainwright.core.jsonable import JsonValue
from trainwright.run.files import write_json
from trainwright.spec.section import AnyCase, Section
from trainwright.trackers._content import model_files
from trainwright.trackers.contract import Axis, Description, Package, Point, TrackedRun, TrialRun

SUMMARY = "Weights & Biases"
EXTRA = "wandb"
PACKAGES = ("wandb",)
ENVIRONMENT: Mapping[str, str] = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
_BLOCK, _HEADER = 32768, 7  # of LevelDB's log format
_TAGS = "trainwright"
_NO_HOST = "unnamed"  # an empty one is filled in
_FLUSH_S = 0.2  # between writes of the record file, which is what a resume reads (its default is 15 s)


class Params(Section):
    """Options of W&B. Its key comes from ``WANDB_API_KEY`` or ``wandb login``, never from a spec."""

    project: str | None = Field(None, description="The project; the spec's name by default.", examples=["churn"])
    entity: str | None = Field(None, description="The user or team.", examples=["my-team"])
    mode: Annotated[Literal["auto", "online", "offline"], AnyCase] = Field(
        "auto", description="auto: online where WANDB_API_KEY is set, else offline.", examples=["offline"]
    )
    dir: str | None = Field(
        None, description="The folder of its files; that of the run folders by default.", examples=["runs"]
    )


def open(params: Params, run: TrackedRun) -> "Wandb":
    """Begin the run, or go on with it under its id."""
    root = run.base / params.dir if params.dir else run.root
    mode: Literal["online", "offline"] = "online" if os.environ.get("WANDB_API_KEY") else "offline"
    if params.mode != "auto":
        mode = params.mode
    place = Place(root=root, project=params.project or run.name, entity=params.entity, mode=mode, id=run.key)
    tracker = Wandb(place, run)
    where: dict[str, JsonValue] = {"id": place.id, "project": place.project, "entity": place.entity, "mode": mode}
    write_json(run.state("wandb"), where)
    return tracker


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run is: ``root/wandb`` holds its files, ``id`` stands for it."""

    root: Path
    project: str
    entity: str | None
    mode: Literal["online", "offline"]
    id: str

    def files(self, run_id: str) -> list[Path]:
        """The record files of a run here, oldest first: one for each process that worked on it."""
        return sorted((self.root / "wandb").glob(f"*run-*-{run_id}/run-{run_id}.wandb"))


class Wandb:
    """See `trainwright.trackers.contract.Tracker`. Trials are runs of the same group, with the job type ``trial``."""

    def __init__(self, place: Place, run: TrackedRun) -> None:
        self._place, self._group, self._folder = place, run.folder.name, run.folder
        self._run = self._begin(place.id, run.folder.name, "train")
        self._axes: set[str] = set()
        url = self._run.url if place.mode == "online" else None
        self.where = str(url or f"{place.root / 'wandb'} (id {place.id})")

    def known(self) -> Mapping[str, int]:
        """From the files."""
        return last_steps(self._place.files(self._place.id))

    def known_trials(self) -> frozenset[int]:
        """Trials whose files have an end."""
        found = (self._place.root / "wandb").glob(f"*run-*-{self._place.id}-t*/*.wandb")
        whole = [path.stem.rpartition("-t")[2] for path in found if any(r.HasField("exit") for r in records(path))]
        return frozenset(int(number) for number in whole if number.isdigit())

    def describe(self, description: Description) -> None:
        """Parameters, tags and data go into the config."""
        data = {d.name: {"digest": d.digest, "source": d.source, "rows": d.rows} for d in description.data}
        self._run.config.update(
            {**description.params, _TAGS: dict(description.tags), "data": data}, allow_val_change=True
        )

    def write(self, points: Sequence[Point]) -> None:
        """A row for each position of an axis; each series is shown over its own."""
        self._log(self._run, points, self._axes)

    def trial(self, trial: TrialRun) -> None:
        """A run of its own."""
        run = self._begin(f"{self._place.id}-t{trial.number}", f"trial {trial.number}", "trial")
        run.config.update(dict(trial.params), allow_val_change=True)
        written = last_steps(self._place.files(run.id))
        self._log(run, [p for p in trial.points if p.at > written.get(p.name, -1)], set())
        run.summary.update({trial.metric: trial.value, "state": trial.state, "seconds": trial.seconds})
        run.finish(exit_code=0 if trial.state != "failed" else 1)

    def deliver(self, package: Package) -> None:
        """The final numbers, plots, documents, and the model as an artifact."""
        import wandb

        self._run.summary.update(dict(package.metrics))
        self._run.config.update({_TAGS: dict(package.tags)}, allow_val_change=True)
        if package.plots:
            self._run.log({f"plots/{path.stem}": wandb.Image(str(path)) for path in package.plots})
        report = wandb.Artifact(f"{self._place.id}-report", type="report")
        for path in package.documents:
            report.add_file(str(path), name=path.relative_to(self._folder).as_posix())
        self._run.log_artifact(report)
        model = wandb.Artifact(f"{self._place.id}-model", type="model", metadata=dict(package.tags))
        for name, path in model_files(self._folder):
            model.add_file(str(path), name=name)
        self._run.log_artifact(model)

    def close(self, status: Literal["done", "stopped", "failed"]) -> None:
        """End the run; a stopped one goes on under the same id."""
        self._run.summary["status"] = status
        self._run.finish(exit_code=0 if status == "done" else 1)

    def _begin(self, run_id: str, name: str, kind: str) -> Any:
        import wandb

        settings = wandb.Settings(
            silent=True,
            console="off",
            save_code=False,
            disable_git=True,
            x_disable_stats=True,  # what the training takes is measured in its own process
            x_disable_meta=True,  # user and command line
            x_disable_machine_info=True,
            host=_NO_HOST,
            x_save_requirements=False,
            x_transaction_log_flush_interval=_FLUSH_S,
            init_timeout=30,
        )
        self._place.root.mkdir(parents=True, exist_ok=True)
        return wandb.init(
            project=self._place.project,
            entity=self._place.entity,
            mode=self._place.mode,
            dir=str(self._place.root),
            id=run_id,
            name=name,
            group=self._group,
            job_type=kind,
            resume="allow",
            reinit="create_new",
            settings=settings,
        )

    def _log(self, run: Any, points: Sequence[Point], axes: set[str]) -> None:
        for point in points:
            if point.name not in axes:
                run.define_metric(point.axis)
                run.define_metric(point.name, step_metric=point.axis)
                axes.add(point.name)
        ordered = sorted(points, key=_row)  # stable: positions rise within each series
        for (axis, at), row in groupby(ordered, key=_row):
            run.log({axis: at, **{point.name: point.value for point in row}})


def _row(point: Point) -> tuple[Axis, int]:
    return point.axis, point.at


def last_steps(paths: Sequence[Path]) -> dict[str, int]:
    """The last position of every series in record files; 0 for a number that is none."""
    import json

    last: dict[str, int] = {}
    for path in paths:
        for record in records(path):
            for one in record.summary.update:
                last.setdefault(one.key or "/".join(one.nested_key), 0)
            row = {(i.key or "/".join(i.nested_key)): i.value_json for i in record.history.item}
            axis = next((a for a in ("round", "step", "trial") if a in row), None)
            if axis is not None:
                at = int(json.loads(row[axis]))
                last |= {name: max(at, last.get(name, -1)) for name in row}
    return last


def records(path: Path) -> Iterator[Any]:
    """The whole records of a ``.wandb`` file (``wandb.proto.wandb_internal_pb2.Record``).

    The format is LevelDB's log after a header of 7 bytes: blocks of 32 KiB, in them parts of records, each with a
    checksum (4 bytes), its length (2) and a kind (1: whole, 2: first, 3: middle, 4: last). A torn end is left out.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    content = path.read_bytes()
    position, parts = _HEADER, b""
    while position + _HEADER <= len(content):
        left = _BLOCK - position % _BLOCK
        if left < _HEADER:
            position += left
            continue
        length, kind = struct.unpack_from("<HB", content, position + 4)
        end = position + _HEADER + length
        if end > len(content) or kind not in (1, 2, 3, 4):
            return
        parts = (b"" if kind in (1, 2) else parts) + content[position + _HEADER : end]
        if kind in (1, 4):
            yield Record.FromString(parts)
        position = end
