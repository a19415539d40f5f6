"""Small training jobs for the contract suite: each engine with each family that names it, on made-up tables."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from trainwright.core import registry
from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.engines._contract_language import text_job
from trainwright.engines.contract import Job, Table

if TYPE_CHECKING:
    import numpy as np

ROUNDS, EPOCHS = 12, 6
"""Few, so that the suite is quick; enough for several units with every engine. A network's epoch is eight steps."""

TRAIN_ROWS, VAL_ROWS = 240, 60

CLASSES = {Task.BINARY: 2, Task.MULTICLASS: 3, Task.REGRESSION: 0, Task.LANGUAGE: 0}
_ESTIMATORS = {
    Task.BINARY: "sklearn.linear_model.LogisticRegression",
    Task.MULTICLASS: "sklearn.linear_model.LogisticRegression",
    Task.REGRESSION: "sklearn.linear_model.Ridge",
    Task.LANGUAGE: "",
}


_SMALL: Mapping[str, Mapping[str, JsonValue]] = {
    "cnn": {"width": 8},
    "ft_transformer": {"n_blocks": 1, "d_block": 16, "attention_n_heads": 2, "learning_rate": 0.01},
    "gpt": {"width": 16, "layers": 1, "heads": 2, "buckets": 512},
    "gru": {"embedding": 16, "width": 16},
    "lstm": {"embedding": 16, "width": 16},
    "mlp": {"hidden_sizes": [64, 64]},
    "resnet": {"n_blocks": 1, "d_block": 32},
    "tabm": {"k": 4, "n_blocks": 1, "d_block": 32},
    "text_transformer": {"width": 16, "layers": 1, "heads": 2},
}
"""Sizes at which a network takes its steps in milliseconds."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a family is asked: the fields of its contract's ``Request``, which engines do not import."""

    task: Task
    num_classes: int
    rows: int
    columns: int
    rounds: int | None
    target_is_count: bool
    estimator: str
    image: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One engine with one family on one task."""

    engine: str
    family: str
    task: Task

    def __str__(self) -> str:
        """The test id."""
        return f"{self.engine}-{self.family}-{self.task.value}"

    def plan(self) -> ModelPlan:
        """The family's own defaults at a few rounds; networks narrow, so that the suite is about the engine."""
        family = registry.load("families", self.family)
        question = Question(
            task=self.task,
            num_classes=CLASSES[self.task],
            rows=TRAIN_ROWS,
            columns=6,
            rounds=None,
            target_is_count=False,
            estimator=_ESTIMATORS[self.task],
        )
        params = _SMALL.get(self.family, {})
        plan = cast("ModelPlan", family.build(params, question))
        if plan.unit == "fit":
            return plan
        rounds = EPOCHS if "recipe" in plan.options else ROUNDS
        return _small_steps(cast("ModelPlan", family.build(params, replace(question, rounds=rounds))))


def _small_steps(plan: ModelPlan) -> ModelPlan:
    """Networks see several batches an epoch, in units that end inside it."""
    recipe = plan.options.get("recipe")
    if not isinstance(recipe, Mapping):
        return plan
    small: dict[str, JsonValue] = {**recipe, "batch_size": 32, "checkpoint_steps": 5}
    return replace(plan, options={**plan.options, "recipe": small})


def engine_cases(*engines: str) -> list[Case]:
    """All cases of the engines of those names (default: of every engine found)."""
    wanted = engines or registry.names("engines")
    found = [(name, registry.load("families", name)) for name in registry.names("families")]
    return [
        Case(engine, name, task)
        for engine in wanted
        for name, family in found
        if engine in family.ENGINES
        for task in sorted(family.TASKS & registry.load("engines", engine).CAPABILITIES.tasks)
        if _runs_on(Case(engine, name, task))
    ]


def _runs_on(case: Case) -> bool:
    """Whether the family's plan for the task is for this engine: one with several engines chooses by task."""
    return case.family == "sklearn" or case.plan().engine == case.engine


def make_job(
    case: Case,
    workdir: Path,
    *,
    plan: ModelPlan | None = None,
    threads: int = 1,
    seed: int = 7,
    layout: Literal["dense", "sparse"] = "dense",
    weighted: bool = False,
    with_val: bool = True,
) -> Job:
    """A small training job in the feature style of the plan."""
    plan = plan or case.plan()
    if plan.features in ("tokens", "language"):
        return text_job(
            case.task,
            CLASSES[case.task],
            plan,
            workdir,
            threads=threads,
            seed=seed,
            weighted=weighted,
            rows=(TRAIN_ROWS, VAL_ROWS),
            with_val=with_val,
        )
    train, sizes = make_table(case.task, plan.features, TRAIN_ROWS, stream=1, layout=layout, weighted=weighted)
    val, _ = make_table(case.task, plan.features, VAL_ROWS, stream=2, layout=layout, weighted=False)
    workdir.mkdir(parents=True, exist_ok=True)
    columns = int(train.X.shape[1])
    return Job(
        task=case.task,
        num_classes=CLASSES[case.task],
        plan=plan,
        train=train,
        val=val if with_val else None,
        feature_names=tuple(f"column {i}, [{i}]" for i in range(columns)),
        categorical=tuple(range(columns - len(sizes), columns)),
        category_sizes=sizes,
        seeds=Seeds(seed),
        threads=threads,
        device="cpu",
        workdir=workdir,
    )


def make_table(
    task: Task, style: FeatureStyle, rows: int, *, stream: int, layout: Literal["dense", "sparse"], weighted: bool
) -> tuple[Table, tuple[int, ...]]:
    """Rows whose target depends on two numbers and a category, and the sizes of the category columns (the last ones).

    In the native style some cells are missing, and one category column has no known category at all.
    """
    import numpy as np
    import scipy.sparse

    draw = np.random.default_rng(stream)
    numbers = draw.normal(size=(rows, 4))
    if layout == "sparse":
        numbers[np.abs(numbers) < 0.7] = 0.0
    codes = draw.integers(0, 5, rows).astype(np.float64)
    signal = 2 * numbers[:, 0] - numbers[:, 1] + (codes % 2) * 2 + draw.normal(scale=0.1, size=rows)
    y: np.ndarray = signal
    if task is not Task.REGRESSION:
        classes = CLASSES[task]
        y = np.digitize(signal, np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1])).astype(np.int64)
    sizes: tuple[int, ...] = ()
    if style == "image":
        return Table(X=_painted(signal, draw), y=y, weight=_weights(draw, rows) if weighted else None), ()
    if style in ("native", "ordinal") and layout == "dense":
        known, sizes = (np.full(rows, np.nan), (5, 0)) if style == "native" else (np.zeros(rows), (5, 1))
        numbers = np.column_stack([numbers, codes, known])
        if style == "native":
            numbers[draw.random(numbers.shape) < 0.05] = np.nan
    elif style == "nonnegative":
        numbers = np.clip((numbers + 3) / 6, 0, 1)
    weight = _weights(draw, rows) if weighted else None
    matrix = scipy.sparse.csr_matrix(numbers) if layout == "sparse" else numbers
    return Table(X=matrix, y=y, weight=weight), sizes


def _weights(draw: "np.random.Generator", rows: int) -> "np.ndarray":
    import numpy as np

    return np.where(draw.random(rows) < 0.5, 0.05, 5.0)


def _painted(signal: "np.ndarray", draw: "np.random.Generator") -> "np.ndarray":
    """Small colour images, (rows, 3, 16, 16) uint8: noise whose red brightens with the signal."""
    import numpy as np

    images = draw.normal(128, 20, (len(signal), 3, 16, 16))
    images[:, 0] += 15 * signal[:, None, None]
    return images.clip(0, 255).astype(np.uint8)
