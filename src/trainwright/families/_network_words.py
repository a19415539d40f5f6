"""What the network families share: the parameters of training, and how parameters become a plan with a recipe.

Published search spaces hold parameters of the network and of its training side by side, so a user may write both under
``architecture_spec``; `network_plan` moves the latter into ``options["recipe"]``, in the words of the torch engine's
recipe. Families do not import engines; a test of the engine reads the recipe of every family.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import Task
from trainwright.families import _booster_words as words
from trainwright.families._param_rules import NOT_NEGATIVE, Rule, Vocabulary, number, whole
from trainwright.families.contract import ParamProblem, Request

RECIPE_RULES: Mapping[str, Rule] = {
    "learning_rate": number(0, above=True),
    "weight_decay": NOT_NEGATIVE,
    "batch_size": whole(1),
    "label_smoothing": number(0, 1, below=True),
}
DROPOUT = number(0, 1, below=True)
WIDTH = whole(1)
AUTO = ("learning_rate", "batch_size")
"""Parameters that may be ``auto``: the engine finds them, and says so."""

ALIASES: Mapping[str, str] = {
    "lr": "learning_rate",
    "wd": "weight_decay",
    "batchsize": "batch_size",
    "ls_eps": "label_smoothing",
}
DECIDED: Mapping[str, str] = {
    **dict.fromkeys(("random_state", "seed", "random_seed"), words.SEED),
    **dict.fromkeys(("epochs", "n_epochs", "num_epochs", "max_epochs", "max_iter", "rounds"), words.ROUNDS_FIX),
    **dict.fromkeys(("patience", "early_stopping", "es_patience"), words.STOPPING),
    **dict.fromkeys(("metric", "eval_metric"), words.METRIC),
    **dict.fromkeys(("n_jobs", "num_threads", "threads"), words.THREADS),
    **dict.fromkeys(("class_weight", "class_weights", "pos_weight"), words.WEIGHTS),
    **dict.fromkeys(("num_classes", "n_classes", "outputs", "d_out", "num_outputs"), words.CLASSES),
    **dict.fromkeys(("inputs", "d_in", "num_features", "n_features", "in_features"), "leave it out: the data decides"),
    **dict.fromkeys(("cat_features", "categorical_features", "cat_cardinalities"), words.CATEGORICAL),
    "device": words.DEVICE,
    **{
        name: f"set `training.{name}`"
        for name in (
            "optimizer",
            "scheduler",
            "loss",
            "precision",
            "clip_norm",
            "accumulate",
            "ema",
            "compile",
            "num_workers",
            "betas",
            "momentum",
        )
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A family's published training: ``recipe`` holds keys of the engine's recipe beside those of `RECIPE_RULES`.

    ``epochs`` is the ceiling, ``patience`` a number of epochs, or with ``patience_share`` a share of the ceiling (for
    schedules in cycles, whose worst point is the middle of one).
    """

    epochs: int
    patience: int = 0
    patience_share: float = 0.0
    optimizer: Mapping[str, JsonValue] = field(default_factory=lambda: {"name": "adamw"})
    scheduler: Mapping[str, JsonValue] = field(default_factory=lambda: {"name": "constant"})
    recipe: Mapping[str, JsonValue] = field(default_factory=dict)

    def patience_of(self, epochs: int) -> int:
        """The default patience for that ceiling."""
        return max(1, round(self.patience_share * epochs)) if self.patience_share else self.patience


def vocabulary(family: str, rules: Mapping[str, Rule], aliases: Mapping[str, str]) -> Vocabulary:
    """The parameter names of a network family, with those of its training."""
    return Vocabulary(
        package=family,
        rules={**rules, **RECIPE_RULES},
        decided={name: fix for name, fix in DECIDED.items() if name not in rules},
        aliases={**ALIASES, **aliases},
        native_aliases=dict,
    )


def check(known: Vocabulary, params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """Names, types and limits; and label smoothing of a target without labels."""
    named, found = known.translate(params)
    found += known.value_problems({n: v for n, v in named.items() if not (n in AUTO and v == "auto")})
    if request.task is Task.REGRESSION and named.get("label_smoothing"):
        what = "a regression target has no labels to smooth"
        found.append(ParamProblem(name="label_smoothing", what=what, fix="leave it out"))
    return found


def widths_problem(name: str, value: JsonValue, example: str) -> list[ParamProblem]:
    """Whether a list of layer widths is one."""
    if isinstance(value, list | tuple) and value and all(type(w) is int and w > 0 for w in value):
        return []
    what = f"must be a list of layer widths of at least 1, got {value!r}"
    return [ParamProblem(name=name, what=what, fix=f"write for example {example}")]


def merged(
    known: Vocabulary, params: Mapping[str, JsonValue], defaults: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """User parameters over defaults, in canonical names; whole numbers as int."""
    values = {**defaults, **known.translate(params)[0]}
    return {name: _plain(known.rules[name], value) for name, value in values.items()}


def network_plan(
    family: str, values: Mapping[str, JsonValue], request: Request, training: Training, features: FeatureStyle
) -> ModelPlan:
    """The plan of a network: what is the network's own in ``params``, what is its training's in the recipe."""
    epochs = request.rounds or training.epochs
    classify = request.task.is_classification
    recipe: dict[str, JsonValue] = {
        **training.recipe,
        "batch_size": values["batch_size"],
        "label_smoothing": values["label_smoothing"] if classify else 0.0,
        "optimizer": {
            **training.optimizer,
            "lr": values["learning_rate"],
            "weight_decay": values["weight_decay"],
        },
        "scheduler": dict(training.scheduler),
    }
    return ModelPlan(
        family=family,
        engine="torch",
        estimator=family,
        params={name: value for name, value in values.items() if name not in RECIPE_RULES},
        rounds=epochs,
        patience=training.patience_of(epochs),
        features=features,
        loss=_loss(request.task, values["label_smoothing"]),
        unit="epoch",
        accepts_sparse=False,
        accepts_weights=True,
        options={"recipe": recipe},
    )


def _loss(task: Task, smoothing: JsonValue) -> str:
    if task is Task.LANGUAGE:
        return "cross entropy of the next token"
    if task is Task.REGRESSION:
        return words.REGRESSION_LOSS["squared_error"]
    smoothed = f" with labels smoothed by {smoothing:g}" if isinstance(smoothing, int | float) and smoothing else ""
    return words.CLASSIFICATION_LOSS[task] + smoothed


def _plain(rule: Rule, value: JsonValue) -> JsonValue:
    if rule.kind == "whole" and isinstance(value, float):
        return int(value)
    return list(value) if isinstance(value, tuple) else value
