"""From what somebody wrote to a `Metric`: our names, aliases, and every scikit-learn scorer name."""

import difflib
import re

from trainwright.core.errors import SpecError
from trainwright.core.metrics.definitions import BY_NAME, Metric, metrics_for
from trainwright.core.metrics.scorers import scorer_metric, scorer_names
from trainwright.core.tasks import Task

# Names other libraries and people use. A scorer name stands here when our table has the same number.
_ALIASES = {
    "auc": "roc_auc", "auroc": "roc_auc", "rocauc": "roc_auc", "roc": "roc_auc", "roc_auc_score": "roc_auc",
    "roc_auc_ovr": "roc_auc",
    "ap": "pr_auc", "average_precision": "pr_auc", "average_precision_score": "pr_auc", "aucpr": "pr_auc",
    "auc_pr": "pr_auc", "auprc": "pr_auc", "prauc": "pr_auc",
    "logloss": "log_loss", "neg_log_loss": "log_loss", "binary_logloss": "log_loss", "multi_logloss": "log_loss",
    "mlogloss": "log_loss", "cross_entropy": "log_loss", "crossentropy": "log_loss", "binary_crossentropy": "log_loss",
    "categorical_crossentropy": "log_loss", "nll": "log_loss",
    "brier_score": "brier", "neg_brier_score": "brier", "brier_score_loss": "brier",
    "ece": "calibration_error", "expected_calibration_error": "calibration_error",
    "acc": "accuracy", "accuracy_score": "accuracy",
    "bacc": "balanced_accuracy", "balanced_accuracy_score": "balanced_accuracy",
    "f1_score": "f1", "f1score": "f1", "f_1": "f1", "precision_score": "precision", "recall_score": "recall",
    "sensitivity": "recall", "ppv": "precision", "tpr": "recall",
    "macro_f1": "f1_macro", "f1_score_macro": "f1_macro", "weighted_f1": "f1_weighted",
    "f1_score_weighted": "f1_weighted",
    "macro_precision": "precision_macro", "macro_recall": "recall_macro",
    "matthews": "mcc", "matthews_corrcoef": "mcc",
    "root_mean_squared_error": "rmse", "neg_root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae", "neg_mean_absolute_error": "mae", "l1": "mae",
    "r2_score": "r2", "r_squared": "r2", "rsquared": "r2", "r^2": "r2", "r²": "r2",
    "median_absolute_error": "median_ae", "neg_median_absolute_error": "median_ae", "medae": "median_ae",
    "mean_absolute_percentage_error": "mape", "neg_mean_absolute_percentage_error": "mape",
    "root_mean_squared_log_error": "rmsle", "neg_root_mean_squared_log_error": "rmsle",
    "neg_max_error": "max_error",
    "mse": "mean_squared_error", "l2": "mean_squared_error", "msle": "mean_squared_log_error",
    "bpc": "bits_per_character", "bits_per_char": "bits_per_character", "ppl": "perplexity",
    "poisson": "mean_poisson_deviance", "gamma": "mean_gamma_deviance", "top_2_accuracy": "top_k_accuracy",
}  # fmt: skip


def find(name: str, task: Task) -> Metric:
    """The metric of that name, in any case: ours, an alias, or a scikit-learn scorer.

    A scorer called ``neg_...`` is reported in its natural unit (positive) and minimised. scikit-learn is only imported
    for a name that is not in our table.

    Raises:
        SpecError: nobody knows the name, or the metric does not fit the task; the message has the nearest names.
    """
    key = re.sub(r"[\s\-]+", "_", name.strip().lower())
    key = _ALIASES.get(key, key)
    own = BY_NAME.get(key)
    if own is not None and task in own.tasks:
        return own
    if own is None:
        by_scorer = scorer_metric(key, task)
        if by_scorer is not None:
            return by_scorer
    raise SpecError(_refusal(name, key, task, known=own is not None or key in scorer_names()))


def _refusal(name: str, key: str, task: Task, *, known: bool) -> str:
    ours = tuple(m.name for m in metrics_for(task))
    problem = f"metric {name!r} does not fit a {task} target." if known else f"unknown metric {name!r}."
    if task is Task.LANGUAGE:
        return f"{problem} Known for {task}: {', '.join(ours)}."
    near = _nearest(key, ours, [s for s in scorer_names() if scorer_metric(s, task) is not None])
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return f"{problem}{hint} Known for {task}: {', '.join(ours)}, and every scikit-learn scorer for such a target."


def _nearest(key: str, ours: tuple[str, ...], scorers: list[str]) -> list[str]:
    """Up to two names: those the key is a part of, ours first, then those spelled alike."""
    inside = [n for n in ours if key and n.startswith(f"{key}_")]
    alike = difflib.get_close_matches(key, [*ours, *scorers, *_ALIASES], n=2)
    fitting = [_ALIASES.get(n, n) for n in alike]
    return list(dict.fromkeys([*inside, *(n for n in fitting if n in ours or n in scorers)]))[:2]
