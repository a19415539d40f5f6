"""Small jobs of token ids for the contract suite: texts of a table, and stretches of one text."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.plan import ModelPlan
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.engines.contract import Job, Table

if TYPE_CHECKING:
    import numpy as np

VOCABULARY, LENGTH = 12, 9
GUESS_NATS = math.log(VOCABULARY - 2)
"""What a guess among all tokens takes for one."""


def text_job(
    task: Task,
    num_classes: int,
    plan: ModelPlan,
    workdir: Path,
    *,
    threads: int,
    seed: int,
    weighted: bool,
    rows: tuple[int, int],
    with_val: bool,
) -> Job:
    """A job whose rows are token ids; ``rows`` counts training and validation rows."""
    train, val = (
        text_table(task, num_classes, count, stream=stream, weighted=weighted and stream == 1)
        for stream, count in enumerate(rows, start=1)
    )
    workdir.mkdir(parents=True, exist_ok=True)
    return Job(
        task=task,
        num_classes=num_classes,
        plan=plan,
        train=train,
        val=val if with_val else None,
        feature_names=("text",),
        categorical=(),
        category_sizes=(),
        seeds=Seeds(seed),
        threads=threads,
        device="cpu",
        workdir=workdir,
        vocabulary=VOCABULARY,
    )


def text_table(task: Task, num_classes: int, rows: int, *, stream: int, weighted: bool) -> Table:
    """Rows padded on the right, one of them empty. The target is how often one token occurs; a language model's tokens
    follow each other by a rule with some noise, the first ones of a row being context."""
    import numpy as np

    draw = np.random.default_rng(stream)
    weight = np.where(draw.random(rows) < 0.5, 0.05, 5.0) if weighted else None
    if task is Task.LANGUAGE:
        X = _stretches(rows, draw)
        return Table(X=X, y=(X[:, 1:] > 0).sum(1).astype(np.float64), weight=weight)
    X = draw.integers(2, VOCABULARY, (rows, LENGTH)).astype(np.int32)
    X[np.arange(LENGTH) >= draw.integers(LENGTH // 2, LENGTH + 1, rows)[:, None]] = 0
    X[0] = 0
    often = (X < 5).sum(1) - (X == 0).sum(1) + draw.normal(scale=0.1, size=rows)
    y: np.ndarray = often
    if task is not Task.REGRESSION:
        y = np.digitize(often, np.quantile(often, np.linspace(0, 1, num_classes + 1)[1:-1])).astype(np.int64)
    return Table(X=X, y=y, weight=weight)


def _stretches(rows: int, draw: "np.random.Generator") -> "np.ndarray":
    """Each token is the one before plus one, three times in four; half of the rows begin with two of context."""
    import numpy as np

    X = np.empty((rows, LENGTH), dtype=np.int32)
    X[:, 0] = draw.integers(2, VOCABULARY, rows)
    for at in range(1, LENGTH):
        follows = (X[:, at - 1] - 1) % (VOCABULARY - 2) + 2
        X[:, at] = np.where(draw.random(rows) < 0.75, follows, draw.integers(2, VOCABULARY, rows))
    X[: rows // 2, :2] *= -1
    X[-1, LENGTH // 2 :] = 0
    X[-2, 0] = 0
    return X
