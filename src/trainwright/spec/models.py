"""The spec as values. Frozen pydantic models, used only at the edge; `trainwright.spec.load` makes them."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from trainwright.core.units import Budget, Duration

Scalar: TypeAlias = bool | int | float | str | None


def _duration(value: object) -> object:
    return Duration.parse(value) if isinstance(value, str | int | float) else value


def _budget(value: object) -> object:
    return Budget.parse(value) if isinstance(value, str | int) else value


DurationField = Annotated[Duration, BeforeValidator(_duration)]


class Section(BaseModel):
    """Base of every section: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Architecture(Section):
    artifact: str | None = None
    model_type: str = "auto"
    architecture_spec: dict[str, object] = Field(default_factory=dict)


class Columns(Section):
    ignore: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    boolean: tuple[str, ...] = ()
    datetime: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    weight: str | None = None


class Split(Section):
    val: float = 0.2
    test: float = 0.2
    strategy: Literal["auto", "random", "stratified", "group", "time"] = "auto"
    column: str | None = None
    duplicates: Literal["together", "keep"] = "together"


class Data(Section):
    train_path: str | None = None
    val_path: str | None = None
    test_path: str | None = None
    split: Split | None = None
    target: str | None = None
    columns: Columns = Columns()
    missing_values: tuple[str, ...] | None = None
    feature_pipeline: str | dict[str, object] | None = None


class EarlyStopping(Section):
    patience: int | None = None
    min_delta: float = 0.0
    metric: str | None = None


class Training(Section):
    framework: str = "auto"
    device: str = "auto"
    threads: int | None = None
    time_budget: DurationField | None = None
    metric: str = "auto"
    early_stopping: EarlyStopping | None = EarlyStopping()
    rounds: int | None = None
    class_weight: Literal["none", "balanced"] = "none"
    checkpoint_every: DurationField = Duration(30.0)


class CrossValidation(Section):
    folds: int = 5
    strategy: Literal["auto", "random", "stratified", "group", "time"] = "auto"
    final: Literal["refit", "ensemble"] = "refit"


class Search(Section):
    method: Literal["grid", "random", "bayesian"] = "bayesian"
    budget: Annotated[Budget | None, BeforeValidator(_budget)] = None
    search_space: dict[str, object] = Field(default_factory=dict)


class Handoff(Section):
    to: str = "Agent 26 - Model Evaluator"
    focus: str = "Comprehensive evaluation and bias testing"


class Spec(Section):
    name: str | None = None
    seed: int = 42
    task: Literal["auto", "binary", "multiclass", "regression"] = "auto"
    architecture: Architecture = Architecture()
    data: Data
    training: Training = Training()
    cross_validation: CrossValidation | None = None
    baselines: tuple[str, ...] = ("dummy", "linear")
    hyperparameter_search: Search | None = None
    checks: dict[str, bool] = Field(default_factory=dict)
    tracking: tuple[str, ...] = ()
    export: tuple[str, ...] = ("native",)
    handoff: Handoff = Handoff()
