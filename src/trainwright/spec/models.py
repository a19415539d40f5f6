"""The spec as values. Frozen pydantic models, used only at the edge; `trainwright.spec.load` makes them.

Each field's description and first example are also what the JSON Schema and the messages show.
"""

from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    Field,
    PlainSerializer,
    StrictBool,
    StrictFloat,
    StrictInt,
    WithJsonSchema,
    model_validator,
)

from trainwright.core.units import Budget, Duration
from trainwright.spec.loop import Loop, Spread
from trainwright.spec.repairs import Repairs, RepairsField
from trainwright.spec.section import AnyCase, Section, lower, validated_by
from trainwright.spec.tracking import Trackers

Scalar: TypeAlias = bool | int | float | str | None

DURATION_PATTERN = (
    r"^\s*(\d+(\.\d+)?|(\d+(\.\d+)?\s*"
    r"([mM][sS]|[sS](ecs?|econds?)?|[mM](ins?|inutes?)?|[hH](rs?|ours?)?|[dD](ays?)?)\s*)+)\s*$"
)
_DURATION_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": DURATION_PATTERN, "description": "90s, 10m, 1h30m, 2 hours"},
        {"type": "number", "exclusiveMinimum": 0, "description": "seconds"},
    ]
}
_BUDGET_SCHEMA = {
    "anyOf": [
        {"type": "string", "description": "'50 trials', '1h' or '50 trials, 1h'"},
        {"type": "integer", "minimum": 1, "description": "trials"},
        {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {"trials": {"type": "integer", "minimum": 1}, "time": _DURATION_SCHEMA},
        },
    ]
}

_FRAMEWORK_SPELLINGS = {"scikit-learn": "sklearn", "scikit_learn": "sklearn", "torch": "pytorch", "tf": "tensorflow"}


def _duration(value: object) -> object:
    if value is None or isinstance(value, Duration):
        return value
    if isinstance(value, str | int | float):
        return Duration.parse(value)
    raise ValueError("a duration is needed, such as 90s, 10m or 1h30m")


def _budget(value: object) -> object:
    if value is None or isinstance(value, Budget):
        return value
    if isinstance(value, dict):
        return _budget_of_mapping(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        # pydantic collects ValueError only
        raise ValueError("a budget is needed, such as '50 trials', '1h' or '50 trials, 1h'")  # noqa: TRY004
    return Budget.parse(value)


def _budget_of_mapping(value: dict[str, object]) -> Budget:
    if unknown := sorted(set(value) - {"trials", "time"}):
        raise ValueError(f"a budget has the keys trials and time, not {unknown[0]!r}")
    trials, time = value.get("trials"), value.get("time")
    if trials is None and time is None:
        raise ValueError("a budget needs trials, time or both")
    if trials is not None and (isinstance(trials, bool) or not isinstance(trials, int) or trials < 1):
        raise ValueError(f"trials must be a whole number above zero, got {trials!r}")
    if time is not None and not isinstance(time, str | int | float):
        raise ValueError("time must be a duration, such as 10m")
    return Budget(trials=trials, time=None if time is None else Duration.parse(time))


def budget_text(budget: Budget | None) -> object:
    """The form a person writes."""
    if budget is None:
        return None
    parts = [f"{budget.trials} trials" if budget.trials else "", duration_text(budget.time) if budget.time else ""]
    return ", ".join(str(p) for p in parts if p)


def duration_text(duration: Duration) -> str:
    """A text that `Duration.parse` reads back to the same value."""
    try:
        if Duration.parse(str(duration)) == duration:
            return str(duration)
    except ValueError:
        pass
    exact = repr(duration.seconds)
    return f"{exact}s" if "e" not in exact else f"{Decimal(exact):f}s"


def _framework(value: object) -> object:
    lowered = lower(value)
    return _FRAMEWORK_SPELLINGS.get(lowered, lowered) if isinstance(lowered, str) else lowered


def _pipeline(value: object) -> object:
    if isinstance(value, str) and value.strip().endswith(".py"):
        return f"{value.strip()}:build"
    if value is None or isinstance(value, str | dict):
        return value
    raise ValueError("a feature pipeline is 'file.py:function', 'file.skops' or a mapping with steps")


DurationField = Annotated[
    Duration,
    validated_by(_duration),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema(_DURATION_SCHEMA),
]
BudgetField = Annotated[
    Budget | None,
    validated_by(_budget),
    PlainSerializer(budget_text),
    WithJsonSchema({"anyOf": [*_BUDGET_SCHEMA["anyOf"], {"type": "null"}]}),
]
# As a text: YAML within quotes, or a word that leaves it to the architect's document (`trainwright.spec.merge`).
FreeMapping = Annotated[
    dict[str, object], WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string", "minLength": 1}]})
]
Strategy = Annotated[Literal["auto", "random", "stratified", "group", "time"], AnyCase]
Names: TypeAlias = tuple[str, ...]
Fraction = Annotated[StrictFloat, Field(lt=1, allow_inf_nan=False)]


class Architecture(Section):
    """What to train."""

    artifact: str | None = Field(
        None,
        description="The architect's document: Markdown whose fenced yaml blocks are read; the spec wins over them.",
        examples=["artifacts/model-architecture-v0.1.md"],
    )
    model_type: str = Field(
        "auto",
        description="A model family (`trainwright families`), auto, a scikit-learn estimator by its import path, "
        "./file.py:Class, timm/NAME for images, or hf/PATH for a local Transformers checkpoint.",
        examples=["lightgbm"],
    )
    architecture_spec: FreeMapping = Field(
        default_factory=dict,
        description="Fixed model parameters by name; checked against the family's own list.",
        examples=[{"num_leaves": 63}],
    )


class Columns(Section):
    """Roles and kinds of columns, where the inferred ones are not right."""

    ignore: Names = Field((), description="Columns the model must not see.", examples=[["id"]])
    numeric: Names = Field((), description="Columns to read as numbers.", examples=[["age"]])
    categorical: Names = Field((), description="Columns to read as categories.", examples=[["zip_code"]])
    boolean: Names = Field((), description="Columns to read as true/false.", examples=[["is_member"]])
    datetime: Names = Field((), description="Columns to read as points in time.", examples=[["signup"]])
    text: Names = Field((), description="Columns to read as free text.", examples=[["comment"]])
    group: str | None = Field(
        None, description="Rows with the same value stay on one side of every split.", examples=["customer"]
    )
    time: str | None = Field(None, description="When a row was known; time splits order by it.", examples=["date"])
    weight: str | None = Field(None, description="Sample weights, not a feature.", examples=["weight"])


class Split(Section):
    """How rows are held out when no validation file is given."""

    val: Annotated[Fraction, Field(gt=0)] = Field(0.2, description="Fraction of rows for validation.", examples=[0.2])
    test: Annotated[Fraction, Field(ge=0)] = Field(
        0.2,
        description="Fraction of rows for the sealed test; 0 for none. With test_path its default is 0.",
        examples=[0.2],
    )
    strategy: Strategy = Field("auto", description="How rows are assigned.", examples=["stratified"])
    column: str | None = Field(None, description="The column of a group or time split.", examples=["customer"])
    duplicates: Annotated[Literal["together", "keep"], AnyCase] = Field(
        "together", description="Whether equal rows stay on one side.", examples=["together"]
    )


class Data(Section):
    """Where the rows are and what is predicted. Relative paths are relative to the spec."""

    train_path: str | None = Field(
        None,
        description="Training rows: csv[.gz|.zst], parquet, arrow, feather, jsonl, npz, or a glob of such files; or "
        "images: a folder of class folders, a zip, a folder inside a zip (photos.zip/train); or ./my_data.py:TrainSet.",
        examples=["data/train.csv"],
    )
    val_path: str | None = Field(
        None, description="Validation rows; then there is no `split`.", examples=["data/val.csv"]
    )
    test_path: str | None = Field(
        None, description="Test rows, read once, after the model is final.", examples=["data/test.csv"]
    )
    split: Split | None = Field(None, description="How rows are held out.", examples=[{"val": 0.2, "test": 0.2}])
    target: str | None = Field(
        None,
        description='The column to predict, or a comparison with one value: readmitted == "<30".',
        examples=["churned"],
    )
    stretch: Annotated[StrictInt, Field(ge=2)] | None = Field(
        None, description="Language models: characters a row of training text predicts.", examples=[256]
    )
    columns: Columns = Columns()
    missing_values: Names | None = Field(
        None, description="Texts that mean missing, instead of the usual ones.", examples=[["?", "NA"]]
    )
    feature_pipeline: Annotated[str | dict[str, object] | None, validated_by(_pipeline)] = Field(
        None,
        description="file.py:function (file.py is file.py:build), file.skops or {steps: [...]}.",
        examples=["features.py:build"],
    )

    @model_validator(mode="before")
    @classmethod
    def _given_test_rows_need_no_split(cls, values: object) -> object:
        """With a test file, the default of ``split.test`` is 0: nothing else is held out for a test."""
        if not isinstance(values, dict) or not values.get("test_path"):
            return values
        split = values.get("split")
        return {**values, "split": {"test": 0.0, **split}} if isinstance(split, dict) else values

    @property
    def holdout(self) -> Split | None:
        """The split in effect: the given one, else the default; None where validation rows come from a file."""
        if self.val_path is not None:
            return None
        return self.split or (Split(test=0.0) if self.test_path else Split())


class EarlyStopping(Section):
    """When training stops for lack of progress on validation rows."""

    patience: StrictInt | None = Field(
        None, gt=0, description="Rounds without progress; the family's own by default.", examples=[50]
    )
    min_delta: StrictFloat = Field(
        0.0, ge=0, allow_inf_nan=False, description="What counts as progress.", examples=[0.001]
    )
    metric: str | None = Field(None, description="What is watched; training.metric by default.", examples=["log_loss"])


class EveryEngine(Section):
    """Keys of ``training`` for every engine."""

    framework: Annotated[str, validated_by(_framework)] = Field(
        "auto", description="The engine; usually implied by model_type. Any case.", examples=["sklearn"]
    )
    device: Annotated[str, AnyCase] = Field("auto", description="auto, cpu, cuda, cuda:1 or mps.", examples=["cpu"])
    threads: StrictInt | None = Field(None, gt=0, description="CPU threads; all cores by default.", examples=[2])
    time_budget: DurationField | None = Field(
        None, description="For the whole run, search and report included.", examples=["10m"]
    )
    metric: str = Field("auto", description="The primary metric; validation decides by it.", examples=["roc_auc"])
    early_stopping: EarlyStopping | None = Field(
        EarlyStopping(), description="null switches it off.", examples=[{"patience": 50}]
    )
    rounds: StrictInt | None = Field(
        None, gt=0, description="Ceiling of boosting rounds, trees or epochs.", examples=[2000]
    )
    epochs: StrictInt | None = Field(None, gt=0, description="The same, as networks call it.", examples=[30])
    class_weight: Annotated[Literal["none", "sqrt", "balanced"], AnyCase] = Field(
        "none",
        description="Whether rare classes weigh more: so that all classes count the same, or the square root of that.",
        examples=["balanced"],
    )
    checkpoint_every: DurationField = Field(
        # 30 s: assumption, the work a killed run may lose at most.
        Duration(30.0),
        description="Time between checkpoints.",
        examples=["30s"],
    )
    repairs: RepairsField = Field(
        Repairs(), description="What the doctor may change while a training runs.", examples=["suggest"]
    )
    keep_checkpoints: StrictInt = Field(
        1, gt=0, description="Newest checkpoints that are kept, beside the best one.", examples=[3]
    )


class Training(Spread, Loop, EveryEngine):
    """How to train."""

    @property
    def limit(self) -> int | None:
        """The ceiling of rounds, trees or epochs, under whichever name."""
        return self.epochs if self.rounds is None else self.rounds


class CrossValidation(Section):
    """Folds over the training rows."""

    folds: StrictInt = Field(5, ge=2, description="Number of folds.", examples=[5])
    strategy: Strategy = Field("auto", description="How rows are assigned to folds.", examples=["stratified"])
    final: Annotated[Literal["refit", "ensemble"], AnyCase] = Field(
        "refit", description="One model on all training rows, or the folds' models together.", examples=["refit"]
    )


class Search(Section):
    """Hyperparameter search. Its score comes from validation rows, or from folds of the training rows."""

    method: Annotated[Literal["grid", "random", "bayesian"], AnyCase] = Field(
        "bayesian", description="How trials are chosen. Any case.", examples=["bayesian"]
    )
    sampler: Annotated[Literal["tpe", "gp"], AnyCase] = Field(
        "tpe", description="What proposes the trials of a bayesian search.", examples=["tpe"]
    )
    pruner: Annotated[Literal["auto", "none", "outlook", "median", "asha", "hyperband", "wilcoxon"], AnyCase] = Field(
        "auto", description="What ends a trial that cannot win.", examples=["median"]
    )
    budget: BudgetField = Field(None, description="Trials, time, or both.", examples=["50 trials"])
    search_space: FreeMapping = Field(
        default_factory=dict,
        description="Parameter -> {low, high, log, int, step, when} or a list of choices; empty: the family's own.",
        examples=[{"learning_rate": {"low": 0.01, "high": 0.3, "log": True}}],
    )
    folds: StrictInt | None = Field(
        None, ge=2, description="Score by so many folds of the training rows instead of validation rows.", examples=[5]
    )
    cheap_trials: StrictBool | None = Field(
        None,
        description="Whether trials begin on part of the rows; by default where the table is large.",
        examples=[True],
    )
    seeds: StrictInt = Field(
        3, ge=1, description="Seeds under which the best few are compared; 1: they are not.", examples=[3]
    )
    optimism: Annotated[Literal["bootstrap", "repeated", "nested"], AnyCase] = Field(
        "bootstrap",
        description="How the luck of picking the best of many is estimated: from the trials' predictions; by training "
        "the best few again on fresh divisions of the training rows; by doing the whole search again in each of "
        "optimism_folds outer folds.",
        examples=["nested"],
    )
    optimism_folds: StrictInt | None = Field(
        None, ge=2, description="Outer folds of a nested or repeated estimate; 5 by default.", examples=[5]
    )
    parallel: StrictInt = Field(
        1, ge=1, description="Processes that train trials at once; threads are divided among them.", examples=[2]
    )
    deterministic: StrictBool = Field(
        default=True,
        description="Whether trials in parallel are asked for in batches, so that no timing matters.",
        examples=[True],
    )
    storage: str | None = Field(
        None,
        description="An Optuna RDB URL that workers of several machines share (`trainwright search-worker`).",
        examples=["postgresql+psycopg://user@host/trials"],
    )


class Handoff(Section):
    """Who gets the package, and what they should look at."""

    to: str = Field("Agent 26 - Model Evaluator", description="The receiver.", examples=["Model Evaluator"])
    focus: str = Field(
        "Comprehensive evaluation and bias testing", description="Their task.", examples=["bias testing"]
    )


class Spec(Section):
    """A Trainwright spec: what to train, on which data, and within what limits."""

    name: str | None = Field(None, description="Names the run folder; the file's name by default.", examples=["churn"])
    # numpy's legacy generators and scikit-learn take 32 bits
    seed: StrictInt = Field(42, ge=0, le=2**32 - 1, description="The root of all randomness.", examples=[42])
    task: Annotated[Literal["auto", "binary", "multiclass", "regression", "language"], AnyCase] = Field(
        "auto",
        description="What kind of target; auto infers it and says so. language: the next character of a text.",
        examples=["binary"],
    )
    architecture: Architecture = Architecture()
    data: Data = Data()
    training: Training = Training()
    cross_validation: CrossValidation | None = Field(
        None, description="Folds over the training rows.", examples=[{"folds": 5}]
    )
    baselines: Names = Field(
        ("dummy", "linear"), description="Families to compare with.", examples=[["dummy", "linear"]]
    )
    hyperparameter_search: Search | None = Field(None, description="Search.", examples=[{"budget": "50 trials"}])
    checks: dict[str, StrictBool] = Field(
        default_factory=dict, description="Checks to lift: {name: false}. The report says so.", examples=[{}]
    )
    tracking: Trackers = Field(
        default_factory=dict,
        description="Trackers beside the run's own log: mlflow, wandb, tensorboard; names, or names with options.",
        examples=[["mlflow"]],
    )
    export: Names = Field(
        ("native",),
        description="Export formats: native, and those that are proved to predict the same (docs/exports.md).",
        examples=[["native", "onnx"]],
    )
    handoff: Handoff = Handoff()

    @model_validator(mode="before")
    @classmethod
    def _text_has_its_own_defaults(cls, values: object) -> object:
        """A language model is compared with n-grams, and judged on the last fifth of its text: a tenth each."""
        if not isinstance(values, dict) or lower(values.get("task")) != "language":
            return values
        data = values.get("data")
        if isinstance(data, dict) and not data.get("split") and not data.get("val_path"):
            test = 0.0 if data.get("test_path") else 0.1
            data = {**data, "split": {"val": 0.1, "test": test, "strategy": "time"}}
        return {"baselines": ("dummy", "ngram"), **values, **({} if data is None else {"data": data})}
