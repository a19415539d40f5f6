"""The one table from the names of other programs' logs to ours (`trainwright.doctor.history`).

A name is taken apart into words (``valLoss``, ``val/loss``, ``val-loss`` and ``Val Loss`` are the same two), then

=======================================  ==========================================================================
words                                    ours
=======================================  ==========================================================================
one of `PARTS` and something else        ``train.<something>`` or ``val.<something>``; ``test`` is validation in a
                                         log without any
no part                                  training's, as Keras and Transformers write it; beside a ``train loss``
                                         a plain ``loss`` is ``objective``
`LOSSES`, the first that the log has     also ``train_loss`` and ``val_loss``
``lr``, ``learning rate``                ``learning_rate``; of several the first
``grad norm`` and the like               ``gradient_norm``; that of a single layer is left out
`STEPS`, `EPOCHS`                        the position
`RENAMED`                                speed, waiting, use of the device
`SILENT`, and all that holds them        left out without a word: clocks, counters, sizes
anything else                            left out, and said
=======================================  ==========================================================================
"""

import itertools
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["loss", "metric", "other", "step", "epoch", "silent", "unknown"]

PARTS = {
    "train": "train", "training": "train", "trn": "train", "learn": "train", "tr": "train",
    "val": "val", "valid": "val", "validation": "val", "eval": "val", "evaluation": "val", "dev": "val",
    "holdout": "val", "heldout": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

LOSSES = (
    "loss", "total_loss", "loss_total", "mean_loss", "running_loss", "objective", "cost",
    "nll", "nll_loss", "ce", "ce_loss", "xent", "cross_entropy", "crossentropy", "cross_entropy_loss",
    "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy",
    "logloss", "log_loss", "binary_logloss", "multi_logloss", "mlogloss", "multiclass", "cross_entropy_lambda",
    "lm_loss", "mse", "mse_loss", "mean_squared_error", "l2", "rmse", "root_mean_squared_error", "squared_error",
    "mae", "mean_absolute_error", "l1", "huber", "quantile", "poisson", "gamma", "tweedie", "bpb", "bits_per_byte",
    "bits_per_character", "bpc", "nats_per_character", "perplexity", "ppl",
)  # fmt: skip
"""What may stand for the loss, best first: a log of XGBoost has no ``loss``, and its ``logloss`` is one."""

METRICS = frozenset({
    "accuracy", "acc", "balanced_accuracy", "top1", "top5", "top_1", "top_5", "top_1_accuracy", "top_5_accuracy",
    "top_k_accuracy", "categorical_accuracy", "binary_accuracy", "sparse_categorical_accuracy", "error",
    "error_rate", "err", "merror", "auc", "roc_auc", "auroc", "auc_roc", "pr_auc", "aucpr", "auprc",
    "average_precision", "ap", "map", "map50", "map_50", "map50_95", "f1", "f1_score", "f1_macro", "f1_micro",
    "f1_weighted", "macro_f1", "micro_f1", "weighted_f1", "precision", "recall", "sensitivity", "specificity",
    "mcc", "matthews_correlation", "kappa", "iou", "miou", "mean_iou", "dice", "bleu", "rouge", "rouge1", "rouge2",
    "rougel", "rougelsum", "meteor", "wer", "cer", "exact_match", "em", "ndcg", "mrr", "hit_rate", "r2", "r2_score",
    "mape", "smape", "msle", "rmsle", "brier", "calibration_error", "ece", "psnr", "ssim", "fid", "pearson",
    "spearman", "reward", "mean_reward",
})  # fmt: skip
"""Metrics that are taken without a part in their name."""

RENAMED = {
    "samples_per_second": "samples_per_second", "examples_per_second": "samples_per_second",
    "step_seconds": "step_seconds", "step_time": "step_seconds", "sec_per_step": "step_seconds",
    "seconds_per_step": "step_seconds", "data_wait_share": "data_wait_share",
    "device_use_percent": "device_use_percent", "top_class_share": "top_class_share",
    "prediction_spread": "prediction_spread", "overconfidence": "overconfidence", "skipped_steps": "skipped_steps",
}  # fmt: skip

STEPS = (
    "step", "global_step", "steps", "iteration", "iter", "iters", "num_updates", "update", "updates", "round",
    "boosting_round", "trainer_global_step", "train_global_step", "global_steps", "it", "batch", "num_steps", "row",
)  # fmt: skip
"""Names of the position in a table, best first."""

EPOCHS = ("epoch", "epochs", "epoch_num", "current_epoch", "ep", "train_epoch", "epoch_number")

SILENT = frozenset({
    "time", "times", "timestamp", "date", "datetime", "elapsed", "duration", "runtime", "seconds", "sec", "secs",
    "second", "minutes", "hours", "ms", "eta", "remaining", "wall", "clock", "flos", "flops", "flop", "mfu",
    "tokens", "tok", "token", "samples", "examples", "throughput", "speed", "fps", "gpu", "cpu", "memory", "mem",
    "ram", "vram", "rss", "gib", "mib", "gb", "mb", "bytes", "version", "num", "seed", "rank", "world", "size",
    "count", "total", "id", "pid", "port", "created", "dt", "hours_left", "lrm", "data", "fraction", "percent",
    "progress", "patience", "wait", "bad", "best", "beta", "scale",
})  # fmt: skip
"""Words that make a name one that says nothing about the health of a training."""

_AROUND = frozenset({"epoch", "step", "batch", "avg", "average", "mean", "metrics", "metric", "value", "current"})
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_RATE_WORDS = frozenset({"lr", "learningrate"})
_NORM_FILLING = frozenset(
    {"grad", "grads", "gradient", "gradients", "norm", "total", "global", "l2", "2", "0", "train", "overall", "all"}
)


@dataclass(frozen=True, slots=True)
class Name:
    """What a name of a log means: its ``kind``; the ``part`` and ``metric`` of a loss or metric, or ours of others."""

    kind: Kind
    metric: str = ""
    part: str = ""


def meaning(raw: str) -> Name:
    """What a name of somebody's log means. The same for every spelling of its words."""
    words = split(raw)
    joined = "_".join(words)
    if joined in STEPS:
        return Name("step", joined)
    if joined in EPOCHS:
        return Name("epoch", joined)
    if joined in RENAMED:
        return Name("other", RENAMED[joined])
    if _is_rate(words):
        return Name("other", "learning_rate")
    if _is_whole_norm(words):
        return Name("other", "gradient_norm")
    part, rest = _part(words)
    rest = _bare(rest)
    metric = "_".join(rest)
    if metric in LOSSES:
        return Name("loss", metric, part)
    if metric in METRICS:
        return Name("metric", metric, part)
    if not metric or (not SILENT.isdisjoint(rest) and "loss" not in rest):
        return Name("silent")
    if part and "norm" not in rest:
        return Name("metric", metric, part)
    return Name("unknown", metric)


def split(raw: str) -> list[str]:
    """The words of a name in lower case; ``run - train/loss``, of exports of Weights & Biases, without the run."""
    if " - " in raw:
        head, tail = raw.rsplit(" - ", 1)
        raw = tail if head.strip() else raw
    if raw.endswith(("__MIN", "__MAX")):  # of the same exports: the band around a value
        return ["count"]
    raw = _CAMEL.sub("_", raw.replace("'s", "").replace("mAP", "map"))
    return [word for word in re.split(r"[\W_]+", raw.lower()) if word]


def is_part(word: str) -> bool:
    """Whether a word only says which rows: ``train``, ``valid_1's``."""
    words = split(word)
    return bool(words) and _part(words)[0] != "" and all(w.isdigit() or w.rstrip("0123456789") in PARTS for w in words)


def _part(words: list[str]) -> tuple[str, list[str]]:
    """The part in a name, and the words without it and its number (``valid_0``, ``validation_0``)."""
    for at, word in enumerate(words):
        bare = word.rstrip("0123456789")
        if bare in PARTS:
            after = at + 1
            if after < len(words) - 1 and words[after].isdigit():
                after += 1
            return PARTS[bare], words[:at] + words[after:]
    return "", words


def _bare(words: list[str]) -> list[str]:
    """Without words that only say over what a number was taken, unless nothing else is there."""
    while len(words) > 1 and words[-1] in _AROUND:
        words = words[:-1]
    while len(words) > 1 and words[0] in _AROUND and "_".join(words) not in LOSSES:
        words = words[1:]
    return words


def _is_rate(words: list[str]) -> bool:
    if not _RATE_WORDS.isdisjoint(words):
        return True
    return any(pair == ("learning", "rate") for pair in itertools.pairwise(words))


def _is_whole_norm(words: list[str]) -> bool:
    if words == ["gnorm"] or words == ["total", "norm"]:
        return True
    of_gradient = any(w.startswith("grad") for w in words) and "norm" in words
    return of_gradient and _NORM_FILLING.issuperset(_bare(words))
