"""Small jobs for the engine's tests, and what is done with them."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np

from trainwright.core.plan import ModelPlan
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.engines.contract import Job, Table
from trainwright.engines.torch.session import TorchSession

ROWS = 200


def table(task=Task.REGRESSION, rows=ROWS, *, kind="table", seed=0, weighted=False):
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.2, 3.0, rows) if weighted else None
    if kind == "language":
        X = rng.integers(1, 7, (rows, 9)).astype(np.int32)
        X[: rows // 4, 6:] = 0
        return Table(X=X, y=(X[:, 1:] != 0).sum(1).astype(np.float64), weight=weight)
    signal = rng.normal(size=rows)
    if kind == "image":
        X = (rng.normal(128, 20, (rows, 3, 8, 8)) + 20 * signal[:, None, None, None]).clip(0, 255).astype(np.uint8)
    else:
        X = rng.normal(size=(rows, 5))
        X[:, 0] = signal
    y = 100 + 7 * signal
    if task is not Task.REGRESSION:
        classes = 2 if task is Task.BINARY else 3
        y = np.digitize(signal, np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1])).astype(np.int64)
    return Table(X=X, y=y, weight=weight)


def make_job(
    task=Task.REGRESSION, *, kind="table", rows=ROWS, epochs=3, params=None, threads=1, weighted=False, val=True,
    data=None, **recipe,
):  # fmt: skip
    plan = ModelPlan(
        family="tiny", engine="torch", estimator="tiny", params=params or {}, rounds=epochs, patience=0,
        features=kind if kind != "table" else "native", loss="", unit="epoch", accepts_sparse=False,
        options={"recipe": {"batch_size": 32, "optimizer": {"lr": 0.01}, "statistics_every": 4, **recipe}},
    )  # fmt: skip
    train = data or table(task, rows, kind=kind, weighted=weighted)
    return Job(
        task=task, num_classes={Task.BINARY: 2, Task.MULTICLASS: 3}.get(task, 0), plan=plan, train=train,
        val=table(task, 40, kind=kind, seed=1) if val else None, feature_names=tuple(map(str, range(train.X.shape[1]))),
        categorical=(), category_sizes=(), seeds=Seeds(3), threads=threads, device="cpu",
        workdir=Path(tempfile.gettempdir()), vocabulary=8 if kind == "language" else 0,
    )  # fmt: skip


def weights_of(job):
    """The weights at the end of a training."""
    session = TorchSession(job)
    for _ in session.units():
        pass
    found = {name: t.clone() for name, t in session._network.state_dict().items()}
    session.close()
    return found


def exported(session, folder):
    folder.mkdir(parents=True)
    session.export(folder)
    hasher = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        hasher.update(path.read_bytes())
    return hasher.hexdigest()


def same(a, b):
    """Whether two states are equal, bit for bit."""
    return a.keys() == b.keys() and all(bool((a[k] == b[k]).all()) for k in a)


def largest_difference(a, b):
    return max(float((a[k] - b[k]).abs().max()) for k in a)
