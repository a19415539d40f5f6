"""The table of our own metrics: what each is called, which way is better, and how classes are averaged."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from trainwright.core.tasks import Task

Needs: TypeAlias = Literal["labels", "probabilities", "values"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number about predictions.

    ``needs`` says what it reads: the most probable class, the probabilities, or one value a row (a regression's, or the
    nats a language model takes for a stretch of ``y`` characters). ``smooth`` is true
    when small changes of predictions move it, which early stopping wants; a metric of labels only moves when a label
    flips. ``average`` says how classes are combined. ``scorer`` is the scikit-learn scorer that computes it, for
    metrics outside our table. ``weighted`` is false where row weights have no effect on it. ``span`` is the distance
    from an uninformative model to a perfect one for bounded scores, and None for errors and unbounded scores.
    """

    name: str
    higher_is_better: bool
    tasks: frozenset[Task]
    needs: Needs
    smooth: bool
    average: str
    summary: str
    scorer: str = ""
    weighted: bool = True
    span: float | None = None

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Which way is better, as searches spell it."""
        return "maximize" if self.higher_is_better else "minimize"


BINARY = frozenset({Task.BINARY})
CLASSES = frozenset({Task.BINARY, Task.MULTICLASS})
VALUES = frozenset({Task.REGRESSION})
TEXT = frozenset({Task.LANGUAGE})


def _text(name: str, summary: str) -> Metric:
    return Metric(
        name=name,
        higher_is_better=False,
        tasks=TEXT,
        needs="values",
        smooth=True,
        average="characters",
        summary=summary,
        weighted=False,
    )


def _labels(name: str, average: str, summary: str, tasks: frozenset[Task] = CLASSES) -> Metric:
    return Metric(
        name=name,
        higher_is_better=True,
        tasks=tasks,
        needs="labels",
        smooth=False,
        average=average,
        summary=summary,
        span=1.0,
    )


def _ranking(name: str, span: float, summary: str) -> Metric:
    return Metric(
        name=name,
        higher_is_better=True,
        tasks=CLASSES,
        needs="probabilities",
        smooth=True,
        average="positive class if binary, else the mean over classes, each against the rest",
        summary=summary,
        span=span,
    )


def _error(name: str, needs: Needs, summary: str, *, average: str = "rows", smooth: bool = True) -> Metric:
    tasks = VALUES if needs == "values" else CLASSES
    return Metric(
        name=name, higher_is_better=False, tasks=tasks, needs=needs, smooth=smooth, average=average, summary=summary
    )


TABLE: tuple[Metric, ...] = (
    _ranking("roc_auc", 0.5, "chance that a random positive row ranks above a random negative one"),
    _ranking("pr_auc", 1.0, "average precision: the area under precision against recall, without interpolation"),
    _error("log_loss", "probabilities", "mean negative log of the probability given to the true class (nats)"),
    _error("brier", "probabilities", "mean squared distance of probabilities from the truth (halved if binary)"),
    _error(
        "calibration_error",
        "probabilities",
        "expected calibration error, 15 equal-width bins; 0 is perfectly calibrated",
        average="positive class if binary, else the most probable class",
        smooth=False,
    ),
    _labels("accuracy", "rows", "share of rows whose most probable class is right"),
    _labels("balanced_accuracy", "mean over classes", "recall, averaged over the classes that occur"),
    _labels("precision", "positive class", "share of right ones among rows predicted positive", BINARY),
    _labels("recall", "positive class", "share of positive rows that are found", BINARY),
    _labels("f1", "positive class", "harmonic mean of precision and recall of the positive class", BINARY),
    _labels("precision_macro", "mean over classes", "precision, every class counting the same"),
    _labels("recall_macro", "mean over classes", "recall, every class counting the same"),
    _labels("f1_macro", "mean over classes", "F1, every class counting the same"),
    _labels("precision_weighted", "classes by their rows", "precision, classes counting by their rows"),
    _labels("recall_weighted", "classes by their rows", "recall, classes counting by their rows: the accuracy"),
    _labels("f1_weighted", "classes by their rows", "F1, classes counting by their rows"),
    _labels("mcc", "all classes at once", "Matthews correlation of predicted and true classes; 0 is chance"),
    _error("rmse", "values", "root of the mean squared error, in the target's unit"),
    _error("mae", "values", "mean absolute error, in the target's unit"),
    Metric(
        name="r2",
        higher_is_better=True,
        tasks=VALUES,
        needs="values",
        smooth=True,
        average="rows",
        summary="share of the target's variance that is explained; the mean as prediction scores 0",
        span=1.0,
    ),
    _error("median_ae", "values", "median absolute error, in the target's unit", smooth=False),
    _error("mape", "values", "mean of |error| / |target|, as a fraction; only where no target is 0"),
    _error("rmsle", "values", "root of the mean squared error of log(1 + value); only where nothing is negative"),
    Metric(
        name="max_error",
        higher_is_better=False,
        tasks=VALUES,
        needs="values",
        smooth=False,
        average="worst row",
        summary="largest absolute error, in the target's unit",
        weighted=False,
    ),
    _text("bits_per_character", "mean bits the model needs for a character: cross entropy to base 2"),
    _text("nats_per_character", "mean negative log likelihood of a character, in nats"),
    _text("perplexity", "per character, not per token: the exponential of nats per character"),
)

BY_NAME = {metric.name: metric for metric in TABLE}

# Binary: ROC AUC depends on neither a threshold nor the share of positives, and 0.5 is chance in every data set.
# Multiclass: one-vs-rest AUC hides which class is confused with which and is noisy for rare classes; log loss is a
# proper score of all probabilities. Regression: RMSE is what squared-error training minimises, in the target's unit.
# Language: bits a character compare across tokenizers; a perplexity of tokens does not.
_DEFAULTS = {
    Task.BINARY: "roc_auc",
    Task.MULTICLASS: "log_loss",
    Task.REGRESSION: "rmse",
    Task.LANGUAGE: "bits_per_character",
}
# What a model of the task is trained to make small, as a metric: early stopping falls back on it.
_LOSSES = {Task.REGRESSION: "rmse", Task.LANGUAGE: "nats_per_character"}


def default_metric(task: Task) -> Metric:
    """The primary metric when the spec names none."""
    return BY_NAME[_DEFAULTS[task]]


def loss_metric(task: Task) -> Metric:
    """The smooth metric nearest to the training loss of a task."""
    return BY_NAME[_LOSSES.get(task, "log_loss")]


def metrics_for(task: Task) -> tuple[Metric, ...]:
    """Our metrics for a task, the default one first."""
    first = default_metric(task)
    return (first, *(m for m in TABLE if task in m.tasks and m is not first))
