"""What the parent of a distributed fit leaves for its workers, and what they leave for it: plain files, no pickle.

Arrays are mapped into memory, so all workers of a machine share them. The folder lies in the run's scratch space.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.core.errors import EXIT_INTERRUPTED, Stopped, TrainwrightError
from trainwright.core.findings import Finding, finding_from_json
from trainwright.core.jsonable import JsonValue
from trainwright.core.metrics import find
from trainwright.core.plan import ModelPlan
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.doctor.remedies import Planned, Policy, Remedy
from trainwright.engines.contract import Job, Table
from trainwright.fit.rules import Rules
from trainwright.run.files import read_json, write_json
from trainwright.run.folder import RunFolder

if TYPE_CHECKING:
    import numpy as np

STAGE = "fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A fit to be done by workers that share it by ``strategy``.

    ``started_s`` is the machine's monotonic clock when the run began.
    """

    job: Job
    rules: Rules
    strategy: str
    started_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the leader's fit ended: findings, and the error if there was one."""

    findings: tuple[Finding, ...]
    error: TrainwrightError | None


def folder_of(run: Path) -> Path:
    """Where the two sides of a distributed fit meet."""
    return RunFolder(run).scratch / "distributed"


def stop_file(run: Path) -> Path:
    """Exists when the workers shall stop; holds the signal's number."""
    return folder_of(run) / "stop"


def write_order(run: Path, order: Order) -> None:
    """Leave the work for the workers."""
    folder = folder_of(run)
    folder.mkdir(parents=True, exist_ok=True)
    job, rules = order.job, order.rules
    _write_table(folder, "train", job.train)
    if job.val is not None:
        _write_table(folder, "val", job.val)
    values = {
        "task": job.task,
        "num_classes": job.num_classes,
        "plan": job.plan,
        "feature_names": job.feature_names,
        "categorical": job.categorical,
        "category_sizes": job.category_sizes,
        "seed": str(job.seeds.root),  # 63 bits, more than JSON's readers promise
        "threads": job.threads,
        "device": job.device,
        "workdir": str(job.workdir.absolute()),
        "vocabulary": job.vocabulary,
        "has_val": job.val is not None,
    }
    told = {
        "watch": rules.watch.name,
        "primary": rules.primary.name,
        "patience": rules.patience,
        "min_delta": rules.min_delta,
        "deadline_s": rules.deadline_s,
        "checkpoint_every_s": rules.checkpoint_every_s,
        "keep_checkpoints": rules.keep_checkpoints,
        "repairs": rules.repairs,
    }
    write_json(
        folder / "order.json",
        {"job": values, "rules": told, "strategy": order.strategy, "started_s": order.started_s},
    )


def read_order(run: Path) -> Order:
    """Take up what `write_order` left."""
    folder = folder_of(run)
    document: Any = read_json(folder / "order.json")
    values, told = document["job"], document["rules"]
    task = Task(values["task"])
    job = Job(
        task=task,
        num_classes=values["num_classes"],
        plan=ModelPlan(**{**values["plan"], "notes": tuple(values["plan"]["notes"])}),
        train=_read_table(folder, "train"),
        val=_read_table(folder, "val") if values["has_val"] else None,
        feature_names=tuple(values["feature_names"]),
        categorical=tuple(values["categorical"]),
        category_sizes=tuple(values["category_sizes"]),
        seeds=Seeds(int(values["seed"])),
        threads=values["threads"],
        device=values["device"],
        workdir=Path(values["workdir"]),
        vocabulary=values["vocabulary"],
    )
    rules = Rules(
        watch=find(told["watch"], task),
        primary=find(told["primary"], task),
        patience=told["patience"],
        min_delta=told["min_delta"],
        deadline_s=told["deadline_s"],
        checkpoint_every_s=told["checkpoint_every_s"],
        keep_checkpoints=told["keep_checkpoints"],
        repairs=_policy(told["repairs"]),
    )
    return Order(job=job, rules=rules, strategy=document["strategy"], started_s=document["started_s"])


def _policy(told: Mapping[str, Any] | None) -> Policy | None:
    """What the doctor may do, read back."""
    if told is None:
        return None
    repeat = tuple(Planned(**{**one, "remedy": Remedy(**one["remedy"])}) for one in told["repeat"])
    return Policy(**{**told, "repeat": repeat})


def write_outcome(run: Path, findings: tuple[Finding, ...], error: TrainwrightError | None) -> None:
    """Say how the fit ended."""
    told: JsonValue = None
    if error is not None:
        told = {
            "kind": error.kind,
            "message": error.message,
            "exit_code": error.exit_code,
            "findings": [f.to_json() for f in error.findings],
        }
    write_json(folder_of(run) / "outcome.json", {"findings": [f.to_json() for f in findings], "error": told})


def read_outcome(run: Path) -> Outcome | None:
    """How the fit ended; None when the leader did not come to say it."""
    path = folder_of(run) / "outcome.json"
    if not path.is_file():
        return None
    document: Any = read_json(path)
    error = None if document["error"] is None else _error(document["error"])
    return Outcome(findings=tuple(finding_from_json(f) for f in document["findings"]), error=error)


def _error(told: Mapping[str, Any]) -> TrainwrightError:
    """The error of the leader, of the class it had."""
    findings = [finding_from_json(f) for f in told["findings"]]
    message = str(told["message"])
    if told["kind"] == Stopped.kind:
        return Stopped(message, by_user=told["exit_code"] == EXIT_INTERRUPTED, findings=findings)
    kinds = {kind.kind: kind for kind in TrainwrightError.__subclasses__() if kind is not Stopped}
    return kinds.get(str(told["kind"]), TrainwrightError)(message, findings=findings)


def _write_table(folder: Path, name: str, table: Table) -> None:
    import numpy as np

    assert isinstance(table.X, np.ndarray), "networks take dense rows"
    np.save(folder / f"{name}_X.npy", table.X, allow_pickle=False)
    np.save(folder / f"{name}_y.npy", table.y, allow_pickle=False)
    if table.weight is not None:
        np.save(folder / f"{name}_weight.npy", table.weight, allow_pickle=False)


def _read_table(folder: Path, name: str) -> Table:
    weight = folder / f"{name}_weight.npy"
    return Table(
        X=_mapped(folder / f"{name}_X.npy"),
        y=_mapped(folder / f"{name}_y.npy"),
        weight=_mapped(weight) if weight.is_file() else None,
    )


def _mapped(path: Path) -> "np.ndarray":
    """The array, shared with the other workers until somebody writes to it; an empty one cannot be mapped."""
    import numpy as np

    try:
        found: np.ndarray = np.load(path, mmap_mode="c", allow_pickle=False)
    except ValueError:
        found = np.load(path, allow_pickle=False)
    return found
